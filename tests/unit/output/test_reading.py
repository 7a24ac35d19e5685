"""Reading in pieces gives the same values as reading the whole text with libyaml."""

from __future__ import annotations

import pytest
import yaml

from ftc import yaml_text
from ftc.driver import Request, compile_job
from ftc.yaml_text import documents
from unit.test_yaml_text import PLACES, TEXTS, same


@pytest.mark.parametrize("target", ["volcano", "job", "storage"])
def test_a_manifest_is_read_exactly(target: str) -> None:
    text = compile_job(Request(("hardware=ascend", "nodes=2"), targets=(target,))).outputs[target]
    assert same(list(documents(text)), list(yaml.safe_load_all(text)))


def test_any_string_in_any_place_is_read_exactly() -> None:
    for place in PLACES.values():
        for text in TEXTS:
            written = yaml_text.dump({"before": [1], "a": place(text), "after": {"b": "p" * 1200}})
            assert same(list(documents(written)), [yaml.safe_load(written)]), written
