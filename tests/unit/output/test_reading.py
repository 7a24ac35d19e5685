"""What is verified is what libyaml reads in the whole text."""

from __future__ import annotations

import pytest
import yaml

from ftc import yaml_text
from ftc.driver import Request, compile_job
from ftc.output.reading import documents
from unit.test_yaml_text import PLACES, TEXTS, same


@pytest.mark.parametrize("target", ["volcano", "job", "storage"])
def test_a_manifest_is_read_as_it_is(target: str) -> None:
    text = compile_job(Request(("hardware=ascend", "nodes=2"), targets=(target,))).outputs[target]
    assert same(list(documents(text)), list(yaml.safe_load_all(text)))


def test_any_text_in_any_place_is_read_as_it_is() -> None:
    for place in PLACES.values():
        for text in TEXTS:
            written = yaml_text.dump({"before": [1], "a": place(text), "after": {"b": "p" * 1200}})
            assert same(list(documents(written)), [yaml.safe_load(written)]), written
