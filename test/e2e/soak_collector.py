"""AMP is gone for minutes while collectors scrape. `./run soak`; pytest does not collect it by
itself."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from amp.client import Client
from amp.control import Amp
from conftest import now_ms, setting
from kube import Kube
from sidecar import SIDECAR, WRITE_ROLE, App, Prom, container_of
from soak_outages import AWAY_S, pass_time

FEW, _ = COUNTS = (1300, 65_000)
SAMPLE = ',n="7"'
INTERVAL_S = 15
BUFFER_BYTES = 8 << 20
PATIENT_S = 120.0
# So many series, each with the time as its value, made anew for each scrape.
SERVER = """
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        now = time.time()
        body = "".join(f'soak{{n="{n}"}} {now}\\n' for n in range(COUNT)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 8765), Handler).serve_forever()
"""


def exposing(one: App, count: int, role: str) -> None:
    """Applied: a pod of that many series, whose collector writes with a role of its own."""
    container = one.plain["spec"]["template"]["spec"]["containers"][0]
    container["command"] = ["/usr/bin/python3", "-BISu", "-c", f"COUNT = {count}\n{SERVER}"]
    memory = "64Mi" if "release" in setting("AMPSCALE_PROGRAMS") else "768Mi"
    one.collected(
        scrape_interval=f"{INTERVAL_S}s", collector_role_arn=role, collector_memory=memory
    ).accepted()
    one.ready()


def times_of(amp: Amp, series: str) -> list[float]:
    """When a series has samples, in the last hour."""
    client = Client(amp.settings)
    try:
        (row,) = client.query(f"{series}[1h]").json()["data"]["result"]
    finally:
        client.line.close()
    return [t for t, _ in row["values"]]


def logged(one: App, text: str) -> list[dict[str, Any]]:
    lines = one.kube("logs", f"deployment/{one.name}", "-c", SIDECAR).accepted().out.splitlines()
    return [json.loads(line) for line in lines if text in line]


def of(one: App, metric: str, more: str = "") -> str:
    return f'{metric}{{job="{one.name}"{more}}}'


@pytest.fixture(scope="module")
def after(kube: Kube, prom: Prom) -> Iterator[dict[int, App]]:
    """An app of few series and one of many, after the same outage, back to normal."""
    amp = Amp.at(setting("AMPSCALE_AMP"))
    apps = {count: App(kube, f"soak-{count}") for count in COUNTS}
    roles = [f"{WRITE_ROLE}-{one.name}" for one in apps.values()]
    for (count, one), role in zip(apps.items(), roles, strict=True):
        subject = f"system:serviceaccount:{kube.namespace}:default"
        amp.set_role(role, actions=["aps:RemoteWrite"], subjects=[subject])
        exposing(one, count, role)
        prom.some(of(one, "soak", SAMPLE), PATIENT_S)
    faults = [amp.set_fault("close", path="remote_write", role=role) for role in roles]
    pass_time(AWAY_S)
    for fault in faults:
        amp.clear(fault)
    over_s = now_ms() / 1000
    for one in apps.values():  # in order, and a scrape's last: all that was before is there
        prom.some(f"timestamp({of(one, 'up')}) > {over_s}", PATIENT_S)
    yield apps
    for one in apps.values():
        one.delete()


@pytest.mark.parametrize("count", COUNTS)
def test_amp_is_gone(after: dict[int, App], amp: Amp, prom: Prom, count: int) -> None:
    """Few series: no gap. Many: what fits in the buffer is there, the newest, and what does not is
    counted and told."""
    one = after[count]
    gaps = [b - a for a, b in itertools.pairwise(times_of(amp, of(one, "soak", SAMPLE)))]
    long = [gap for gap in gaps if gap > 1.5 * INTERVAL_S]
    dropped = prom.value(f"sum({of(one, 'ampscale_collector_samples_dropped_total')})") or 0
    if count == FEW:
        assert (long, dropped) == ([], 0)
    else:
        lost = round(sum(long) / INTERVAL_S) - len(long)
        assert lost > 0, "more than fits"
        assert lost * count <= dropped <= (lost + 2) * (count + 100)
        assert logged(one, "dropped"), "and told"
    buffered = prom.some(f"max_over_time({of(one, 'ampscale_collector_buffer_bytes')}[1h])")
    assert buffered <= BUFFER_BYTES
    (pod,) = one.pods()
    assert container_of(pod, SIDECAR)["restartCount"] == 0
    assert prom.value(f"count({of(one, 'soak')})") == count
