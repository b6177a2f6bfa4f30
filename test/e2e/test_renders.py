"""The API server takes all that the chart renders for its sample values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from kube import Kube

GOLDEN = Path(__file__).resolve().parents[1] / "golden/chart"
CASES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))
# The kinds of others' operators, and a pod that wants its ServiceAccount to be there.
LEFT_OUT = {"Certificate", "Issuer", "PodMonitor", "Pod"}


@pytest.mark.parametrize("case", CASES)
def test_the_api_server_takes_what_is_rendered(case: str) -> None:
    made = [one for one in yaml.safe_load_all((GOLDEN / f"{case}.yaml").read_text()) if one]
    made = [one for one in made if one["kind"] not in LEFT_OUT]
    for one in made:
        if "namespace" in one["metadata"]:
            one["metadata"]["namespace"] = "default"
    said = Kube("default")(
        *("apply", "--server-side", "--dry-run=server", "--force-conflicts"),
        *("--field-manager=renders", "-f", "-"),
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}),
    )
    assert len(said.accepted().out.splitlines()) == len(made)
    assert not said.warnings
