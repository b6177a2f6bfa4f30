"""The dashboard over what the tests before it did: each expression finds data in AMP's stand-in, to
which the collectors beside webhook and scaler wrote as well."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from amp.client import Client
from amp.control import Amp, wait_until
from conftest import Make
from kube import SECONDS, Kube
from loop import Loop
from sidecar import TREE, Prom, writes

FILE = TREE / "charts/ampscale/dashboards/ampscale.json"
BOARD: dict[str, Any] = json.loads(FILE.read_text())
PANELS = {panel["title"]: panel for panel in BOARD["panels"] if panel["type"] != "row"}
TEXTS = {one["name"]: one["query"] for one in BOARD["templating"]["list"]}
BACK_S = 900  # what is shown: all that went on, and nothing of a run before
STEP_S = 5
GRAFANAS = {"__rate_interval": "20s", "__interval": f"{STEP_S}s", "__range": f"{BACK_S}s"}
Ask = Callable[[str], list[dict[str, Any]]]


def filled(expr: str, **chosen: str) -> str:
    """As Grafana sends it: all namespaces and workloads, unless chosen."""
    values = GRAFANAS | TEXTS | {"namespace": ".*", "workload": ".*"} | chosen
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: values[m[1] or m[2]], expr)


def has_data(series: list[dict[str, Any]]) -> bool:
    return any(math.isfinite(float(value)) for one in series for _, value in one["values"])


@pytest.fixture(scope="module")
def ask(prom: Prom) -> Iterator[Ask]:
    """ask(expr): the series of a query_range over what is shown."""
    client = Client(prom.amp.settings)

    def run(expr: str) -> list[dict[str, Any]]:
        now = time.time()
        span = {"start": f"{now - BACK_S:.3f}", "end": f"{now:.3f}", "step": str(STEP_S)}
        reply = client.call("query_range", {"query": expr} | span)
        assert reply.status == 200, f"{expr}: {reply.body.decode()}"
        return reply.json()["data"]["result"]

    yield run
    client.line.close()


@pytest.fixture(scope="module")
def shown(loop: Loop) -> Loop:
    """The app's scenario is over: from zero to five and back."""
    loop.wait(loop.checkout, 0)
    return loop


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_finds_data(shown: Loop, ask: Ask, title: str) -> None:
    for target in PANELS[title]["targets"]:
        expr = filled(target["expr"])
        wait_until(lambda e=expr: has_data(ask(e)), SECONDS, expr)


def test_scaling_is_marked(shown: Loop, ask: Ask) -> None:
    up, down = (filled(mark["target"]["expr"]) for mark in BOARD["annotations"]["list"])
    for expr in (up, down):
        wait_until(
            lambda e=expr: "checkout" in {one["metric"]["deployment"] for one in ask(e)},
            SECONDS,
            expr,
        )


def test_what_may_be_chosen(shown: Loop, prom: Prom, ask: Ask) -> None:
    """label_values(SELECTOR, LABEL) as Grafana asks it, for namespaces and workloads."""
    found: dict[str, set[str]] = {}
    for one in BOARD["templating"]["list"]:
        if one["type"] == "query":
            selector, label = re.fullmatch(
                r"label_values\((.*), (\w+)\)", one["query"]["query"]
            ).groups()
            series = ask(f"group by ({label}) ({filled(selector)})")
            found[one["name"]] = {row["metric"].get(label, "") for row in series}
    assert shown.kube.namespace in found["namespace"]
    assert {"checkout", "checkout-wide", "downstream", "frontend"} <= found["workload"]


def test_a_choice_is_kept(shown: Loop, ask: Ask) -> None:
    """Of one namespace and two workloads: only theirs, in panels that are about workloads."""
    chosen = {"namespace": shown.kube.namespace, "workload": "(checkout|downstream)"}
    for title, label in (("Replicas, current and desired", "deployment"), ("Request rate", "job")):
        series = ask(filled(PANELS[title]["targets"][0]["expr"], **chosen))
        assert {one["metric"][label] for one in series} <= {"checkout", "downstream"} != set()
    elsewhere = filled(PANELS["Replicas, current and desired"]["targets"][0]["expr"], namespace="x")
    assert ask(elsewhere) == []


def test_values_are_what_was_decided(shown: Loop, ask: Ask) -> None:
    """Replicas of checkout as the scaler logged them, by way of its collector and the workspace."""
    expr = PANELS["Replicas, current and desired"]["targets"][0]["expr"]
    (series,) = ask(filled(expr, workload="checkout"))
    seen = {int(value) for _, value in series["values"]}
    assert {0, 5} <= seen <= {0, *shown.counts(shown.checkout)}


def test_whose_series_they_are(shown: Loop, prom: Prom) -> None:
    """The namespace is the workload's, and nothing had to be renamed."""
    name = f'ampscale_scaler_current_replicas{{deployment="{shown.wide.name}"}}'
    (labels,) = prom.labels(name)
    pod = labels.pop("pod")
    assert pod.startswith("ampscale-scaler-")
    assert labels.pop("instance").endswith(":8080")
    assert labels == {
        "__name__": "ampscale_scaler_current_replicas",
        "deployment": shown.wide.name,
        "job": f"{shown.kube.namespace}/ampscale-scaler",
        "namespace": shown.kube.namespace,
    }
    rows = prom.labels("sum by (job, namespace) (ampscale_webhook_file_current)")
    webhook = {"job": "ampscale-system/ampscale-webhook", "namespace": "ampscale-system"}
    assert rows == [webhook]


def test_they_are_written_as_the_pod(shown: Loop, amp: Amp) -> None:
    """By the credentials of the pod, not by a collector's role; and all of them were taken."""
    for job in (f"{shown.kube.namespace}/ampscale-scaler", "ampscale-system/ampscale-webhook"):
        rows = list(writes(amp, job))
        assert rows, job
        assert {row["role"] for row in rows} == {None}
        assert {row["signature"] for row in rows} == {"valid"}


def test_a_denial_is_seen_the_first_time(workload: Make, shown: Loop, ask: Ask) -> None:
    """Counters begin at 0, so that the first one is an increase."""
    workload().apply(query="1", threshold="0", parked=True).refusal()
    expr = filled(PANELS["Admissions"]["targets"][0]["expr"])

    def denied() -> bool:
        wanted = {"path": "/validate", "verdict": "denied"}
        values = [v for one in ask(expr) if one["metric"] == wanted for _, v in one["values"]]
        return any(float(value) > 0 for value in values)

    wait_until(denied, SECONDS, expr)


def test_the_chart_brought_it(system: Kube) -> None:
    (found,) = system.list("configmaps", "--selector=grafana_dashboard=1")
    assert json.loads(found["data"]["ampscale.json"]) == BOARD
