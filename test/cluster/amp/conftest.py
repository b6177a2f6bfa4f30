"""One stand-in for all tests of this folder, forgetful between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amp.client import Client
from amp.control import Amp
from amp.signer import Signer

HERE = Path(__file__).resolve().parent
Launch = Callable[..., subprocess.CompletedProcess[str]]


def run_launcher(verb: str, state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run(
        [HERE / verb, "--state", state, *options],
        env=env,
        timeout=120,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("amp")
    places = ("--listen", "127.0.0.1:0", "--prometheus", "127.0.0.1:0")
    jwks = folder / "jwks.json"
    jwks.write_text(json.dumps(signer.jwks()))
    tokens = ("--issuer", signer.issuer, "--jwks", str(jwks))
    done = run_launcher("up", folder, *places, *tokens)
    assert done.returncode == 0, done.stderr
    yield folder
    assert run_launcher("down", folder).returncode == 0


@pytest.fixture
def amp(state: Path) -> Iterator[Amp]:
    stand = Amp.at(state)
    stand.reset()
    yield stand
    stand.reset()


@pytest.fixture
def client(amp: Amp) -> Iterator[Client]:
    one = Client(amp.settings)
    yield one
    one.line.close()


@pytest.fixture
def launch() -> Launch:
    """launch("up" or "down", STATE, option…)"""
    return run_launcher
