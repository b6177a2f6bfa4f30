"""The scaler's clock moves by an hour (libfaketime), forward and back: nothing steps down for it.

A scaler of our own, as a process on the node and for a namespace of its own, since the clock is
moved per process. It asks Prometheus directly: what is signed or encrypted is rightly refused by
others when the clock is that wrong.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from amp.control import Amp, wait_until
from conftest import SANITIZER, TREE, Load, setting
from kube import AT_ONCE, SECONDS, Kube, Workload
from pods import Pod

Loads = Callable[[Any], Load]
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
PORT = 18080  # and the next, for the other


class MovedScaler:
    """A scaler whose clock is moved while it runs."""

    def __init__(self, kube: Kube, folder: Path, prometheus: str, monotonic: bool) -> None:
        self.port = PORT + monotonic
        self.pod = Pod(kube, "process", "127.0.0.1", self.port)
        self.kube, self.folder, self.prometheus = kube, folder, prometheus
        self.variables = os.environ | {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "0" if monotonic else "1",
            "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0",
        }
        self.log = folder / "log"
        self.move("+0")
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [
            str(TREE / setting("AMPSCALE_PROGRAMS") / "ampscale-scaler"),
            f"--kubeconfig={os.environ['KUBECONFIG']}",
            f"--namespace={self.kube.namespace}",
            f"--endpoint=http://{self.prometheus}",
            f"--metrics-listen=127.0.0.1:{self.port}",
        ]
        with self.log.open("ab") as sink:
            return subprocess.Popen(command, stderr=sink, env=self.variables)

    def move(self, by: str) -> None:
        """By how much it is wrong from now on: "+1h"."""
        new = self.folder / "clock.new"
        new.write_text(f"{by}\n")
        new.rename(self.folder / "clock")

    def polls(self, count: int) -> None:
        """Until it asked so often from now on, for all of its workloads."""
        name = "ampscale_scaler_queries_total"
        until = self.pod.metric(name) + count
        wait_until(lambda: self.pod.metric(name) >= until, SECONDS, f"{count} more queries")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        text = self.log.read_text()
        assert not [word for word in SANITIZER if word in text], text[-4000:]


@pytest.fixture
def elsewhere() -> Iterator[Kube]:
    """A namespace that no other scaler serves."""
    kube = Kube(f"clock-{uuid.uuid4().hex[:8]}")
    kube("create", "namespace", kube.namespace).accepted()
    yield kube
    kube("delete", "namespace", kube.namespace, "--wait=false").accepted()


@pytest.fixture(params=[False, True], ids=["wall clock", "monotonic too"])
def scaler(
    request: pytest.FixtureRequest, elsewhere: Kube, tmp_path: Path, amp: Amp
) -> Iterator[MovedScaler]:
    scaler = MovedScaler(elsewhere, tmp_path, amp.settings["prometheus"], request.param)
    yield scaler
    scaler.stop()


def test_clock_is_moved(scaler: MovedScaler, elsewhere: Kube, load: Loads) -> None:
    metric, rises = load(4), load(2)
    stable, cooling, rising = (Workload(elsewhere, name) for name in ("a", "b", "c"))
    stable.scaled(metric.query, parked=True)
    cooling.scaled(
        metric.query, min_replicas="0", cooldown_period="10m", behavior=AT_ONCE, parked=True
    )
    rising.scaled(rises.query, behavior=AT_ONCE, max_replicas="50", parked=True)
    stable.wait_for(4)
    cooling.wait_for(4)
    rising.wait_for(2)
    metric.set(0)
    cooling.wait_for(1)
    stable.wait_condition("AbleToScale", "True", "ScaleDownStabilized")
    before = [(one.replicas(), one.generation()) for one in (stable, cooling)]
    for step, by in enumerate(("+1h", "+0", "-1h", "+1h"), 1):
        scaler.move(by)
        scaler.polls(9)
        rises.set(10 * step)
        rising.wait_for(10 * step)
        after = [(one.replicas(), one.generation()) for one in (stable, cooling)]
        assert after == before, f"clock at {by}"
    scaler.stop()  # its clock is an hour ahead, and so will be the next one's
    scaler.process = scaler.start()
    wait_until(scaler.pod.leads, SECONDS, "it leads again")
    scaler.polls(9)
    assert [(one.replicas(), one.generation()) for one in (stable, cooling)] == before
