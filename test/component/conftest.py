"""Fixtures of the component tests in Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import aws_stage
import pretendkube
import pytest
from scaler_process import Stage


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
