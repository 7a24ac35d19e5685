"""A manifest that does not match its schema is a bug in ftc, and is reported as one."""

from __future__ import annotations

import pytest

from ftc import yaml_text
from ftc.output import verify
from unit.compiling import artifacts, compiled
from unit.loading import load


def test_an_emitted_manifest_matches() -> None:
    spec = compiled("nodes=2").spec
    assert spec is not None
    verify.volcano(artifacts("nodes=2")["volcano.yaml"], spec.cluster)


@pytest.mark.parametrize("change", [{"minAvailable": "two"}, {"unknown": 1}, {"maxRetry": -1}])
def test_a_manifest_that_does_not_match_is_a_bug(change: dict[str, object]) -> None:
    made = load(artifacts()["volcano.yaml"])
    made["spec"] |= change
    spec = compiled().spec
    assert spec is not None
    with pytest.raises(verify.BugError, match=next(iter(change))):
        verify.volcano(yaml_text.dump(made), spec.cluster)


@pytest.mark.parametrize("volcano", ["1.9", "1.12", "1.15"])
@pytest.mark.parametrize("kubernetes", ["1.29", "1.33", "1.37"])
def test_emitted_manifests_match_every_version(volcano: str, kubernetes: str) -> None:
    everything = (
        *("nodes=2", "restarts=1", "ttl_seconds_after_finished=60", "cluster.priority_class=a", "namespace=b"),
        *("storage=job-lifetime", "storage.workspace.access_mode=ReadWriteMany", "cluster.ca_bundle={config_map: c}"),
    )
    compiled(*everything, f"cluster.volcano={volcano}", f"cluster.kubernetes={kubernetes}")
