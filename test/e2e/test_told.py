"""What a user and a monitoring system see: conditions, events, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from amp.control import Amp
from conftest import Load, Make, stays
from kube import AT_ONCE, Kube, Workload, run
from pods import SCALER, Pod, pods

Loads = Callable[[Any], Load]


def test_describe_names_the_reason(workload: Make, load: Loads, kube: Kube) -> None:
    one = workload().scaled(load(50).query, max_replicas="5", parked=True)
    one.wait_for(5)
    one.wait_condition("ScalingLimited", "True", "TooManyReplicas")
    one.wait_event(reason="SuccessfulRescale")
    one.settle()
    text = kube("describe", "deployment", one.name).accepted().out
    told = {tuple(line.split()) for line in text.splitlines()}
    for row in (
        ("scale.amp/Active", "True", "ScalerActive"),
        ("scale.amp/ScalingLimited", "True", "TooManyReplicas"),
        ("scale.amp/Paused", "False", "NotPaused"),
    ):
        assert row in told, text
    assert "limited to max-replicas 5" in text
    assert any(row[:2] == ("scale.amp/AbleToScale", "True") for row in told)
    (available,) = [row for row in told if row[:1] == ("Available",)]
    assert available, "the Deployment controller's own are left"


def test_kubectl_wait(workload: Make, load: Loads, kube: Kube) -> None:
    metric = load(0)
    one = workload().scaled(metric.query, min_replicas="0", cooldown_period="1s", parked=True)
    one.wait_for(0)
    name = f"deployment/{one.name}"
    for status in ("False", "True"):
        words = [f"--for=condition=scale.amp/Active={status}", "--timeout=30s"]
        kube("wait", *words, name).accepted()
        metric.set(4)
    one.wait_for(4)


def test_conditions_are_written_on_change_alone(workload: Make, load: Loads) -> None:
    metric = load(3)
    one = workload().scaled(metric.query, parked=True)
    one.wait_for(3)
    one.wait_condition("AbleToScale", "True", "ReadyForNewScale")
    before = written_by_us(one)
    assert before
    stays(metric, one, polls=4)
    assert written_by_us(one) == before


def written_by_us(one: Workload) -> list[Any]:
    """What of it is ours and when it was last changed. Others write its status as well."""
    fields = one.get()["metadata"]["managedFields"]
    return [entry for entry in fields if entry["manager"].startswith("ampscale")]


def test_events_are_deduplicated(workload: Make, load: Loads, amp: Amp) -> None:
    """The same thing again is one more of its series, as client-go's recorder has it."""
    metric = load(2)
    one = workload().scaled(metric.query, parked=True)
    one.wait_for(2)
    for times in (1, 2, 3):
        with amp.fault("deny", query=metric.query):
            one.wait(
                lambda _, n=times: len(one.events(reason="FailedGetMetric")) >= n, f"{times} events"
            )
        one.wait(
            lambda _, n=times: len(one.events(reason="MetricRecovered")) >= n, "recovered again"
        )
    objects = {e["metadata"]["name"] for e in one.events(type="Warning")}
    assert len(objects) == 1
    (event,) = one.events(type="Warning")[:1]
    assert event["reportingComponent"].startswith("scale.amp/")
    assert event["series"]["count"] == 3


def promtool(text: str) -> None:
    done = run("promtool", "check", "metrics", stdin=text)
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.alone  # the webhook is not to be replaced meanwhile
@pytest.mark.parametrize("program", [SCALER, "ampscale-webhook"])
def test_promtool_likes_the_metrics(
    workload: Make, load: Loads, kube: Kube, system: Kube, program: str
) -> None:
    workload().scaled(load(3).query, parked=True).wait_for(3)
    for pod in pods(kube if program == SCALER else system, program):
        text = pod.metrics()
        promtool(text)
        assert f',program="{program}"}} 1\n' in text, "ampscale_build_info"
        assert "process_cpu_seconds_total" in text


def test_the_scalers_metrics(workload: Make, load: Loads, amp: Amp, kube: Kube) -> None:
    """What it counted, and what it knows of each workload, until that is gone."""
    metric = load(7)
    one = workload().scaled(metric.query, "2", min_replicas="2", behavior=AT_ONCE, parked=True)
    one.wait_for(4)
    (pod,) = pods(kube)
    who = f'{{namespace="{kube.namespace}",deployment="{one.name}"'

    def gauge(name: str, more: str = "}") -> float:
        return value_of(pod, f"ampscale_scaler_{name}{who}{more}")

    one.wait(lambda _: gauge("current_replicas") == 4, "4 in the metrics")
    assert gauge("desired_replicas") == 4
    assert (gauge("min_replicas"), gauge("max_replicas")) == (2, 10)
    assert gauge("metric_value", ',trigger="default"}') == 7
    threshold = ',trigger="default",metric_type="AverageValue"}'
    assert gauge("metric_threshold", threshold) == 2
    assert gauge("ready_replicas") == 0
    assert gauge("condition", ',condition="AbleToScale"}') == 1
    denied = pod.metric('ampscale_scaler_query_errors_total{kind="denied"}')
    with amp.fault("deny", query=metric.query):
        one.wait_event(reason="FailedGetMetric")
    assert pod.metric('ampscale_scaler_query_errors_total{kind="denied"}') > denied
    reason = f'{{namespace="{kube.namespace}",reason="MetricProposal"}}'
    assert pod.metric(f"ampscale_scaler_decisions_total{reason}") > 0
    assert pod.metric("ampscale_scaler_query_duration_seconds_count") > 0
    assert pod.metric("ampscale_scaler_due_lateness_seconds_count") > 0
    one.delete()
    workload().scaled(load(2).query, parked=True).wait_for(2)
    assert one.name not in pod.metrics()


def value_of(pod: Pod, sample: str) -> float:
    """Of that very sample; NaN if there is none."""
    for line in pod.metrics().splitlines():
        if line.startswith(f"{sample} "):
            return float(line.rpartition(" ")[2])
    return float("nan")
