"""Two scalers of one namespace: one writes, the other is ready to. And whom the scaler of all
namespaces leaves alone."""

from __future__ import annotations

import signal
import threading
import time

from scaler_process import Scaler, Stage
from waiting import until

LEASE_S, RENEW_S = 15, 10
TAKE_OVER_S = LEASE_S + 5  # with two retries of 2 s and their jitter


def two(stage: Stage) -> tuple[Scaler, Scaler]:
    """A leader and a standby, both ready."""
    leader = stage.scaler("a")
    until("a leads", leader.leads)
    standby = stage.scaler("b")
    until("b is ready", standby.ready)
    return leader, standby


def loads(stage: Stage, value: float) -> None:
    stage.world.answer = lambda place, query: value


def test_one_of_two_writes_and_the_other_is_ready(stage: Stage) -> None:
    loads(stage, 30)
    stage.deployment("web")
    leader, standby = two(stage)
    for value in (40, 70, 90):
        loads(stage, value)
        until(f"{value} is followed", lambda v=value: stage.replicas("web") == v // 10)
    assert standby.ready() and not standby.leads() and leader.ready()
    assert {w.who for w in stage.writes("")} == {"a"}
    assert standby.metric("ampscale_scaler_workloads") == 1
    assert 'ampscale_scaler_desired_replicas{namespace="shop"' not in standby.get("/metrics")[1]
    assert stage.holder().split("_")[0] and len(stage.holder().rsplit("_", 1)[1]) == 8


def test_a_killed_leader_is_succeeded_after_its_lease(stage: Stage) -> None:
    loads(stage, 50)
    stage.deployment("web")
    leader, standby = two(stage)
    until("web has 5", lambda: stage.replicas("web") == 5)
    leader.kill()
    killed = time.monotonic()
    loads(stage, 10)
    until("b leads", standby.leads, TAKE_OVER_S)
    # The last renewal was at most 2.4 s before the kill.
    assert LEASE_S - 3 < time.monotonic() - killed < TAKE_OVER_S
    loads(stage, 70)
    until("web has 7", lambda: stage.replicas("web") == 7)
    loads(stage, 10)
    asked = len(stage.world.queries)
    until("three more ticks", lambda: len(stage.world.queries) > asked + 3)
    assert stage.replicas("web") == 7  # nothing goes down before a window was seen
    assert all(w.status < 300 for w in stage.writes("/scale", "b"))


def test_a_frozen_leader_wakes_up_as_none(stage: Stage) -> None:
    """An answer came while it stood still, and its Lease ran out."""
    loads(stage, 30)
    stage.deployment("web")
    leader, standby = two(stage)
    until("web has 3", lambda: stage.replicas("web") == 3)
    gate = threading.Event()

    def late(place: str, query: str) -> float:
        gate.wait(20)
        return 90

    stage.world.answer = late
    asked = len(stage.world.queries)
    until("a has asked", lambda: len(stage.world.queries) > asked)
    leader.process.send_signal(signal.SIGSTOP)
    gate.set()
    until("b leads", standby.leads, TAKE_OVER_S)
    until("web has 9", lambda: stage.replicas("web") == 9)
    loads(stage, 100)
    leader.process.send_signal(signal.SIGCONT)
    woken = time.monotonic()
    until("a leads no more", lambda: leader.logged("not leading any more"))
    until("web has 10", lambda: stage.replicas("web") == 10)
    late_writes = [w for w in stage.writes("/deployments/", "a") if w.at > woken]
    assert not late_writes


def test_a_leader_that_is_told_to_stop_hands_over(stage: Stage) -> None:
    loads(stage, 30)
    stage.deployment("web")
    leader, standby = two(stage)
    assert leader.terminate() == 0
    assert stage.holder() == ""
    with stage.world.changed:  # taken, given away, and still what somebody else made it
        lease = stage.world.get("leases", "shop", "ampscale-scaler")
        assert lease["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "Helm"}
    until("b leads", standby.leads, 5)
    stopped = time.monotonic()
    loads(stage, 80)
    until("web has 8", lambda: stage.replicas("web") == 8)
    assert not [w for w in stage.writes("", "a") if w.at > stopped]
    assert [w.body["spec"]["leaseDurationSeconds"] for w in stage.writes("/leases/", "a")][-1] == 1


def test_without_the_api_server_a_leader_stops_in_time(stage: Stage) -> None:
    loads(stage, 60)
    stage.deployment("web")
    leader, standby = two(stage)
    until("web has 6", lambda: stage.replicas("web") == 6)
    with stage.world.changed:
        stage.world.down = True
        stage.world.changed.notify_all()
    gone = time.monotonic()
    loads(stage, 10)
    until("a leads no more", lambda: not leader.leads(), RENEW_S + 1)
    asked = len(stage.world.queries)
    until("the lease would have run out", lambda: time.monotonic() > gone + LEASE_S + 5, 30)
    assert len(stage.world.queries) == asked  # nobody leads, nobody asks
    assert not leader.leads() and not standby.leads()
    stage.world.down = False
    until("one leads again", lambda: leader.leads() or standby.leads(), TAKE_OVER_S + LEASE_S)
    asked = len(stage.world.queries)
    until("three ticks", lambda: len(stage.world.queries) > asked + 3)
    assert leader.leads() != standby.leads()
    assert stage.replicas("web") == 6
    until("both are ready", lambda: leader.ready() and standby.ready(), 40)


def test_without_election_no_lease_is_touched(stage: Stage) -> None:
    loads(stage, 30)
    stage.deployment("web")
    scaler = stage.scaler("a", "--namespace=shop", "--no-leader-election")
    until("web has 3", lambda: stage.replicas("web") == 3)
    assert not stage.writes("/leases")
    assert scaler.leads()


def test_a_dry_run_writes_nothing_at_all(stage: Stage) -> None:
    loads(stage, 30)
    stage.deployment("web")
    scaler = stage.scaler("a", "--namespace=shop", "--dry-run")
    until("it decided", lambda: scaler.logged("decision"))
    until("three ticks", lambda: len(stage.world.queries) > 3)
    assert not stage.writes("")
    assert len(scaler.logged("decision")) == 1


def test_a_namespace_with_its_own_scaler_is_left_alone(stage: Stage) -> None:
    loads(stage, 30)
    stage.empty_lease("sys")
    stage.deployment("web")
    stage.deployment("web", "other")
    own = stage.scaler("own")
    until("own leads", own.leads)
    everywhere = stage.scaler("everywhere", "--all-namespaces")
    until("other is served", lambda: stage.replicas("web", "other") == 3)
    until("shop is served", lambda: stage.replicas("web") == 3)
    loads(stage, 50)
    until("both follow", lambda: stage.replicas("web") == stage.replicas("web", "other") == 5)
    assert {w.who for w in stage.writes("/namespaces/shop/")} == {"own"}
    assert everywhere.leads("*")
    assert own.terminate() == 0  # its Lease is given away: no need to wait
    loads(stage, 70)
    until("the other one steps in", lambda: stage.replicas("web") == 7, 10)
    again = stage.scaler("again")
    until("again leads", again.leads, TAKE_OVER_S)
    until("that is seen", lambda: len(everywhere.logged("a namespace has a scaler of its own")) > 1)
    steps_back = time.monotonic()
    loads(stage, 90)
    until("both follow", lambda: stage.replicas("web") == stage.replicas("web", "other") == 9)
    late = [w for w in stage.writes("/namespaces/shop/deployments") if w.at > steps_back]
    assert {w.who for w in late} == {"again"}
    again.kill()
    stage.delete("leases", "ampscale-scaler")  # with it goes the wait for its end
    loads(stage, 110)
    until("the other one steps in at once", lambda: stage.replicas("web") == 11, 5)


def test_leases_that_may_not_be_listed_stop_nobody(stage: Stage) -> None:
    loads(stage, 30)
    stage.empty_lease("sys")
    stage.world.forbid = {"leases", "horizontalpodautoscalers"}
    stage.deployment("web")
    scaler = stage.scaler("a", "--all-namespaces")
    until("web has 3", lambda: stage.replicas("web") == 3)
    unseen = "the Leases of other scalers cannot be watched"
    until("it said so", lambda: scaler.logged(unseen))
    assert len(scaler.logged(unseen)) == 1
    assert scaler.ready()
