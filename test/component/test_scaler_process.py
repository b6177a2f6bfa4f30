"""The scaler as a process: what it writes besides counts, and what it does when others fail."""

from __future__ import annotations

import itertools
import re
import shutil
import statistics
import subprocess

import pytest
from scaler_process import Scaler, Stage
from waiting import until

HPA = {
    "metadata": {"name": "rival", "namespace": "shop"},
    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
}


def leading(stage: Stage, *flags: str) -> Scaler:
    scaler = stage.scaler("a", *flags)
    until("it leads", scaler.leads)
    return scaler


def ticks(stage: Stage, count: int) -> None:
    """So many further queries."""
    asked = len(stage.world.queries)
    until(f"{count} queries", lambda: len(stage.world.queries) >= asked + count)


def status_of(stage: Stage, name: str, kind: str) -> tuple[str, str] | None:
    found = stage.conditions(name).get(kind)
    return (found["status"], found["reason"]) if found else None


def test_conditions_say_what_is_so_and_are_patched_on_change(stage: Stage) -> None:
    stage.world.answer = lambda place, query: 30
    stage.deployment("web", replicas=3)
    leading(stage)
    active = ("True", "ScalerActive")
    until("it is active", lambda: status_of(stage, "web", "Active") == active)
    before = stage.conditions("web")["Active"]
    ticks(stage, 3)
    assert len(stage.writes("/status")) == 1
    assert before["message"] and before["lastUpdateTime"] >= before["lastTransitionTime"]
    stage.world.answer = lambda place, query: (500, "no store")
    until(
        "that is told", lambda: status_of(stage, "web", "Active") == ("Unknown", "FailedGetMetric")
    )
    assert stage.conditions("web")["AbleToScale"]["status"] == "True"
    assert "no store" in stage.conditions("web")["Active"]["message"]
    [event] = stage.events("FailedGetMetric")
    assert event["regarding"]["name"] == "web" and event["type"] == "Warning"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["eventTime"])


def test_the_farewell_takes_conditions_away_and_restores(stage: Stage) -> None:
    stage.world.answer = lambda place, query: 50
    stage.deployment("web", restore_replicas="true", original_replicas="2")
    leading(stage)
    until("web has 5", lambda: stage.replicas("web") == 5)
    until("it has conditions", lambda: stage.conditions("web"))
    keep = {"scale.amp/original-replicas": "2"}
    stage.change("deployments", "web", lambda d: d["metadata"].update(annotations=keep))
    until("web has 2", lambda: stage.replicas("web") == 2)
    until("no conditions are left", lambda: not stage.conditions("web"))
    until("that is told", lambda: stage.events("RestoredReplicas"))
    with stage.world.changed:
        left = stage.world.get("deployments", "shop", "web")["status"]["conditions"]
    assert left == [{"type": "Available", "status": "True"}]


def test_a_farewell_to_one_that_is_gone_is_no_failure(stage: Stage) -> None:
    stage.world.answer = lambda place, query: 50
    stage.deployment("web", restore_replicas="true", original_replicas="2")
    scaler = leading(stage)
    until("web has 5", lambda: stage.replicas("web") == 5)
    until("it has conditions", lambda: stage.conditions("web"))
    keep = {"scale.amp/original-replicas": "2"}
    with stage.world.changed:  # at once: another one has the name before anything is taken away
        stage.change("deployments", "web", lambda d: d["metadata"].update(annotations=keep))
        stage.delete("deployments", "web")
        stage.deployment("web", replicas=7)
        stage.change("deployments", "web", lambda d: d["metadata"].update(annotations={}))
        before = len(stage.world.writes)

    def refused(part: str) -> list[int]:  # and what was on its way
        return [w.status for w in stage.world.writes[before:] if part in w.path]

    until("the old one's count is refused", lambda: 409 in refused("/scale"))
    until("its conditions too", lambda: 422 in refused("/status"))
    until("the new one is known", lambda: scaler.metric("ampscale_scaler_workloads") == 0)
    assert not scaler.logged("not restored") and not scaler.logged("conditions not taken away")
    assert not stage.events("FailedRescale")
    assert stage.replicas("web") == 7


def test_an_hpa_on_the_target_is_no_war(stage: Stage) -> None:
    stage.world.answer = lambda place, query: 30
    stage.put("horizontalpodautoscalers", HPA)
    stage.deployment("web")
    scaler = leading(stage)
    until("held", lambda: status_of(stage, "web", "AbleToScale") == ("False", "AmbiguousSelector"))
    labels = 'namespace="shop",deployment="web",condition="AbleToScale"'
    assert scaler.metric(f"ampscale_scaler_condition{{{labels}}}") == 0
    ticks(stage, 3)
    assert not stage.writes("/scale")
    stage.delete("horizontalpodautoscalers", "rival")
    until("web has 3", lambda: stage.replicas("web") == 3)
    stage.put("horizontalpodautoscalers", HPA)
    until("told", lambda: stage.events("ConflictingAutoscaler"))
    stage.world.answer = lambda place, query: 90
    ticks(stage, 3)
    assert stage.replicas("web") == 3


def test_deployments_wait_until_the_hpas_are_known(stage: Stage) -> None:
    kind = "horizontalpodautoscalers"
    stage.world.answer = lambda place, query: 30
    stage.world.late = {kind}
    stage.put(kind, HPA)
    stage.deployment("web")
    scaler = leading(stage)
    until("the HPAs are asked for", lambda: kind in stage.world.awaited)
    for _ in range(20):
        assert not scaler.ready()
    with stage.world.changed:
        stage.world.late.clear()
        stage.world.changed.notify_all()
    until("it is ready", scaler.ready)
    until("held", lambda: status_of(stage, "web", "AbleToScale") == ("False", "AmbiguousSelector"))
    assert not stage.writes("/scale")


def test_autoscalers_that_may_not_be_listed_are_told_once(stage: Stage) -> None:
    stage.world.answer = lambda place, query: 30
    stage.world.forbid = {"horizontalpodautoscalers"}
    stage.deployment("web")
    scaler = leading(stage)
    until("web has 3", lambda: stage.replicas("web") == 3)
    until("it is ready", scaler.ready)
    ticks(stage, 3)
    warnings = [w for w in scaler.logged("watch lost, trying again")]
    told = [one for one in scaler.log_file.read_text().splitlines() if "cannot be watched" in one]
    assert not warnings and len(told) == 1


def test_an_event_that_repeats_is_a_series(stage: Stage) -> None:
    stage.world.answer = lambda place, query: 30
    stage.deployment("web", replicas=3)
    leading(stage)
    for _ in range(3):
        until(
            "the value is there",
            lambda: status_of(stage, "web", "Active") == ("True", "ScalerActive"),
        )
        stage.world.answer = lambda place, query: (400, "no such metric")
        until("it is lost", lambda: (status_of(stage, "web", "Active") or ("",))[0] == "Unknown")
        stage.world.answer = lambda place, query: 30
    until(
        "the third", lambda: stage.events("FailedGetMetric")[0].get("series", {}).get("count") == 3
    )
    assert len(stage.events("FailedGetMetric")) == 1


def test_an_event_of_a_long_name_is_accepted(stage: Stage) -> None:
    stage.world.answer = lambda place, query: 30
    ends = {"b" * 199 + "-x", "c" * 198 + "-.x", "d" * 253}  # cut at 200 bytes
    for name in ends:
        stage.deployment(name)
    leading(stage)
    until("each has its event", lambda: len(stage.events("SuccessfulRescale")) == len(ends))
    assert {one["regarding"]["name"] for one in stage.events("SuccessfulRescale")} == ends


def test_equal_queries_are_sent_once(stage: Stage) -> None:
    stage.world.answer = lambda place, query: 30
    for name in ("one", "two", "three"):
        stage.deployment(name, query="load", polling_interval="1h")
    scaler = leading(stage)
    until("all have 3", lambda: all(stage.replicas(n) == 3 for n in ("one", "two", "three")))
    assert len(stage.world.queries) == 1
    assert scaler.metric("ampscale_scaler_shared_queries_total") == 2


def asked_for_web(stage: Stage) -> list[float]:
    return [at for at, _, query in list(stage.world.queries) if query == "load of web"]


def gap(stage: Stage, count: int) -> float:
    """The median time between so many queries of web from now on."""
    begun = len(asked_for_web(stage))
    until(f"{count} queries of web", lambda: len(asked_for_web(stage)) >= begun + count, 60)
    return statistics.median(b - a for a, b in itertools.pairwise(asked_for_web(stage)[begun:]))


def test_a_dead_endpoint_delays_nobody_else(stage: Stage) -> None:
    other = f"http://127.0.0.1:{stage.port}/prom/other"
    dead = "http://127.0.0.1:1"
    value = 30
    stage.world.answer = lambda place, query: (429, "slow down") if place == "other" else value
    stage.deployment("web")
    scaler = leading(
        stage, "--namespace=shop", f"--allow-endpoint={other}", f"--allow-endpoint={dead}"
    )
    until("web has 3", lambda: stage.replicas("web") == 3)
    alone = gap(stage, 4)
    for number in range(20):
        stage.deployment(f"throttled-{number}", endpoint=other, query=f"q{number}")
        stage.deployment(f"dead-{number}", endpoint=dead, query=f"q{number}")
    until("the others fail", lambda: len(stage.events("FailedGetMetric")) == 40, 60)
    assert gap(stage, 6) < 1.8 * alone
    for value in (50, 70, 90):
        asked = len(asked_for_web(stage))
        until("it is followed", lambda v=value: stage.replicas("web") == v // 10)
        assert len(asked_for_web(stage)) <= asked + 4
    to_other = [q for q in stage.world.queries if q[1] == "other"]
    assert len(to_other) < 60  # 20 that began together, then four at a time after ever longer
    assert scaler.metric('ampscale_scaler_queries_total{outcome="refused"}') > 20
    late = scaler.metric('ampscale_scaler_due_lateness_seconds_bucket{le="1"}')
    assert late > 0.5 * scaler.metric("ampscale_scaler_due_lateness_seconds_count")


def test_a_deployment_of_the_same_name_is_another_one(stage: Stage) -> None:
    stage.world.answer = lambda place, query: 30
    stage.deployment("web")
    leading(stage)
    until("web has 3", lambda: stage.replicas("web") == 3)
    until("it has conditions", lambda: stage.conditions("web"))
    stage.delete("deployments", "web")
    stage.deployment("web")
    until("the new one has 3", lambda: stage.replicas("web") == 3)
    until("and conditions", lambda: stage.conditions("web"))
    assert all(w.status != 409 for w in stage.writes("/status"))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_metrics_are_as_prometheus_wants_them(stage: Stage) -> None:
    stage.world.answer = lambda place, query: 30
    stage.deployment("web", min_replicas="2", max_replicas="7")
    stage.deployment("lost", endpoint="http://not-allowed")
    scaler = leading(stage)
    until("web has 3", lambda: stage.replicas("web") == 3)
    until("conditions are written", lambda: stage.conditions("lost"))
    ticks(stage, 2)
    text = scaler.get("/metrics")[1]
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False
    )
    assert checked.returncode == 0 and not checked.stderr, checked.stderr
    web = '{namespace="shop",deployment="web"}'
    assert scaler.metric(f"ampscale_scaler_min_replicas{web}") == 2
    assert scaler.metric(f"ampscale_scaler_max_replicas{web}") == 7
    assert scaler.metric(f"ampscale_scaler_current_replicas{web}") == 3
    value = 'ampscale_scaler_metric_value{namespace="shop",deployment="web",trigger="default"}'
    assert scaler.metric(value) == 30
    threshold = value.replace("metric_value", "metric_threshold")[:-1] + ",metric_type="
    assert scaler.metric(f'{threshold}"AverageValue"}}') == 10
    assert scaler.metric(f"ampscale_scaler_ready_replicas{web}") == 0
    condition = f"ampscale_scaler_condition{web[:-1]},condition="
    assert scaler.metric(f'{condition}"Active"}}') == 1
    assert scaler.metric(f'{condition}"Paused"}}') is None
    lost = condition.replace("web", "lost")
    assert scaler.metric(f'{lost}"Active"}}') is None, "nobody knows"
    decided = 'ampscale_scaler_decisions_total{namespace="shop",reason="MetricProposal"}'
    assert (scaler.metric(decided) or 0) >= 1
    assert scaler.metric('ampscale_scaler_queries_total{outcome="empty"}') == 0
    assert scaler.metric('ampscale_scaler_scale_writes_total{result="ok"}') >= 1
    assert scaler.metric('ampscale_scaler_condition_writes_total{result="ok"}') >= 2
    assert scaler.metric('ampscale_scaler_query_errors_total{kind="denied"}') >= 1
    stage.delete("deployments", "web")
    until("its series go", lambda: scaler.metric(value) is None)
    assert 'deployment="web"' not in scaler.get("/metrics")[1]
