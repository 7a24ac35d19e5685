"""`ftc.explain`: what the command prints."""

from __future__ import annotations

import json

import pytest

import ftc
from unit.compiling import ftc as command


@pytest.mark.parametrize(
    ("what", "target"), [("learning_rate", None), ("image", None), ("42", None), ("learning_rate", "llamafactory")]
)
def test_an_explanation_has_what_the_command_prints(what: str, target: str | None) -> None:
    found = ftc.explain(what, "hardware=ascend", target=target)
    asked = ("explain", what, "hardware=ascend", *(["-t", target] if target else []))
    assert found.text == command(*asked).stdout
    assert json.loads(json.dumps(found.data)) == json.loads(command(*asked, "--json").stdout)


def test_a_key_has_its_value_and_its_meaning() -> None:
    found = ftc.explain("devices", "devices=4")
    assert (found.key, found.value) == ("devices", 4)
    assert found.meaning
    assert found.data["origins"][0]["settings"][-1] == {"place": "override 'devices=4'", "value": 4}


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(ftc.RefusedError, match="'nodez' is not in"):
        ftc.explain("hardware.nodez")
    with pytest.raises(ftc.RefusedError) as raised:
        ftc.explain("spec.queue", "nodez=2")
    assert [one.code for one in raised.value.findings] == ["FTC010"]
    with pytest.raises(ValueError, match="is an override"):
        ftc.explain("nodes=2")
    with pytest.raises(ValueError, match="unknown target"):
        ftc.explain("image", target="script")
