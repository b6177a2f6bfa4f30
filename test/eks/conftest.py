"""A pretended AWS account, and the real aws CLI in front of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_account import ROOT, Account, started
from aws_stand import Stand
from cli_stand import write_client


@pytest.fixture(scope="session")
def tools() -> Path:
    """The directory with aws and cfn-lint."""
    made = subprocess.run(
        [ROOT / "scripts/venv.sh", "test/eks/requirements.txt"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Path(made.stdout.strip()).parent


@pytest.fixture
def account(tools: Path, tmp_path: Path) -> Iterator[Account]:
    """One with an EKS cluster "ampscale" and nothing else."""
    here = Path(__file__).parent
    python = tools / "python"
    moto, url = started([python, here / "moto_stand.py"])
    cli, _ = started([python, here / "cli_stand.py", tmp_path / "cli.socket"])
    write_client(tmp_path / "aws", tmp_path / "cli.socket")
    stand = Stand(url)
    try:
        made = Account(stand, url, tmp_path)
        made.aws(
            *"eks create-cluster --name ampscale --resources-vpc-config {}".split(),
            *"--role-arn arn:aws:iam::123456789012:role/cluster".split(),
        )
        yield made
    finally:
        stand.close()
        for process in (cli, moto):
            process.communicate(timeout=20)
