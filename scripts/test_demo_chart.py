"""The chart of the demo: what a row shows, and when following ends, by a made up kubectl."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from demo_chart import Deployment, Row

HERE = Path(__file__).resolve().parent
# Counts are as the file "counts" says, the first line at the first question, the last one for ever.
KUBECTL = """\
#!/bin/sh
case "$*" in
    *exec*) exit "$(cat "$HERE/exec")" ;;
esac
head -n 1 "$HERE/counts"
[ "$(wc -l <"$HERE/counts")" -le 1 ] || sed -i 1d "$HERE/counts"
"""


def test_a_row_keeps_its_width() -> None:
    row = Row("load", 8, [0, 2, 4, 8, 16])
    assert row.line(5, 5) == f"{'load':26}  ▂▄██"
    row.values = [float(n // 50) for n in range(400)]
    assert row.line(8, 400) == f"{'load':26}  ▁▂▃▄▅▆▇"


def test_a_deployment_peaks_before_it_rests() -> None:
    one = Deployment("checkout", 0)
    for now_s, replicas in enumerate([0, 0, 3, 5, 5, 0]):
        one.take({"spec": {"replicas": replicas}, "status": {}}, 5, now_s)
    assert (one.peaked_s, one.rested_s) == (3, 5)


@pytest.mark.parametrize(
    ("counts", "code", "text"),
    [
        ([0, 5, 0], 0, "checkout: 5 after "),
        ([0, 5, 6], 1, "beyond the peak: ['checkout']"),
        ([0, 5, 0], 7, "refused"),
    ],
)
def test_following(tmp_path: Path, counts: list[int], code: int, text: str) -> None:
    settings = {"endpoint": "https://127.0.0.1:9/workspaces/none", "region": "none"}
    settings |= {"access_key": "none", "secret_key": "none", "session_token": None}
    authorities = tmp_path / "ca.crt"
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    where = ["-subj", "/CN=none", "-keyout", str(tmp_path / "key"), "-out", str(authorities)]
    subprocess.run(["openssl", *made, *where], check=True, capture_output=True)
    (tmp_path / "settings.json").write_text(json.dumps(settings | {"ca_file": str(authorities)}))
    lines = [json.dumps({"spec": {"replicas": n}, "status": {}}) for n in counts]
    (tmp_path / "counts").write_text("\n".join(lines) + "\n")
    (tmp_path / "exec").write_text(str(7 if code == 7 else 0))
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL.replace('exit "$(cat', 'echo refused >&2; exit "$(cat'))
    kubectl.chmod(0o755)
    done = subprocess.run(
        [
            sys.executable,
            HERE / "demo_chart.py",
            f"--state={tmp_path}",
            "--namespace=shop",
            "follow",
            "load",
            *("3", "0.1", "5", "checkout=0"),
        ],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HERE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == min(code, 1), done.stderr
    assert text in done.stdout + done.stderr
    assert code == 7 or "replicas of checkout 5" in done.stdout
