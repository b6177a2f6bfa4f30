"""The collector in a pod: what it is given, what it writes as whom, how it is never in the way.

The closed loop goes on meanwhile (loop.py); nothing here answers a request that ho11y_total counts
where that query would see it.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from amp.control import Amp, wait_until
from conftest import Load, Make, now_ms
from kube import AT_ONCE, PREFIX, Kube, run
from loop import Loop
from sidecar import (
    APP,
    SIDECAR,
    TREE,
    WRITE_ROLE,
    App,
    Prom,
    container_of,
    ends_of,
    processes,
    signal_in,
    writes,
)

PROGRAM = f"/usr/bin/{SIDECAR}"
TOKEN = "var/run/secrets/kubernetes.io/serviceaccount"
PATIENT_S = 60.0


@pytest.fixture(scope="module")
def watched(kube: Kube, loop: Loop) -> Iterator[App]:
    """One app of one pod that several tests look at; the loop begins beside it."""
    one = App(kube, "watched")
    one.collected().accepted()
    yield one.ready()
    one.delete()


def of(one: App, metric: str = "up") -> str:
    return f'{metric}{{job="{one.name}"}}'


# What it is.


def test_it_is_a_restricted_native_sidecar(watched: App, kube: Kube) -> None:
    """In a namespace that enforces it; with a probe that listens nowhere."""
    namespace = run("kubectl", "get", "namespace", kube.namespace, "-o", "json").accepted()
    labels = json.loads(namespace.out)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    (pod,) = watched.pods()
    sidecar = container_of(pod, SIDECAR, "spec")
    assert sidecar["restartPolicy"] == "Always"
    context = sidecar["securityContext"]
    assert (context["readOnlyRootFilesystem"], context["runAsNonRoot"]) == (True, True)
    assert "readinessProbe" not in sidecar
    assert "ports" not in sidecar
    assert container_of(pod, SIDECAR)["restartCount"] == 0


def test_it_listens_on_no_network(watched: App) -> None:
    """No socket of the collector's is one that the pod's network has in LISTEN."""
    (process,) = processes(watched.pod(), PROGRAM)
    sockets = {
        link.removeprefix("socket:[").removesuffix("]")
        for entry in Path(f"/proc/{process}/fd").iterdir()
        if (link := os.readlink(entry)).startswith("socket:[")
    }
    assert sockets, "it has some"
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            assert fields[9] not in sockets or fields[3] != "0A", line


def test_the_apps_token_is_not_in_it(watched: App) -> None:
    pod = watched.pod()
    (sidecar,) = processes(pod, PROGRAM)
    (app,) = processes(pod, APP)
    assert (Path(f"/proc/{app}/root") / TOKEN / "token").exists()
    assert os.listdir(Path(f"/proc/{sidecar}/root") / TOKEN) == []
    variables = Path(f"/proc/{sidecar}/environ").read_bytes().decode().split("\0")
    assert not [v for v in variables if v.startswith(("AWS_ACCESS", "AWS_SECRET", "AWS_SESSION"))]


def test_its_own_token_gets_it_its_own_role(watched: App, amp: Amp, prom: Prom) -> None:
    """Of the app's ServiceAccount, for STS alone; and what it writes is signed with that role."""
    assert prom.some(of(watched)) == 1
    rows = list(writes(amp, watched.name))
    assert {(row["role"], row["signature"]) for row in rows} == {(WRITE_ROLE, "valid")}
    sessions = {row["session"] for row in rows}
    (call,) = [
        r for r in amp.requests(path="AssumeRoleWithWebIdentity") if r["session"] in sessions
    ]
    assert call["subject"] == f"system:serviceaccount:{watched.kube.namespace}:default"


def test_what_is_sent(watched: App, prom: Prom) -> None:
    """The app's series, those about the scrape, and the collector's own, under one identity."""
    prom.some(of(watched))
    (pod,) = watched.pods()
    rows = prom.labels(f'{{job="{watched.name}"}}')
    assert {(row["namespace"], row["pod"], row["instance"]) for row in rows} == {
        (watched.kube.namespace, pod["metadata"]["name"], f"{pod['status']['podIP']}:8765")
    }
    names = {row["__name__"] for row in rows}
    assert {"process_open_fds", "ho11y_request_duration_seconds_bucket"} <= names
    assert {"scrape_duration_seconds", "scrape_samples_scraped", "scrape_series_added"} <= names
    assert "ampscale_collector_samples_sent_total" in names


# Never in the way.


def test_a_lost_scrape_holds(watched: App, workload: Make, prom: Prom) -> None:
    """The app hangs: its series end, nobody is scaled on what is not there, and it comes back."""
    query = f"count({of(watched, 'process_start_time_seconds')}) + 2"
    prom.some(query)
    scaled = workload().scaled(query, parked=True, behavior=AT_ONCE)
    scaled.wait_for(3)
    before = scaled.generation()
    signal_in(watched.pod(), APP, signal.SIGSTOP)
    try:
        prom.wait(of(watched), lambda value: value == 0)
        assert prom.value(query) is None
        scaled.wait_event(reason="EmptyMetric")
        assert (scaled.replicas(), scaled.generation()) == (3, before)
    finally:
        signal_in(watched.pod(), APP, signal.SIGCONT)
    prom.wait(of(watched), lambda value: value == 1)
    scaled.wait_event(reason="MetricRecovered")
    assert (scaled.replicas(), scaled.generation()) == (3, before)


def test_killed_it_comes_back_and_the_app_stays(watched: App, prom: Prom) -> None:
    pod = watched.pod()

    def restarts(name: str) -> int:
        return container_of(watched.pods()[0], name)["restartCount"]

    before = restarts(SIDECAR)
    signal_in(pod, PROGRAM, signal.SIGKILL)
    wait_until(lambda: restarts(SIDECAR) == before + 1, PATIENT_S, "it is started again")
    since_s = now_ms() / 1000
    prom.wait(f"timestamp({of(watched)})", lambda t: t is not None and t > since_s, PATIENT_S)
    assert (watched.pod(), restarts("ho11y")) == (pod, 0)


def test_amp_is_away(app: Callable[[], App], amp: Amp, prom: Prom) -> None:
    """At the start of a pod: it gets ready all the same, and what was scraped meanwhile arrives. At
    its end: it goes within its time."""
    role = f"{WRITE_ROLE}-elsewhere"
    one = app()
    subject = f"system:serviceaccount:{one.kube.namespace}:default"
    amp.set_role(role, actions=["aps:RemoteWrite"], subjects=[subject])
    with amp.fault("fail", path="remote_write", role=role, status=503):
        one.collected(collector_role_arn=role).accepted()
        one.ready()
        amp.wait_for(5, PATIENT_S, path="remote_write", role=role)
        assert prom.value(of(one)) is None
        over_s = now_ms() / 1000
    prom.some(of(one))
    first_s = prom.some(f"min_over_time(timestamp({of(one)})[5m:1s])")
    assert first_s < over_s, "what was scraped meanwhile is there"
    (pod,) = one.pods()
    with amp.fault("stall", path="remote_write", role=role):
        amp.wait_for(1, PATIENT_S, path="remote_write", role=role, fault="stall")
        name = pod["metadata"]["name"]
        one.kube("delete", "pod", name, "--timeout=25s").accepted()  # of the 30 that it has


def test_the_end_of_a_pod(
    watched: App, app: Callable[[], App], load: Callable[[Any], Load], prom: Prom, amp: Amp
) -> None:
    """Scaled down under traffic: no request is lost, each that was answered is counted, and the
    series of the pods that went end at once."""
    calls = 300
    metric = load(3)
    one = app()
    only = "ho11y_request_duration_seconds_count"
    scaling = {"query": metric.query, "threshold": "1", "polling_interval": "1s"}
    one.collected(metrics=only, behavior=AT_ONCE, **scaling).accepted()
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": one.name},
        "spec": {"selector": {"app": one.name}, "ports": [{"port": 80, "targetPort": "http"}]},
    }
    one.kube.apply(service).accepted()
    one.wait_for(3)
    one.ready(3)
    prom.wait(f"count({of(one)})", lambda value: value == 3)
    url = f"http://{one.name}/?n=[1-{calls}]"
    shown = ["-o", "/dev/null", "-w", "%{http_code}\n"]
    with ends_of(one) as codes:
        metric.set(1)
        done = watched.curl("-sS", "--rate", "1200/m", *shown, url)
        assert done.accepted().out.split() == ["200"] * calls
        one.kube("delete", "service", one.name).accepted()
        one.wait_for(1)
        wait_until(lambda: len(codes()) == 2, PATIENT_S, "two collectors ended")
        assert set(codes().values()) == {0}
    counted = f"sum(max_over_time({of(one, only)}[5m]))"
    prom.wait(counted, lambda value: value == calls)
    prom.wait(f"count({of(one)})", lambda value: value == 1)
    assert sum(row["written"]["stale"] for row in writes(amp, one.name)) > 0


# What the webhook does with it.


@pytest.mark.parametrize("words", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_a_dry_run_shows_no_difference(app: Callable[[], App], words: tuple[str, ...]) -> None:
    one = app()
    one.collected(*words).accepted()
    before = one.get()
    written = our_annotations(one)
    text = json.dumps(one.manifest)
    for command in (
        ("diff", *words),
        ("apply", *words, "--dry-run=server"),
        ("apply", *words),
        *([("apply", "--dry-run=client")] if not words else []),
    ):
        done = one.kube(*command, "-f", "-", stdin=text).accepted()
        assert command[0] != "diff" or done.out == ""
    after = one.get()
    assert after["metadata"]["generation"] == 1
    assert our_annotations(one) == written
    assert after["spec"] == before["spec"]


def test_its_end_takes_away_exactly_what_came_with_it(app: Callable[[], App]) -> None:
    one, plain = app(), app()
    plain.kube.apply(plain.plain).accepted()
    one.kube.apply(one.plain).accepted()
    before = one.template()
    one.collected().accepted()
    assert container_of({"spec": one.template()["spec"]}, SIDECAR, "spec")
    one.kube.apply(one.plain).accepted()
    assert one.template() == before
    assert one.ours() == plain.ours() == []
    one.annotate(collector="enabled", scrape_port="8765").accepted()
    assert one.template() != before
    one.annotate("collector", "scrape-port").accepted()
    assert one.template() == before


def test_a_new_image_leaves_pods_as_they_are(
    watched: App, app: Callable[[], App], system: Kube
) -> None:
    """The webhook is upgraded: what runs stays, whoever applies; `refresh`, and a change of the pod
    template that rolls it anyway, take the new image."""
    late = app()
    late.collected(scrape_interval="2s").accepted()
    before, pod = watched.get(), watched.pod()
    newer = "docker.io/local/ampscale:dev"
    old = image_of(watched)
    assert old != newer
    with_image(system, old, newer)
    try:
        watched.kube.apply(watched.manifest).accepted()
        watched.annotate(**{"example.com/touched": "yes"}).accepted()
        after = watched.get()
        assert (after["spec"], watched.pod()) == (before["spec"], pod)
        late.annotate(refresh="now").accepted()
        assert image_of(late) == newer
        watched.kube("set", "env", f"deployment/{watched.name}", "A=b").accepted()
        assert image_of(watched) == newer
    finally:
        with_image(system, newer, old)


def our_annotations(one: App) -> dict[str, str]:
    return {key: text for key, text in one.annotations().items() if key.startswith(PREFIX)}


def image_of(one: App) -> str:
    return container_of({"spec": one.template()["spec"]}, SIDECAR, "spec")["image"]


def with_image(system: Kube, old: str, new: str) -> None:
    """The webhook anew, with another image for collectors."""
    name = "deployment/ampscale-webhook"
    args = system.get(name)["spec"]["template"]["spec"]["containers"][0]["args"]
    flag = f"--collector-image={old}"
    assert flag in args
    changed = [f"--collector-image={new}" if arg == flag else arg for arg in args]
    path = "/spec/template/spec/containers/0/args"
    patch = json.dumps([{"op": "replace", "path": path, "value": changed}])
    system("patch", name, "--type=json", "-p", patch).accepted()
    system("rollout", "status", name, "--timeout=90s").accepted()


# What it scrapes.


def test_an_envoys_metrics(app: Callable[[], App], prom: Prom, kube: Kube) -> None:
    """scrape-path, on what the walkthrough scrapes: /stats/prometheus of an Envoy."""
    one = app()
    text = (TREE / "test/golden/exposition/envoy.txt").read_text()
    config = (TREE / "image/nginx.conf").read_text()
    config = config.replace("default_type text/html", 'default_type "text/plain; charset=UTF-8"')
    data = {"nginx.conf": config.replace("/usr/share/nginx", "/etc/nginx"), "prometheus": text}
    kube.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": one.name}, "data": data}
    ).accepted()
    container = one.plain["spec"]["template"]["spec"]["containers"][0]
    for key in ("env", "readinessProbe", "lifecycle"):
        del container[key]
    mounts = {"nginx.conf": "/etc/nginx/nginx.conf", "prometheus": "/etc/nginx/stats/prometheus"}
    container |= {
        "image": "local/nginx:1",
        "ports": [{"containerPort": 8080}],
        "volumeMounts": [
            {"name": "files", "mountPath": path, "subPath": key} for key, path in mounts.items()
        ]
        + [{"name": "tmp", "mountPath": "/tmp"}],
    }
    one.plain["spec"]["template"]["spec"]["volumes"] = [
        {"name": "files", "configMap": {"name": one.name}},
        {"name": "tmp", "emptyDir": {}},
    ]
    one.collected(scrape_port="8080", scrape_path="/stats/prometheus").accepted()
    name = "envoy_http_downstream_rq_total"
    assert prom.some(f'sum({name}{{job="{one.name}"}})', PATIENT_S) == 4047
    assert prom.some(f'scrape_samples_scraped{{job="{one.name}"}}') > 10
    kube("delete", "configmap", one.name).accepted()
