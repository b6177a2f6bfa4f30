"""Prometheus has the same from the collector as from scraping itself: beside.py, for a minute."""

from __future__ import annotations

from pathlib import Path

import beside


def test_the_collector_and_prometheus_agree(tmp_path: Path) -> None:
    found = beside.run(tmp_path, 50, 1)
    assert not found.differences, "\n".join(found.differences[:40])
    assert found.evaluations >= 40
    assert len(found.series) >= 18
    assert found.vanished > 50
