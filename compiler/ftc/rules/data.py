"""The pages of the findings in the rows of a dataset, which scripts/check_dataset.py reports."""

from __future__ import annotations

from typing import NamedTuple

from ftc.diagnostics.model import Severity

GROUP = "data"


class About(NamedTuple):
    """The name, the weight and the page of a code."""

    name: str
    severity: Severity
    text: str
    help: str = ""


_LOADER = "Source: LLaMA-Factory 0.9.5, data/loader.py, data/parser.py; datasets 4.0.0, packaged_modules/json/json.py."
_CONVERTER = "Source: LLaMA-Factory 0.9.5, data/converter.py, data/processor."
_TEMPLATE = "Source: LLaMA-Factory 0.9.5, data/template.py, data/formatter.py."
_MEDIA = "Source: LLaMA-Factory 0.9.5, data/mm_plugin.py."

ABOUT = {
    "FTC151": About(
        "dataset-description",
        Severity.ERROR,
        f"""dataset_info.json describes the dataset, its files and its format.

        If `columns` or `tags` is given, it replaces all defaults, so name every column and tag that the rows have.
        {_LOADER}
        """,
    ),
    "FTC152": About(
        "dataset-not-readable",
        Severity.ERROR,
        f"""Every file of a dataset is UTF-8 and valid JSON, CSV or text.

        One broken line ends the training: JSON lines need one object per line, an array closes with `]`, and a CSV row
        has at most as many fields as the header. An array must not begin with a byte order mark.
        {_LOADER}
        """,
    ),
    "FTC153": About(
        "dataset-types-differ",
        Severity.ERROR,
        f"""A column has values of one type in all rows.

        A number in a column of strings, or an object instead of a list, ends the training. Later files must have the
        columns and the types of the first one. A column that is null in the first 1,000 rows lacks a type, and a later
        value ends the training too.
        {_LOADER}
        """,
    ),
    "FTC154": About(
        "dataset-column-missing",
        Severity.ERROR,
        f"""The rows have the columns that the description names, or those that LLaMA-Factory assumes.

        Without `columns`, the format alpaca needs instruction, input and output; sharegpt needs conversations, whose
        messages have from and value.
        {_CONVERTER}
        """,
        "say in the description which columns the rows have, such as columns: {prompt: question, response: answer}",
    ),
    "FTC155": About(
        "dataset-value-not-text",
        Severity.ERROR,
        f"""The texts of a conversation are strings, not null, numbers or lists.

        A message without text ends the training while it tokenizes.
        {_TEMPLATE}
        """,
    ),
    "FTC156": About(
        "dataset-unknown-role",
        Severity.ERROR,
        f"""Every message has a role that the tags name.

        In the format openai and in the answers of a pair, an unknown role ends the training. In the format sharegpt the
        trainer drops the row.
        {_CONVERTER}
        """,
    ),
    "FTC157": About(
        "dataset-tool-call",
        Severity.ERROR,
        f"""Calls of functions and the descriptions of tools are JSON.

        A call is an object with `name` and `arguments`, or a list of them; the tools are a string of JSON, a list of
        objects.
        {_TEMPLATE}
        """,
    ),
    "FTC158": About(
        "dataset-stage",
        Severity.ERROR,
        f"""The stage can use the dataset.

        rm, dpo, orpo and simpo need pairs, which the description marks with `ranking: true`; other stages reject them.
        {_LOADER}
        """,
    ),
    "FTC159": About(
        "dataset-media-missing",
        Severity.ERROR,
        f"""Every image, video and audio that a row names exists.

        The trainer only warns while it reads the rows, and fails when it opens the file.
        {_MEDIA}
        """,
    ),
    "FTC160": About(
        "dataset-media-count",
        Severity.ERROR,
        f"""A row has one file for each <image>, <video> and <audio> in its text.

        The model must read that kind of file.
        {_MEDIA}
        """,
    ),
    "FTC161": About(
        "dataset-row-dropped",
        Severity.WARNING,
        f"""The trainer uses every row.

        It drops rows without an answer, with roles in the wrong order, or with one answer of a pair. Its log has only a
        warning, and the training is shorter than planned.
        {_CONVERTER}
        """,
    ),
    "FTC162": About(
        "dataset-without-rows",
        Severity.ERROR,
        f"""At least one row is left to train on.

        For pt, rows are joined to sequences of cutoff_len tokens; a small text may not fill one.
        {_CONVERTER}
        """,
    ),
    "FTC163": About(
        "dataset-empty-answer",
        Severity.WARNING,
        f"""An answer has text.

        The trainer accepts an empty one, and the model learns to say nothing.
        {_CONVERTER}
        """,
    ),
    "FTC164": About(
        "dataset-equal-answers",
        Severity.WARNING,
        f"""The chosen and the rejected answer differ.

        Equal answers teach nothing: their difference, which the loss needs, is zero.
        {_CONVERTER}
        """,
    ),
    "FTC165": About(
        "dataset-long-rows",
        Severity.WARNING,
        f"""A row has at most cutoff_len tokens.

        The trainer cuts longer rows, usually in the answer. The count is without the tokens of the chat template.
        {_CONVERTER}
        """,
    ),
    "FTC166": About(
        "dataset-not-checked",
        Severity.NOTE,
        f"""The rows can be read where they are checked.

        parquet and arrow need the package pyarrow. A dataset that `datasets` downloads or lays out itself (hf_hub_url,
        script_url) is not checked. Of the datasets of a run, `ftc dataset check` reads those on this machine.
        {_LOADER}
        """,
    ),
    "FTC167": About(
        "kto-row-dropped",
        Severity.ERROR,
        """No row of a dataset for KTO is dropped for its form.

        KTO compares a question with the answer of the row before it. If that row was dropped, the training ends.
        Source: LLaMA-Factory 0.9.5, data/processor/feedback.py.
        """,
    ),
    "FTC168": About(
        "kto-needs-both-ratings",
        Severity.WARNING,
        """A dataset for KTO has liked and disliked answers.

        With one kind alone, the loss has nothing to compare.
        Source: LLaMA-Factory 0.9.5, data/processor/feedback.py.
        """,
    ),
}
