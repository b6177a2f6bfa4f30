"""kubectl ampscale against the node: what it says is what the scaler does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from amp.control import Amp, wait_until
from conftest import TREE, Load, Make, setting
from kube import AT_ONCE, SECONDS, Done, Kube, manifest_of, run

Loads = Callable[[Any], Load]


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, kube: Kube) -> Iterator[Callable[..., Done]]:
    """plugin("status"): kubectl ampscale status in the test's namespace."""
    folder = TREE / setting("AMPSCALE_PROGRAMS")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def command(*words: str, stdin: str | None = None) -> Done:
        place = ["-n", kube.namespace] if words[0] in ("status", "explain") else []
        return run("kubectl", "ampscale", *words, *place, stdin=stdin)

    yield command


def test_status(plugin: Callable[..., Done], workload: Make, load: Loads) -> None:
    one, two = workload(), workload()
    one.scaled(load(100).query, "25", parked=True).wait_for(4)
    two.scaled(load(50).query, paused_replicas="3", parked=True).wait_for(3)
    two.wait_condition("Paused", "True")
    one.wait_condition("AbleToScale", "True", "ReadyForNewScale")
    one.settle()
    lines = plugin("status").accepted().out.splitlines()
    assert lines[0].split()[0] in ("REFERENCE", "NAME")
    (row,) = [line for line in lines if one.name in line]
    assert "25/25 (avg)" in row
    assert "4" in row.split()
    (row,) = [line for line in lines if two.name in line]
    assert "Paused" in row
    (found,) = json.loads(plugin("status", one.name, "-o", "json").accepted().out)
    assert (found["name"], found["desired"], found["replicas"]) == (one.name, 4, 4)
    assert found["triggers"][0]["value"] == 100


def test_status_follows(plugin: Callable[..., Done], workload: Make, load: Loads) -> None:
    metric = load(2)
    one = workload().scaled(metric.query, parked=True)
    one.wait_for(2)
    command = ["kubectl", "ampscale", "status", "-w", "-n", one.kube.namespace, one.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        head = [follower.stdout.readline(), follower.stdout.readline()]
        assert one.name in head[1], head
        metric.set(5)
        one.wait_for(5)
        line = follower.stdout.readline()
        while " 5 " not in line:
            line = follower.stdout.readline()
            assert line, "it ended"
        follower.send_signal(signal.SIGINT)


def test_explain(plugin: Callable[..., Done], workload: Make, load: Loads, amp: Amp) -> None:
    """The contract, the conditions, the events, and what it would do now, by its own query."""
    metric = load(30)
    one = workload().scaled(metric.query, "10", behavior=AT_ONCE, parked=True)
    one.wait_for(3)
    one.wait_event(reason="SuccessfulRescale")
    text = plugin("explain", one.name).accepted().out
    for part in ("ScalerActive", "SuccessfulRescale", "polling-interval", metric.query):
        assert part in text
    settings = amp.settings
    place = [f"--endpoint={settings['endpoint']}", f"--ca-file={settings['ca_file']}"]
    place += [f"--region={settings['region']}", "--sigv4=on"]
    found = json.loads(plugin("explain", one.name, "-o", "json", *place).accepted().out)
    assert found["now"]["replicas"] == 3
    assert "30/10" in found["now"]["message"]
    assert "not found" in plugin("explain", "nobody").refusal()


def test_replay(plugin: Callable[..., Done], workload: Make, load: Loads, kube: Kube) -> None:
    """kubectl logs … | kubectl ampscale replay: every decision of this whole run, again."""
    metric = load(2)
    one = workload().scaled(metric.query, behavior=AT_ONCE, parked=True)
    one.wait_for(2)
    metric.set(6)
    one.wait_for(6)
    metric.set(3)
    one.wait_for(3)
    log = wait_until(
        lambda: (
            text
            if '"to":3' in (text := kube("logs", "deployment/ampscale-scaler").accepted().out)
            else ""
        ),
        SECONDS,
        "the decision is in the log",
    )
    found = json.loads(plugin("replay", "-", "-o", "json", stdin=log).accepted().out)
    assert found["different"] == 0
    assert found["decisions"] >= 3
    (line, *_) = [text for text in log.splitlines() if '"decision"' in text and one.name in text]
    wrong = line.replace('"to":2', '"to":9')
    assert wrong != line
    assert plugin("replay", "-", stdin=wrong).code == 1


def test_lint(plugin: Callable[..., Done], workload: Make) -> None:
    """The webhook's words without a cluster."""
    one = workload()
    bad = {"scale.amp/query": "vector(1)", "scale.amp/threshold": "0", "scale.amp/treshold": "1"}
    text = json.dumps(manifest_of(one.name, bad))
    done = plugin("lint", "-f", "-", stdin=text)
    assert done.code == 1
    refusal = one.apply(query="vector(1)", threshold="0", treshold="1").refusal()
    for part in ("did you mean scale.amp/threshold?", '"0": expected a number > 0'):
        assert part in done.out + done.err
        assert part in refusal
    good = json.dumps(manifest_of(one.name, {"scale.amp/query": "1", "scale.amp/threshold": "1"}))
    plugin("lint", "-f", "-", stdin=good).accepted()
