"""What the stand-in serves, its faults, its counters, and how it starts and stops."""

from __future__ import annotations

import http.client
import os
import threading
import time
from pathlib import Path

import pytest

from amp import samples
from amp.client import Client
from amp.conftest import Launch
from amp.control import Amp, ControlError, wait_until

# Operations.


def test_operations(client: Client, amp: Amp) -> None:
    amp.push("operations", {"app": "shop"}, 7)
    match = {"match[]": "operations"}
    assert client.call("series", match).json()["data"] == [
        {"__name__": "operations", "app": "shop"}
    ]
    assert "app" in client.call("labels", match).json()["data"]
    assert client.call("label/app/values", None, "GET", match).json()["data"] == ["shop"]
    now = int(time.time())
    ranged = client.call(
        "query_range", {"query": "vector(3)", "start": str(now - 60), "end": str(now), "step": "30"}
    )
    assert [v for _, v in ranged.json()["data"]["result"][0]["values"]] == ["3", "3", "3"]


def test_connection_is_kept(client: Client, amp: Amp) -> None:
    assert [client.value(f"vector({n})") for n in range(3)] == ["0", "1", "2"]
    assert amp.stats()["connections"] == 1


def test_unknown_places(client: Client, amp: Amp) -> None:
    base = client.base
    assert client.call("nothing").status == 404
    assert client.call("remote_write", None, "GET").status == 404
    client.base = "/workspaces/ws-another"
    assert client.query("vector(1)").status == 404
    client.base = f"{base}/alertmanager"
    assert client.query("vector(1)").status == 404
    assert amp.stats()["invalid"] == 0


def test_prometheus_own_error_passes(client: Client) -> None:
    reply = client.query("sum(")
    assert reply.status == 400
    assert reply.json()["errorType"] == "bad_data"
    assert "parse error" in reply.json()["error"]


# Faults.


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ({"mode": "throttle"}, 429, '{"message":"Rate exceeded"}'),
        ({"mode": "fail"}, 500, '{"message":"Internal server error"}'),
        ({"mode": "fail", "status": 503}, 503, '{"message":"Service Unavailable"}'),
        ({"mode": "deny"}, 403, "is not authorized to perform: aps:QueryMetrics on resource: "),
        (
            {"mode": "expire"},
            403,
            '{"message":"The security token included in the request is expired"}',
        ),
        ({"mode": "html"}, 502, "<h1>502 Bad Gateway</h1>"),
        ({"mode": "html", "status": 200}, 200, "<html>"),
        ({"mode": "empty"}, 200, '"result": []'),
        ({"mode": "warnings", "warnings": ["w1"]}, 200, '"warnings": ["w1"]'),
        (
            {"mode": "answer", "status": 418, "body": {"a": 1}, "headers": {"X-A": "b"}},
            418,
            '{"a": 1}',
        ),
    ],
)
def test_answered_fault(client: Client, amp: Amp, fault: dict, status: int, text: str) -> None:
    with amp.fault(**fault):
        reply = client.query("vector(1)")
    assert reply.status == status
    assert text in reply.body.decode()
    assert client.value("vector(1)") == "1"
    assert amp.stats()["by_fault"] == {fault["mode"]: 1}


def test_throttle_says_when_to_come_back(client: Client, amp: Amp) -> None:
    amp.set_fault("throttle", retry_after=7, count=1)
    assert client.query("vector(1)").headers["Retry-After"] == "7"
    assert client.query("vector(1)").headers["Retry-After"] is None


def test_closed_connection(client: Client, amp: Amp) -> None:
    amp.set_fault("close", count=1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        client.query("vector(1)")
    assert [r["status"] for r in amp.requests()] == [None]
    with pytest.raises(TimeoutError, match="an answer to each request"):
        amp.answered(0.3)


def test_truncated_body(client: Client, amp: Amp) -> None:
    amp.set_fault("truncate", count=1)
    with pytest.raises((http.client.IncompleteRead, OSError)):
        client.query("vector(1)")


def test_stall_ends_when_cleared(client: Client, amp: Amp) -> None:
    amp.set_fault("stall")
    other = Client(amp.settings, timeout_s=0.3)
    with pytest.raises(TimeoutError):
        other.query("vector(5)")
    signed = client.sign("query", {"query": "vector(6)"})
    client.line.request(signed.method, signed.target, signed.body, signed.headers)
    amp.wait_for(1, 10, query="vector(6)", fault="stall")
    assert amp.requests(query="vector(6)")[0]["status"] is None
    threading.Timer(0.2, amp.clear).start()
    assert [r["status"] for r in amp.answered(10, query="vector(6)")] == [200]
    assert client.line.getresponse().read().endswith(b'"6"]}]}}')
    amp.set_fault("stall", seconds=0.05)
    client.line.close()
    assert client.value("vector(7)") == "7"


def test_fault_selects_its_requests(client: Client, amp: Amp) -> None:
    amp.set_fault("fail", query="vector(1)", count=2)
    amp.set_fault("throttle", path="labels")
    assert [client.query("vector(1)").status for _ in range(3)] == [500, 500, 200]
    assert client.query("vector(2)").status == 200
    assert client.call("labels").status == 429
    assert [f["mode"] for f in amp.faults()] == ["throttle"]
    with pytest.raises(ControlError, match="mode: one of throttle, "):
        amp.set_fault("explode")


def test_a_bad_signature_meets_no_fault(client: Client, amp: Amp) -> None:
    amp.set_fault("fail", count=1)
    assert client.call("query", {"query": "vector(1)"}, region="x").status == 403
    assert client.query("vector(1)").status == 500


# Samples and counters.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (100, "100"),
        (-2.5, "-2.5"),
        (1e300, "1e+300"),
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
    ],
)
def test_pushed_value_is_queried(client: Client, amp: Amp, value: float, text: str) -> None:
    amp.push("pushed", {"case": text, "ü": "ö" * 300} if value == 100 else {"case": text}, value)
    assert client.value(f'pushed{{case="{text}"}}') == text


def test_later_push_wins(client: Client, amp: Amp) -> None:
    now_ms = time.time_ns() // 1_000_000
    for n in range(3):
        amp.push("moving", None, n, now_ms - 20_000 + n * 1000)
    assert client.value("moving") == "2"
    with pytest.raises(ControlError, match=r"duplicate sample|out of order"):
        amp.push("moving", None, 9, now_ms - 18_000)


def test_remote_write_as_a_client(client: Client, amp: Amp) -> None:
    many = [samples.Sample("written", n, {"n": str(n), "pad": "x" * 60}) for n in range(2000)]
    reply = client.call("remote_write", samples.body(many))
    assert (reply.status, reply.body) == (200, b"")
    assert client.value("count(written)") == "2000"
    assert client.call("remote_write", b"x" * ((1 << 20) + 1)).status == 413
    assert client.call("remote_write", b"not snappy").status == 400
    assert amp.stats()["by_path"]["remote_write"] == 3


def test_gaps_between_queries(client: Client, amp: Amp) -> None:
    for _ in range(3):
        client.query("vector(11)")
    client.query("vector(12)")
    assert len(amp.gaps_ms("vector(11)")) == 2
    assert amp.stats()["by_query"] == {"vector(11)": 3, "vector(12)": 1}
    assert amp.requests(since_ms=amp.requests()[-1]["t_ms"] + 1) == []


# Starting and stopping.


def test_prometheus_stops_and_comes_back_with_its_data(
    client: Client, amp: Amp, state: Path, launch: Launch
) -> None:
    amp.push("kept", None, 42)
    assert launch("down", state, "--only", "prometheus").returncode == 0
    reply = client.query("kept")
    assert (reply.status, reply.message()) == (503, "Service Unavailable")
    assert launch("up", state, "--only", "prometheus").returncode == 0
    assert client.value("kept") == "42"
    assert amp.stats()["invalid"] == 0


def test_up_again_changes_nothing(state: Path, amp: Amp, launch: Launch) -> None:
    before = {p: (state / f"{p}.pid").read_text() for p in ("prometheus", "proxy")}
    done = launch("up", state)
    assert (done.returncode, done.stdout.strip()) == (0, amp.settings["endpoint"])
    assert before == {p: (state / f"{p}.pid").read_text() for p in before}


def test_a_part_that_cannot_start_says_why(tmp_path: Path, launch: Launch) -> None:
    done = launch(
        "up", tmp_path, "--only", "prometheus", "--prometheus", "127.0.0.1:0", "--retention", "soon"
    )
    assert done.returncode == 1
    assert "amp: prometheus ended with status " in done.stderr
    assert not (tmp_path / "prometheus.pid").exists()
    done = launch("up", tmp_path, "--prometheus-binary", "no-such-program")
    assert (done.returncode, "no-such-program" in done.stderr) == (1, True)


def test_down_leaves_no_process_and_spares_strangers(tmp_path: Path, launch: Launch) -> None:
    done = launch("up", tmp_path, "--listen", "127.0.0.1:0", "--prometheus", "127.0.0.1:0")
    assert done.returncode == 0, done.stderr
    pids = [int((tmp_path / f"{p}.pid").read_text().split()[0]) for p in ("prometheus", "proxy")]
    assert launch("down", tmp_path).returncode == 0
    wait_until(lambda: not any(Path(f"/proc/{p}/exe").exists() for p in pids), 10, "both ended")
    (tmp_path / "proxy.pid").write_text(f"{os.getpid()} 1\n")
    assert launch("down", tmp_path).returncode == 0
