"""examples/strip.sh, which is run before ampscale is uninstalled: one write without the keys that
it names, and the webhook takes back all that it wrote itself.
"""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_webhook_collector import ASKS, OLD, admit, manifest
from webhook_process import Webhook, scaled

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    with Webhook(*OLD) as running:
        yield running


@pytest.fixture
def keys(tmp_path: Path) -> list[str]:
    """What it has kubectl take away."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    kubectl.chmod(0o755)
    done = subprocess.run(
        [ROOT / "examples/strip.sh"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [word[:-1] for word in done.stdout.split() if word.endswith("-")]


@pytest.mark.parametrize("more", [{}, {"restore-replicas": "true", "max-replicas": "30"}])
def test_nothing_of_ours_is_left(webhook: Webhook, keys: list[str], more: dict[str, str]) -> None:
    asked = scaled() | ASKS | {f"scale.amp/{key}": value for key, value in more.items()}
    plain = manifest({"team": "shop"})
    plain["metadata"]["labels"] = {"app": "web"}
    plain["spec"]["replicas"] = 2
    wanted = copy.deepcopy(plain)
    wanted["metadata"]["annotations"] |= asked
    stored, _ = admit(webhook, wanted)
    assert "ampscale-collector" in str(stored["spec"]["template"]["spec"]["initContainers"])
    stored["spec"]["replicas"] = 7  # as scaled
    bare = copy.deepcopy(stored)
    for key in keys:
        bare["metadata"]["annotations"].pop(key, None)
    left, _ = admit(webhook, bare, stored)
    plain["spec"]["replicas"] = 2 if more else 7
    assert left == plain
