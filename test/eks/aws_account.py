"""A pretended AWS account, as the aws CLI and the steps of examples/eks/aws.sh see it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from aws_stand import Stand

ROOT = Path(__file__).parents[2]
EKS = ROOT / "examples/eks"
REGION = "eu-west-1"


class Account:
    def __init__(self, stand: Stand, moto: str, programs: Path) -> None:
        self.stand = stand
        self.env = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(programs),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ENDPOINT_URL": moto,
            "AWS_ENDPOINT_URL_EKS": stand.url,
            "AWS_ENDPOINT_URL_GRAFANA": stand.url,
            "GRAFANA_URL": stand.url,
        }
        self.programs = programs

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, env={**self.env, **env}, capture_output=True, text=True, timeout=300, cwd=ROOT
        )

    def aws(self, *words: str) -> str:
        done = self.run("aws", *words)
        assert done.returncode == 0, f"aws {' '.join(words)}: {done.stderr}"
        return done.stdout

    def step(self, *steps: str, **env: str) -> str:
        """Steps of examples/eks/aws.sh; what they print."""
        done = self.run(str(EKS / "aws.sh"), *steps, **env)
        assert done.returncode == 0, f"{steps}: {done.stdout}{done.stderr}"
        assert done.stderr == "", done.stderr
        return done.stdout


def started(command: list[Any]) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, f"{command} did not start"
    return process, line
