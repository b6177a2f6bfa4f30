"""`kubectl ampscale simulate` and an independent HPA agree, replica for replica.

Random specs and traces; TRACES and SEED in the environment choose how many and which.
"""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hpa_traces import Line, Trace, play, random_trace

ROOT = Path(__file__).resolve().parents[2]
TRACES = int(os.environ.get("TRACES", "300"))
FIRST_SEED = int(os.environ.get("SEED", "1"))


def program() -> Path:
    path = Path(os.environ.get("BUILD_DIR", ROOT / "build" / "dev")) / "bin/kubectl-ampscale"
    if not path.exists():
        pytest.fail(f"{path} is not there: ./run build dev")
    return path


def simulate(manifest: Path, trace: Trace, lines: list[Line]) -> list[dict[str, object]]:
    """What ours decides at each line."""
    manifest.write_text(json.dumps(trace.deployment()))
    done = subprocess.run(
        [program(), "simulate", "-f", manifest],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"SEED={trace.seed} TRACES=1: {done.stderr}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(directory: Path, seed: int) -> str | None:
    """None, or where ours and the HPA part, with what led there."""
    trace = random_trace(seed)
    course = play(trace)
    ours = simulate(directory / f"{seed}.json", trace, course.lines)
    assert len(ours) == len(course.counts)
    for step, (mine, theirs) in enumerate(zip(ours, course.counts, strict=True)):
        if mine["replicas"] != theirs:
            lines = map(json.dumps, course.lines[max(0, step - 20) : step + 1])
            said = f"SEED={seed} TRACES=1: tick {step}: {mine}, the HPA says {theirs}"
            return "\n".join([said, json.dumps(trace.annotations), *lines])
    return None


def test_agrees_with_the_hpa(tmp_path: Path) -> None:
    seeds = range(FIRST_SEED, FIRST_SEED + TRACES)
    with ThreadPoolExecutor(2) as pool:
        found = [text for text in pool.map(lambda seed: compare(tmp_path, seed), seeds) if text]
    assert not found, f"{len(found)} of {TRACES} traces differ, the first:\n{found[0]}"
