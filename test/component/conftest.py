"""Fixtures of the component tests in Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_stage
import pretendkube
import pytest
from scaler_process import Stage
from xdist.scheduler import LoadScopeScheduling

# Files whose tests share what a fixture started: they go to one worker. Any other test goes to any,
# but for a class's, which stay together.
TOGETHER = {"test_strip", "test_webhook", "test_webhook_collector", "test_webhook_policy"}
# What takes longest comes first, lest it is left for the end.
EARLY = (
    "test_collector_beside",
    "test_hpa_differential",
    "test_scaler_leadership",
    "test_webhook_certs",
    "test_webhook_http",
    "test_webhook_lookups",
    "test_webhook",
    "test_webhook_policy",
    "test_webhook_collector",
    "test_collector_remote",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        name = item.path.stem
        return EARLY.index(name) if name in EARLY else len(EARLY)

    items.sort(key=rank)


class Scheduling(LoadScopeScheduling):
    """xdist's, for whom a scope is what goes to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, rest = nodeid.partition("::")
        if Path(file).stem in TOGETHER:
            return file
        group, inside, _ = rest.partition("[")[0].rpartition("::")
        return f"{file}::{group}" if inside else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[aws_stage.Stage]:
    """What hands out AWS credentials, and what verifies them."""
    with aws_stage.staged(tmp_path, monkeypatch) as stage:
        yield stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A world of its own for each test; its scalers are ended and looked at afterwards."""
    with pretendkube.serving() as (world, port):
        stage = Stage(world, port, tmp_path)
        stage.empty_lease()
        yield stage
        world.down = False
        stage.close()
