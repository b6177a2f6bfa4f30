"""The main job: ceil(value / threshold) replicas within the bounds, one query an interval."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from amp.control import Amp, wait_until
from conftest import Make, now_ms
from kube import AT_ONCE, Kube
from pods import decisions

INTERVAL_MS = 1000


def test_pods_run(workload: Make, kube: Kube) -> None:
    """The walkthrough's example, down to running pods, the event and the decision's log line."""
    one = workload()
    done = one.apply(
        query="vector(100)", threshold="25", min_replicas="1", max_replicas="30"
    ).accepted()
    assert done.warnings == ["query is 100 now; 100/25 → 4 replicas (min 1, max 30)"]
    one.wait_for(4)
    one.wait_running(4)
    pods = kube.list("pods", "--selector", f"app={one.name}")
    assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 4
    event = one.wait_event(reason="SuccessfulRescale")
    assert "Scaled from 1 to 4" in event["message"]
    first = decisions(one)[0]
    assert (first["from"], first["to"]) == (1, 4)
    assert first["observation"]["readings"] == {"default": 100}


@pytest.mark.parametrize(
    ("value", "threshold", "bounds", "replicas"),
    [
        ("3", "1", (1, 10), 3),
        ("7", "2", (1, 10), 4),
        ("2.1", "0.3", (1, 10), 7),
        ("0.5", "0.1", (1, 10), 5),
        ("1e3", "200", (1, 10), 5),
        ("250", "25.5", (1, 50), 10),
        ("100", "25", (1, 3), 3),
        ("100", "25", (6, 9), 6),
        ("0", "25", (2, 9), 2),
        ("-40", "25", (3, 9), 3),
        ("1e300", "1e-300", (1, 40), 40),
    ],
)
def test_formula(
    workload: Make, value: str, threshold: str, bounds: tuple[int, int], replicas: int
) -> None:
    one = workload().scaled(
        f"vector({value})",
        threshold,
        min_replicas=str(bounds[0]),
        max_replicas=str(bounds[1]),
        parked=True,
    )
    one.wait_for(replicas)


def test_scalar_is_a_value(workload: Make) -> None:
    workload().scaled("scalar(vector(12)) / 2", "2").wait_for(3)


def test_a_real_metric(workload: Make, metric: Callable[[float], str]) -> None:
    one = workload().scaled(metric(20), "10")
    one.wait_for(2)
    metric(61)
    one.wait_for(7)


def test_live_change_of_each_annotation(
    workload: Make, amp: Amp, tagged: Callable[[str], str]
) -> None:
    """Each takes effect within one interval: at the first answer to the query that is in force."""
    query = tagged("vector(6)")
    one = workload().scaled(query, "2", behavior=AT_ONCE, parked=True)
    one.wait_for(3)
    for change, replicas in (
        ({"threshold": "1"}, 6),
        ({"max_replicas": "4"}, 4),
        ({"min_replicas": "3", "threshold": "6"}, 3),
        ({"query": tagged("vector(30)")}, 4),
    ):
        one.annotate(**change).accepted()
        changed_ms = now_ms()
        one.wait_for(replicas)
        decided_ms = [d for d in decisions(one) if d["from"] != d["to"]][-1]["observation"]["t"]
        rows = amp.requests(changed_ms, query=change.get("query", query))
        before = [row for row in rows if row["t_ms"] <= decided_ms]
        assert len(before) <= 1, f"{change} took {len(before)} intervals"


def test_one_query_an_interval(workload: Make, amp: Amp, tagged: Callable[[str], str]) -> None:
    query = tagged("vector(2)")
    one = workload().scaled(query, "1", parked=True)
    one.wait_for(2)
    since = now_ms()
    rows = amp.wait_for(8, 60, query=query, since_ms=since)
    assert {row["signature"] for row in rows} == {"valid"}
    assert {row["path"] for row in rows} == {"query"}
    spent = rows[-1]["t_ms"] - rows[0]["t_ms"]
    assert len(rows) <= spent / INTERVAL_MS + 1.5, f"{len(rows)} queries in {spent} ms"


def test_several_at_once(workload: Make) -> None:
    """Each on its own query; those with the same query too."""
    many = [(workload(), n) for n in (2, 3, 4, 5, 6, 6, 7, 8)]
    for one, n in many:
        one.scaled(f"vector({n * 10})", "10", parked=True)
    for one, n in many:
        one.wait_for(n)


def test_a_deployment_without_annotations_is_left_alone(workload: Make, kube: Kube) -> None:
    plain, scaled = workload(), workload()
    plain.apply(replicas=2, parked=True).accepted()
    scaled.scaled("vector(3)", parked=True).wait_for(3)
    assert (plain.replicas(), plain.generation(), plain.ours()) == (2, 1, [])
    assert plain.name not in kube("logs", "deployment/ampscale-scaler").accepted().out


def test_nothing_is_written_when_nothing_changes(
    workload: Make, amp: Amp, tagged: Callable[[str], str]
) -> None:
    query = tagged("vector(4)")
    one = workload().scaled(query, "2", parked=True)
    one.wait_for(2)
    before = wait_until(
        lambda: d if (d := one.get())["status"].get("observedGeneration") == 2 else None,
        30,
        "the Deployment controller saw the change",
    )
    amp.wait_for(3, 30, query=query, since_ms=now_ms())
    after = one.get()
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert len(one.events()) == len(one.events(reason="SuccessfulRescale")) + len(
        one.events(reason="ScalingReplicaSet")
    )


def test_annotations_gone_means_let_go(
    workload: Make, amp: Amp, tagged: Callable[[str], str]
) -> None:
    """The count stays, and the query is asked no more."""
    query, other = tagged("vector(4)"), tagged("vector(1)")
    one = workload().scaled(query, "2", parked=True)
    one.wait_for(2)
    one.annotate("query", "threshold", "min-replicas", "max-replicas", "polling-interval")
    witness = workload().scaled(other, parked=True)
    amp.wait_for(2, 30, query=other)
    since = now_ms()
    amp.wait_for(3, 30, query=other, since_ms=since)
    assert amp.requests(since, query=query) == []
    assert (one.replicas(), witness.replicas()) == (2, 1)
