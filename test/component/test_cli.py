"""kubectl-ampscale as a user runs it: its exit codes, its files and pipes, and a fake cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakekube import FakeKube, condition, deployment

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD_DIR", ROOT / "build" / "dev"))
PROGRAM = BUILD / "bin" / "kubectl-ampscale"
GOLDEN = ROOT / "test" / "golden" / "cli"
TIMEOUT_S = 60
PLAIN = {"query": "requests", "threshold": "25", "max-replicas": "30"}


def run(*args: str | Path, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *map(str, args)],
        input=stdin,
        text=True,
        capture_output=True,
        timeout=TIMEOUT_S,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **env},
        check=False,
    )


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[FakeKube]:
    fake = FakeKube(tmp_path)
    yield fake
    fake.close()


def ask(kube: FakeKube, *args: str) -> subprocess.CompletedProcess[str]:
    return run(*args, "--kubeconfig", kube.kubeconfig)


# ---- usage ----


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["--help"], 0, "Usage: kubectl ampscale COMMAND"),
        ([], 0, "Usage: kubectl ampscale COMMAND"),
        (["-h"], 0, "Usage: kubectl ampscale COMMAND"),
        (["--version"], 0, "kubectl-ampscale 0.1.0 (commit "),
        (["simulate", "--help"], 0, "Usage: kubectl ampscale simulate "),
        (["explain", "-h"], 0, "Usage: kubectl ampscale explain "),
        (["--help", "status"], 0, "-A, --all-namespaces"),
        (["--endpoint", "http://x", "status", "--help"], 0, "-A, --all-namespaces"),
        (["-n", "shop", "simulate"], 2, '"-n": expected a flag'),
        (["statsu"], 2, "statsu: unknown command: did you mean status?"),
        (["-o", "json"], 2, "expected a command"),
        (["simulate"], 2, "--filename: is required"),
        (["simulate", "-f", "-"], 2, "--filename and --from cannot both be standard input"),
        (["simulate", "-f", "a", "b", "c"], 2, "NAME: expected at most 1 of them"),
        (["lint"], 2, "expected a file"),
        (["lint", "a", "-o", "yaml"], 2, "expected one of text, json"),
        (["explain"], 2, "DEPLOYMENT is missing"),
        (["explain", "pod/x"], 2, "pod/x: expected a Deployment"),
        (["explain", "../x"], 2, "../x: expected a Deployment"),
        (["status", "A"], 2, '"A" is no name of a Deployment'),
        (["status", "-n", "a/b"], 2, '"a/b" is no name of a namespace'),
        (["status", "-n", "a", "-A"], 2, "exclude each other"),
    ],
)
def test_usage(args: list[str], status: int, said: str) -> None:
    done = run(*args)
    assert done.returncode == status
    assert said in (done.stderr if status else done.stdout)


# ---- files and pipes ----


def test_simulate_reads_files_and_pipes() -> None:
    case = GOLDEN / "simulate"
    want = (case / "formula.want").read_text()
    lines = (case / "formula.jsonl").read_text()
    by_file = run("simulate", "-f", case / "formula.yaml", "--from", case / "formula.jsonl", "web")
    assert (by_file.returncode, by_file.stdout, by_file.stderr) == (0, want, "")
    by_pipe = run("simulate", f"--filename={case / 'formula.yaml'}", stdin=lines)
    assert (by_pipe.returncode, by_pipe.stdout) == (0, want)
    manifest = (case / "formula.yaml").read_text()
    reverse = run("simulate", "-f", "-", "--from", case / "formula.jsonl", stdin=manifest)
    assert (reverse.returncode, reverse.stdout) == (0, want)
    text = run("simulate", "-o", "text", "-f", case / "formula.yaml", stdin=lines)
    assert text.stdout.splitlines()[3].split()[:5] == ["45s", "4", "→", "5", "MetricProposal"]


def test_simulate_says_where_a_line_is_wrong() -> None:
    good = '{"t": 0, "readings": {"default": 100}}\n'
    done = run("simulate", "-f", GOLDEN / "simulate" / "formula.yaml", stdin=good + "{\n")
    assert done.returncode == 1
    assert json.loads(done.stdout)["replicas"] == 4
    assert "standard input: line 2: JSON at byte 1" in done.stderr


def test_simulate_answers_line_by_line() -> None:
    command = [PROGRAM, "simulate", "-f", GOLDEN / "simulate" / "formula.yaml"]
    with subprocess.Popen(
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for t, value in enumerate([100, 200, 300]):
            process.stdin.write(json.dumps({"t": t, "readings": {"default": value}}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["replicas"] == value / 25
        process.stdin.close()
        assert process.wait(TIMEOUT_S) == 0


def test_simulate_bounds_a_line(tmp_path: Path) -> None:
    done = run(
        "simulate", "-f", GOLDEN / "simulate" / "formula.yaml", stdin='{"t": ' + " " * (2 << 20)
    )
    assert done.returncode == 1
    assert "a line is longer than 1048576 bytes" in done.stderr


def test_lint_files() -> None:
    folder = GOLDEN / "lint"
    named = run("-n", "mine", "lint", folder / "json.yaml")
    assert named.stdout.startswith(f"{folder / 'json.yaml'}: mine/web: ok\n")
    good = run("lint", "-f", folder / "good.yaml")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.endswith("2 Deployments, 1 scaled, 0 wrong\n")
    bad = run("lint", folder / "good.yaml", folder / "several.yaml", "/nonexistent/x")
    assert bad.returncode == 1
    assert "several.yaml: shop/a: scale.amp/threshold:" in bad.stdout
    assert "/nonexistent/x: No such file or directory\n" in bad.stdout
    as_json = run("lint", "-ojson", folder / "several.yaml")
    assert [item["valid"] for item in json.loads(as_json.stdout)] == [False, False, True, False]


def test_replay_a_log(tmp_path: Path) -> None:
    corpus = ROOT / "test" / "fuzz" / "corpus" / "replay"
    sound = run("replay", corpus / "plain")
    assert (sound.returncode, sound.stdout) == (0, "1 decision, all the same\n")
    mixed = run("replay", stdin=(corpus / "mixed").read_text())
    assert mixed.returncode == 1
    assert mixed.stdout.startswith("line 3: shop/paced\n- 5 → 7")
    assert run("replay", tmp_path / "nothing").returncode == 1


# ---- status ----


def conditions(message: str, able: str = "ReadyForNewScale") -> list[dict[str, Any]]:
    return [
        condition("Active", "True", "ScalerActive", message),
        condition("AbleToScale", "True", able, message),
        condition("ScalingLimited", "False", "DesiredWithinRange", message),
        condition("Paused", "False", "NotPaused", "no annotation pauses it"),
    ]


TRIGGERS = "[{name: rps, query: a, threshold: 10}, {name: queue, query: b, threshold: 5,\n"
TRIGGERS += "  metricType: Value}]"


def fill(kube: FakeKube) -> None:
    told = conditions("default: 100/25 → 4, within tolerance of the target at 4: held")
    two = conditions("queue: 7.25/5 → 12; kept at 12 by …", "ScaleDownStabilized")
    wrong = [condition("AbleToScale", "False", "InvalidAnnotations", "…")]
    kube.deployments = [
        deployment("checkout", PLAIN, 4, told),
        deployment("worker", {"triggers": TRIGGERS, "min-replicas": "0"}, 12, two),
        deployment("new", PLAIN, 1),
        deployment("plain", {}),
        deployment("broken", {"query": "x", "threshold": "0"}, 3, wrong),
        deployment("elsewhere", PLAIN, 1, namespace="other"),
    ]


def table(text: str) -> list[list[str]]:
    """Cells are three spaces apart."""
    return [
        [cell.strip() for cell in line.split("   ") if cell.strip()] for line in text.splitlines()
    ]


def test_status(kube: FakeKube) -> None:
    fill(kube)
    done = ask(kube, "status")
    assert (done.returncode, done.stderr) == (0, "")
    rows = table(done.stdout)
    assert rows[0] == ("NAME TARGETS MIN MAX REPLICAS DESIRED REASON POLL AGE".split())
    cells = {row[0]: row[1:-1] for row in rows[1:]}
    assert cells == {
        "checkout": ["25/25 (avg)", "1", "30", "4", "4", "ReadyForNewScale", "15s"],
        "worker": [
            "rps: <unknown>/10 (avg), queue: 7.25/5",
            *"0 100 12 12 ScaleDownStabilized 15s".split(),
        ],
        "new": ["<unknown>/25 (avg)", "1", "30", "1", "1", "NotSeen", "15s"],
        "broken": ["<invalid>", "-", "-", "3", "3", "InvalidAnnotations", "-"],
    }


def test_status_of_one_and_of_all(kube: FakeKube) -> None:
    fill(kube)
    one = table(ask(kube, "status", "deploy/new").stdout)
    assert [row[0] for row in one] == ["NAME", "new"]
    everywhere = table(ask(kube, "status", "-A").stdout)
    assert [row[0] for row in everywhere] == ["NAMESPACE", *["shop"] * 4, "other"]
    other = table(ask(kube, "status", "-n", "other").stdout)
    assert [row[0] for row in other] == ["NAME", "elsewhere"]
    absent = ask(kube, "status", "nothing")
    assert absent.returncode == 1
    assert "there is no Deployment nothing in shop" in absent.stderr
    kube.deployments = [deployment("plain", {})]
    none = ask(kube, "status")
    assert (none.returncode, none.stdout) == (0, "")
    assert "no Deployment in shop asks to be scaled" in none.stderr


def test_status_as_json(kube: FakeKube) -> None:
    fill(kube)
    found = {item["name"]: item for item in json.loads(ask(kube, "status", "-o", "json").stdout)}
    assert list(found) == ["checkout", "worker", "new", "broken"]
    checkout = found["checkout"]
    assert checkout["triggers"] == [
        {
            "name": "default",
            "query": "requests",
            "metricType": "AverageValue",
            "threshold": 25,
            "value": 100,
        }
    ]
    assert (checkout["minReplicas"], checkout["maxReplicas"]) == (1, 30)
    assert (checkout["replicas"], checkout["ready"], checkout["desired"]) == (4, 4, 4)
    assert checkout["reason"] == "ReadyForNewScale"
    assert checkout["conditions"][0]["type"] == "scale.amp/Active"
    assert checkout["created"] == "2026-01-01T00:00:00Z"
    assert not found["broken"]["valid"]
    assert found["broken"]["complaints"][0].startswith('scale.amp/threshold: "0": expected')
    kube.deployments = []
    assert json.loads(ask(kube, "status", "-o", "json").stdout) == []


def test_status_asks_now(kube: FakeKube) -> None:
    fill(kube)
    kube.values = {"requests": "130", "b": "9"}
    rows = table(ask(kube, "status", "--endpoint", kube.url).stdout)
    assert {row[0]: row[1] for row in rows[1:]} == {
        "checkout": "32.5/25 (avg)",
        "worker": "rps: <unknown>/10 (avg), queue: 9/5",
        "new": "130/25 (avg)",
        "broken": "<invalid>",
    }
    found = json.loads(ask(kube, "status", "-o", "json", "--endpoint", kube.url).stdout)
    assert [t.get("value") for item in found for t in item["triggers"]] == [130, None, 9, 130]
    assert found[1]["triggers"][0]["empty"] == "empty result"
    both = ask(kube, "status", "-w", "--endpoint", kube.url)
    assert both.returncode == 2
    assert "--watch follows what the scaler tells" in both.stderr


def test_status_asks_all_at_once(kube: FakeKube) -> None:
    fill(kube)
    kube.values = {"requests": "130", "b": "9"}
    kube.together = threading.Barrier(4)  # of three Deployments; one query alone gets no answer
    rows = table(ask(kube, "status", "--endpoint", kube.url).stdout)
    assert [row[1].split("/")[0] for row in rows[1:4]] == ["32.5", "rps: <unknown>", "130"]
    kube.together = threading.Barrier(1)
    kube.deployments = [deployment(f"w-{i:02}", PLAIN) for i in range(40)]
    kube.values = {"requests": "75"}
    found = json.loads(ask(kube, "status", "-o", "json", "--endpoint", kube.url).stdout)
    assert [one["name"] for one in found] == [f"w-{i:02}" for i in range(40)]
    assert all(one["triggers"][0]["value"] == 75 for one in found)


def test_status_follows_changes(kube: FakeKube) -> None:
    kube.deployments = [deployment("checkout", PLAIN, 4)]
    command = [PROGRAM, "status", "-w", "--kubeconfig", kube.kubeconfig]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("NAME ")
        assert "checkout " in process.stdout.readline()
        told = conditions("default: 200/25 → 8 replicas", "SucceededRescale")
        changed = deployment("checkout", PLAIN, 8, told)
        kube.changes.put({"type": "MODIFIED", "object": changed})
        kube.changes.put({"type": "MODIFIED", "object": changed})  # nothing new: no line
        kube.changes.put({"type": "ADDED", "object": deployment("late", PLAIN, 1)})
        kube.changes.put({"type": "DELETED", "object": changed})
        line = process.stdout.readline()
        assert line.startswith("checkout") and "25/25 (avg)" in line and " 8 " in line
        assert process.stdout.readline().startswith("late")
        assert "Deleted" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0


def test_status_without_permission_or_server(kube: FakeKube) -> None:
    kube.denied = {"/apis/apps/v1/namespaces/shop/deployments"}
    denied = ask(kube, "status")
    assert denied.returncode == 1
    assert 'User "x" cannot get deployments' in denied.stderr
    kube.kubeconfig.write_text(kube.kubeconfig.read_text().replace(kube.url, "http://127.0.0.1:9"))
    away = ask(kube, "status")
    assert away.returncode == 1
    assert "127.0.0.1:9" in away.stderr
    nowhere = run("status")
    assert nowhere.returncode == 1
    assert "/nonexistent/.kube/config: No such file" in nowhere.stderr


# ---- explain ----


def scaler_event(reason: str, message: str, time: str, count: int = 1) -> dict[str, Any]:
    return {
        "type": "Normal",
        "reason": reason,
        "message": message,
        "reportingComponent": "scale.amp/ampscale-scaler",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "series": {"count": count, "lastObservedTime": time},
    }


def test_explain(kube: FakeKube) -> None:
    fill(kube)
    kube.events = [
        scaler_event("SuccessfulRescale", "Scaled from 1 to 4", "2026-01-01T00:00:01.000000Z"),
        {"reason": "Other", "message": "of the deployment controller", "type": "Normal"},
        scaler_event("MetricRecovered", "has a value", "2026-01-02T00:00:01.000000Z", 3),
    ]
    done = ask(kube, "explain", "checkout")
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout
    assert text.startswith("Deployment shop/checkout: 4 replicas wanted, 4 there, 4 ready\n")
    for part in ["query ", "max-replicas ", "(default)", "Conditions", "ScalerActive"]:
        assert part in text
    assert text.index("MetricRecovered") < text.index("SuccessfulRescale")
    assert "of the deployment controller" not in text
    assert "within tolerance of the target at 4" in text
    assert "--endpoint or --workspace" in text
    selector = "fieldSelector=involvedObject.kind=Deployment,involvedObject.name=checkout"
    assert any(selector in path for path in kube.asked)


def test_explain_asks_now(kube: FakeKube) -> None:
    fill(kube)
    kube.values["requests"] = "260"
    done = ask(kube, "explain", "checkout", "--endpoint", kube.url)
    assert done.returncode == 0
    assert "4 → 11 replicas, MetricProposal: default: 260/25 → 11 replicas" in done.stdout
    assert "without the scaler's memory" in done.stdout
    found = json.loads(ask(kube, "explain", "checkout", "-ojson", "--endpoint", kube.url).stdout)
    assert found["now"]["replicas"] == 11
    assert found["triggers"][0]["value"] == 260
    assert found["annotations"]["scale.amp/threshold"] == "25"
    assert found["defaults"]["scale.amp/min-replicas"] == "1"
    del kube.values["requests"]
    empty = ask(kube, "explain", "checkout", "--endpoint", kube.url).stdout
    assert "default: no value (empty result), threshold 25" in empty
    assert "4 → 4 replicas, MetricUnknown" in empty
    refused = ask(kube, "explain", "checkout", "--endpoint", "http://127.0.0.1:9").stdout
    assert "default: unknown: http://127.0.0.1:9" in refused


def test_explain_what_is_wrong(kube: FakeKube) -> None:
    fill(kube)
    broken = ask(kube, "explain", "broken", "--endpoint", kube.url)
    assert broken.returncode == 0
    assert 'scale.amp/threshold: "0": expected a number > 0' in broken.stdout
    assert "held at 3: the annotations cannot be used" in broken.stdout
    plain = ask(kube, "explain", "plain")
    assert plain.returncode == 0
    assert "It is not scaled" in plain.stdout
    kube.denied = {"/api/v1/"}
    assert 'not known: User "x" cannot get events' in ask(kube, "explain", "new").stdout
    absent = ask(kube, "explain", "nothing")
    assert absent.returncode == 1
    assert 'deployments.apps "nothing" not found' in absent.stderr
