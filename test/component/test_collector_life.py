"""The collector as a process: its flags, its probes, its signals, its metrics, its memory."""

from __future__ import annotations

import itertools
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from badserver import Peer, Request
from collector_stage import PROGRAM, Collector, Push, Stage, staging, take
from waiting import until


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staging(tmp_path) as stage:
        stage.target.body = "good 1\nbetter 2\n"
        yield stage


def begin(stage: Stage, *flags: str) -> Collector:
    """A whole scrape has been made, and another begun."""
    collector = stage.collector(*flags)
    until("scrapes", lambda: len(stage.target.requests) >= 2, 60)
    return collector


# ---- flags ----

TARGET = "--target=http://127.0.0.1:1/metrics"
URL = "--remote-write-url=http://127.0.0.1:1/push"
WRONG = [
    ([], "--target"),
    ([TARGET], "--remote-write-url"),
    ([TARGET, URL, "--endpoint=http://127.0.0.1:1"], "only one"),
    ([TARGET, "--endpoint=nonsense"], "--endpoint"),
    ([TARGET, "--endpoint=http://127.0.0.1:1/api/v1/remote_write"], "/api/v1"),
    ([TARGET, "--workspace=nonsense", "--region=eu-central-1"], "--workspace"),
    ([TARGET, "--workspace=ws-1"], "--region"),
    ([TARGET, URL, "--sigv4=on"], "region"),
    ([TARGET, URL + "?a=b", "--sigv4=on", "--region=eu-central-1"], "query"),
    (["--target=127.0.0.1:1", URL], "--target"),
    (["--target=http://u:secret@h:1/", URL], "--target"),
    ([TARGET, "--remote-write-url=https://u:secret@h/push"], "user info"),
    ([TARGET, "--remote-write-url=odd://u:secret@h?x"], "user info"),
    ([TARGET, URL, "--interval=0s"], "--interval"),
    ([TARGET, URL, "--label=novalue"], "--label"),
    ([TARGET, URL, "--label=1a=b"], "1a"),
    ([TARGET, URL, "--label=__name__=b"], "__name__"),
    ([TARGET, URL, "--match=sum("], "sum("),
    ([TARGET, URL, "--keep=[a"], "[a"),
    ([TARGET, URL, "--buffer=1"], "--buffer"),
    ([TARGET, URL, "--body-limit=lots"], "--body-limit"),
    ([TARGET, URL, "--metrics-listen=0.0.0.0:9100"], "loopback"),
    ([TARGET, URL, "--metrics-listen=:9100"], "loopback"),
    ([TARGET, URL, "--targt=x"], "--target"),
]


@pytest.mark.parametrize(("flags", "says"), WRONG)
def test_wrong_flags_end_it_and_are_named(flags: list[str], says: str) -> None:
    done = subprocess.run(
        [str(PROGRAM), *flags],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={"PATH": "/usr/bin"},
    )
    assert done.returncode == 2, done
    assert says in done.stderr and "secret" not in done.stderr


def test_help_and_version(stage: Stage) -> None:
    for flag, says in (("--help", "--shutdown-timeout"), ("--version", "libcurl")):
        done = subprocess.run(
            [str(PROGRAM), flag], capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0 and says in done.stdout


# ---- probes ----

NOT_SENT = "scraped, and it cannot be sent at the moment\n"


def test_check_asks_the_running_collector(stage: Stage) -> None:
    collector = begin(stage)
    done = collector.ask("--check")
    assert (done.returncode, done.stdout) == (0, "ok\n")
    collector.kill(signal.SIGSTOP)
    began = time.monotonic()
    done = collector.ask("--check")
    assert done.returncode == 1 and done.stdout == "the collector does not answer\n"
    assert 1.9 <= time.monotonic() - began < 10
    collector.kill(signal.SIGCONT)
    until("its answer again", lambda: collector.ask("--check").returncode == 0)
    stage.flush()
    done = collector.ask("--check")
    assert done.returncode == 1
    assert done.stdout == "no collector of this target is running\n"


def test_check_holds_while_target_and_receiver_hang(stage: Stage) -> None:
    stage.target.answer = lambda peer, _: peer.wait_gone()
    stage.receiver.judge = lambda peer, _: peer.wait_gone()
    collector = begin(stage)
    assert collector.ask("--check").returncode == 0
    assert collector.end(signal.SIGINT) == 0


def test_two_of_one_target_both_work(stage: Stage) -> None:
    one = begin(stage)
    other = stage.collector()
    (said,) = until("the second's word", lambda: [e for e in other.log() if e["level"] == "warn"])
    assert "--check" in said["msg"]
    seen = len(stage.target.requests)
    until("scrapes of both", lambda: len(stage.target.requests) >= seen + 4)
    assert one.end() == 0 and other.end() == 0


def test_containers_on_one_network_keep_apart(stage: Stage) -> None:
    """Pods with hostNetwork on a node: a probe asks its own container's collector."""
    elsewhere = ("unshare", "--mount")
    one = begin(stage)
    assert one.ask("--check").returncode == 0
    done = one.ask("--check", *elsewhere)
    assert done.returncode == 1
    assert done.stdout == "no collector of this target is running\n"
    other = stage.collector(behind=elsewhere)
    inside = ("nsenter", f"--target={other.process.pid}", "--mount")
    until("the second's answer", lambda: other.ask("--check", *inside).returncode == 0)
    one.kill(signal.SIGSTOP)
    assert other.ask("--check", *inside).returncode == 0
    one.kill(signal.SIGCONT)
    assert one.end() == 0 and other.end() == 0
    assert not [e for e in other.log() if e["level"] == "warn"]


def test_many_who_ask_and_hang_do_not_shut_a_probe_out(stage: Stage) -> None:
    collector = begin(stage)
    with ExitStack() as hanging:
        for _ in range(20):
            hanging.enter_context(collector.asking())
        assert collector.ask("--check").returncode == 0


def test_a_final_scrape_is_made_and_sent_at_once(stage: Stage) -> None:
    """Though scrapes of this interval wait for each other; the answer comes when it was taken."""
    taken: list[float] = []

    def slowly(peer: Peer, push: Push) -> None:
        time.sleep(0.5)
        taken.extend(one.samples[-1].value for one in push.series if one.name == "good")
        take(peer, push)

    stage.receiver.judge = slowly
    collector = stage.collector("--interval=4s")
    until("the first scrape", lambda: stage.target.requests)
    stage.target.body = "good 7\n"
    done = collector.ask("--final-scrape")
    assert (done.returncode, done.stdout) == (0, "scraped and sent\n")
    assert taken and taken[-1] == 7


def hold(stage: Stage) -> threading.Event:
    """The target answers when it is set."""
    go_on = threading.Event()

    def wait(peer: Peer, request: Request) -> None:
        go_on.wait(20)
        stage.target.expose(peer, request)

    stage.target.answer = wait
    return go_on


def test_a_final_scrape_joins_the_one_under_way(stage: Stage) -> None:
    go_on = hold(stage)
    collector = stage.collector("--interval=60s", "--timeout=10s")
    until("the first scrape", lambda: stage.target.requests)
    with collector.asking(b"final-scrape") as one:
        assert collector.ask("--check").returncode == 0  # it reads them in order
        go_on.set()
        assert one.recv(256) == b"scraped and sent"
    assert len(stage.target.requests) == 1
    assert stage.receiver.values("good") == [1]


def test_a_final_scrape_does_not_wait_for_a_receiver_that_is_away(stage: Stage) -> None:
    """A pod whose app is gone is not to stay for it: the hook's default for a scrape is 10 s."""
    stage.receiver.judge = lambda peer, _: peer.answer(503, b"", "text/plain")
    collector = stage.collector("--interval=60s")
    until("the first push", lambda: stage.receiver.pushes)
    begun = time.monotonic()
    done = collector.ask("--final-scrape")
    assert (done.returncode, done.stdout) == (0, NOT_SENT)
    assert time.monotonic() - begun < 14


def test_a_final_scrape_does_not_wait_for_who_hangs(stage: Stage) -> None:
    """It says so in time, which is before who asked gives up."""
    stage.receiver.judge = lambda peer, _: peer.wait_gone()
    collector = stage.collector("--interval=60s", "--timeout=30s")
    until("the first push", lambda: stage.receiver.pushes)
    done = collector.ask("--final-scrape")
    assert (done.returncode, done.stdout) == (0, NOT_SENT)
    stage.target.answer = lambda peer, _: peer.wait_gone()
    done = collector.ask("--final-scrape")
    assert (done.returncode, done.stdout) == (0, "the scrape is still under way\n")


def test_what_an_earlier_scrape_had_sent_is_no_answer_to_who_asks_again(stage: Stage) -> None:
    take_them = threading.Event()

    def judge(peer: Peer, push: Push) -> None:
        take_them.wait(20)
        take(peer, push)

    stage.receiver.judge = judge
    collector = stage.collector("--interval=60s", "--timeout=30s")
    until("the first push", lambda: stage.receiver.pushes)
    assert collector.ask("--final-scrape").stdout == NOT_SENT
    go_on = hold(stage)
    with collector.asking(b"final-scrape") as one:
        until("its scrape", lambda: len(stage.target.requests) == 3)
        take_them.set()
        until("what came before", lambda: len(stage.receiver.values("good")) == 2)
        go_on.set()
        assert one.recv(256) == b"scraped and sent"
        assert len(stage.receiver.values("good")) == 3


def test_who_waits_for_a_final_scrape_is_not_pushed_out_by_who_hangs(stage: Stage) -> None:
    collector = stage.collector("--interval=60s", "--timeout=30s")
    until("the first push", lambda: stage.receiver.pushes)
    go_on = hold(stage)
    with ExitStack() as hanging, collector.asking(b"final-scrape") as one:
        until("the scrape", lambda: len(stage.target.requests) == 2)
        for _ in range(20):
            hanging.enter_context(collector.asking())
        assert collector.ask("--check").returncode == 0
        go_on.set()
        assert one.recv(256) == b"scraped and sent"


def test_too_many_who_wait_for_a_final_scrape_do_not_shut_a_probe_out(stage: Stage) -> None:
    stage.target.answer = lambda peer, _: peer.wait_gone()
    collector = stage.collector("--interval=60s", "--timeout=30s")
    until("the scrape", lambda: stage.target.requests)
    with ExitStack() as waiting:
        asked = [waiting.enter_context(collector.asking(b"final-scrape")) for _ in range(8)]
        assert collector.ask("--check").returncode == 0  # all nine may be met at once
        said = [one.recv(256) for one in asked]
    assert sorted(said) == [b"the scrape is still under way"] * 7 + [
        b"too many wait for the scrape"
    ]


def test_who_waits_for_a_final_scrape_is_told_of_the_end(stage: Stage) -> None:
    stage.target.answer = lambda peer, _: peer.wait_gone()
    collector = stage.collector("--interval=60s", "--timeout=30s")
    with collector.asking(b"final-scrape") as one:
        assert collector.ask("--check").returncode == 0
        assert collector.end(signal.SIGINT) == 0
        assert one.recv(256) == b"the collector is ending"


def test_a_final_scrape_of_a_target_that_is_gone(stage: Stage) -> None:
    stage.collector("--interval=60s", "--timeout=5s")
    until("the first push", lambda: stage.receiver.values("good"))
    stage.target.close()
    done = stage.collectors[-1].ask("--final-scrape")
    assert (done.returncode, done.stdout) == (0, "the scrape failed\n")
    assert stage.collectors[-1].end() == 0
    done = stage.collectors[-1].ask("--final-scrape")
    assert (done.returncode, done.stdout) == (0, "no collector of this target is running\n")


# ---- signals ----


def series_ends(stage: Stage) -> dict[str, list[bool]]:
    """For each metric, whether each of its samples is a marker."""
    ends: dict[str, list[bool]] = {}
    for one in stage.receiver.series():
        ends.setdefault(one.name, []).extend(sample.stale for sample in one.samples)
    return ends


def test_sigterm_scrapes_once_more_and_marks_all_stale(stage: Stage) -> None:
    collector = begin(stage, "--own-metrics")
    stage.target.body = "good 9\nbetter 2\n"
    seen = len(stage.target.requests)
    assert collector.end(signal.SIGTERM) == 0
    assert len(stage.target.requests) > seen
    assert stage.receiver.values("good")[-1] == 9
    ends = series_ends(stage)
    assert {"good", "better", "up", "ampscale_collector_buffer_bytes"} <= set(ends)
    for name, markers in ends.items():
        assert markers[-1] and not any(markers[:-1]), name


def test_sigterm_of_a_target_that_is_gone_is_quick(stage: Stage) -> None:
    collector = begin(stage)
    stage.target.close()
    began = time.monotonic()
    assert collector.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 5
    assert all(markers[-1] for markers in series_ends(stage).values())
    assert 0 not in stage.receiver.values("up")  # it is not down: it is gone


def test_sigterm_of_a_target_that_hangs_is_bounded(stage: Stage) -> None:
    collector = begin(stage)
    stage.target.answer = lambda peer, _: peer.wait_gone()
    began = time.monotonic()
    assert collector.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 5
    assert series_ends(stage)["good"][-1]


def test_sigint_flushes_and_marks_nothing(stage: Stage) -> None:
    collector = begin(stage)
    assert collector.end(signal.SIGINT) == 0
    assert stage.receiver.values("good")
    assert not any(any(markers) for markers in series_ends(stage).values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_is_bounded_when_the_receiver_hangs(stage: Stage, number: int) -> None:
    stage.receiver.judge = lambda peer, _: peer.wait_gone()
    collector = begin(stage, "--shutdown-timeout=1s")
    began = time.monotonic()
    assert collector.end(number) == 0
    assert time.monotonic() - began < 6
    (said,) = collector.logged("stopped")
    assert said["notSent"] > 0 and said["level"] == "warn"


def test_a_second_signal_ends_at_once(stage: Stage) -> None:
    stage.receiver.judge = lambda peer, _: peer.wait_gone()
    collector = begin(stage, "--shutdown-timeout=5m")
    collector.kill(signal.SIGINT)
    until("the first taken", lambda: collector.logged("stopping"))
    assert collector.end(signal.SIGINT) == 0


def test_no_attempt_beside_the_schedule_at_the_end(stage: Stage) -> None:
    stage.receiver.judge = lambda peer, _: peer.answer(503, b"")
    collector = stage.collector("--interval=5s")
    until("longer pauses", lambda: len(stage.receiver.pushes) >= 7, 30)
    pushes = len(stage.receiver.pushes)
    assert collector.end(signal.SIGINT) == 0
    at = [push.at for push in stage.receiver.pushes]
    if len(at) > pushes:
        assert at[pushes] - at[pushes - 1] > 0.8 * (at[pushes - 1] - at[pushes - 2])


def test_nothing_is_sent_when_nothing_waits(stage: Stage) -> None:
    collector = stage.collector("--interval=5s")
    until("a push", lambda: stage.receiver.values("good"))
    pushes = len(stage.receiver.pushes)
    assert collector.end(signal.SIGINT) == 0
    assert len(stage.receiver.pushes) == pushes


# ---- its own metrics ----


def test_its_own_metrics_go_out_with_the_targets(stage: Stage) -> None:
    begin(stage, "--own-metrics", "--label=job=test", "--keep=good")
    until("more scrapes", lambda: len(stage.target.requests) >= 4)
    stage.flush()
    own = {one.name for one in stage.receiver.series() if one.name.startswith("ampscale_")}
    assert own == {
        "ampscale_collector_samples_sent_total",
        "ampscale_collector_requests_total",
        "ampscale_collector_requests_failed_total",
        "ampscale_collector_buffer_bytes",
        "ampscale_collector_cpu_seconds_total",
        "ampscale_collector_resident_memory_bytes",
    }
    assert stage.receiver.values("ampscale_collector_resident_memory_bytes")[-1] > 1 << 20
    every = [one for one in stage.receiver.series() if one.name in own]
    assert all(("job", "test") in one.labels for one in every)


def test_loopback_serves_them_as_well(stage: Stage) -> None:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    collector = begin(stage, f"--metrics-listen=127.0.0.1:{port}", "--own-metrics")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    assert "# TYPE ampscale_collector_samples_sent_total counter\n" in text
    assert collector.end(signal.SIGTERM) == 0
    assert series_ends(stage)["good"][-1]


# ---- time ----


def clock(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """What a process needs to have its clocks moved, by what the file says."""
    rc = tmp_path / "clock"
    rc.write_text("+0")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    assert library, "libfaketime is not installed"
    return rc, {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(rc),
        "FAKETIME_NO_CACHE": "1",
        "ASAN_OPTIONS": "verify_asan_link_order=0",
    }


def test_an_app_that_is_slow_to_start_is_no_warning_for_a_minute(
    stage: Stage, tmp_path: Path
) -> None:
    def told() -> list[str]:
        return [entry["level"] for entry in collector.logged("scrape failed")]

    rc, env = clock(tmp_path)
    stage.target.close()
    collector = stage.collector("--interval=1s", env=env)
    until("the beginning told", lambda: told() == ["info"])
    rc.write_text("+61")
    until("the warning", lambda: told() == ["info", "warn"])


def test_a_clock_that_jumps_never_repeats_a_time(stage: Stage, tmp_path: Path) -> None:
    """The wall clock of the process alone is moved: forward, a little back, far back."""
    rc, env = clock(tmp_path)
    stage.receiver.judge = take
    env["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
    collector = stage.collector("--interval=300ms", env=env)
    for offset in ("+0", "+100", "+70", "-86400"):
        rc.write_text(offset)
        seen = len(stage.target.requests)
        until("scrapes", lambda seen=seen: len(stage.target.requests) >= seen + 4)
    stage.flush()
    (said,) = collector.logged(
        "the clock was set back: a receiver refuses what is older than it has"
    )
    assert said["backSeconds"] == pytest.approx(86400 + 100, abs=60)
    times = [s.time_ms for one in stage.receiver.named("up") for s in one.samples]
    assert len(times) == len(set(times))
    falls = [b - a for a, b in itertools.pairwise(times) if b <= a]
    assert len(falls) == 1 and falls[0] < -80_000_000


def test_frequent_scrapes_share_requests(stage: Stage) -> None:
    begin(stage, "--interval=200ms")
    until("pushes", lambda: len(stage.receiver.pushes) >= 2, 30)
    first, second = stage.receiver.pushes[:2]
    assert len(first.times()) >= 5
    assert second.at - first.at > 3
