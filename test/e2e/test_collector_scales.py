"""examples/app: Deployments that scale on their own latency, errors and memory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from kube import Kube, keyed
from loop import Loop
from sidecar import EXAMPLES, App, Prom, documents

# What is asked of each, all at once: latency and memory by a request at a time and by three.
LOADS = {
    "on-latency": ["--rate", "120/m"],
    "on-errors": ["--rate", "300/m"],
    "on-memory": ["--parallel", "--parallel-max", "3"],
}
CALLS = 200


@pytest.fixture(scope="module")
def scaled(loop: Loop, kube: Kube) -> Iterator[dict[str, App]]:
    """All three under load. The loop is over: its query is of all that ho11y_total there is."""
    apps = {name: App(kube, name) for name in LOADS}
    traffic = []
    for name in LOADS:
        (manifest,) = documents(EXAMPLES / f"{name}.yaml")
        quickly = {"scrape_interval": "1s", "polling_interval": "1s"}
        manifest["metadata"]["annotations"] |= keyed(quickly)
        kube.apply(manifest).accepted()
    for name, words in LOADS.items():
        apps[name].ready()
        url = f"http://localhost:8765/?n=[1-{CALLS}]"
        place = ["-n", kube.namespace, f"deployment/{name}", "-c", "ho11y"]
        curl = ["curl", "-sS", *words, "-o", "/dev/null", url]
        traffic.append(subprocess.Popen(["kubectl", "exec", *place, "--", *curl]))
    yield apps
    for process in traffic:
        process.kill()
        process.wait()
    kube("delete", "deployment", *LOADS).accepted()


@pytest.mark.parametrize("name", LOADS)
def test_it_scales(scaled: dict[str, App], name: str) -> None:
    scaled[name].wait(lambda d: d["spec"]["replicas"] > 1, "more than one replica")
    scaled[name].wait_event(reason="SuccessfulRescale")


def test_only_what_the_query_selects_is_sent(scaled: dict[str, App], prom: Prom) -> None:
    """metrics: from-query, and a list: nothing else but what each scrape says of itself."""
    usual = ("up", "scrape_", "ampscale_collector_")

    def sent(name: str) -> set[str]:
        names = {row["__name__"] for row in prom.labels(f'{{job="{name}"}}')}
        return {one for one in names if not one.startswith(usual)}

    assert sent("on-latency") == {"ho11y_request_duration_seconds_bucket"}
    assert sent("on-errors") == {"ho11y_total"}
    assert sent("on-memory") == {"process_resident_memory_bytes"}
