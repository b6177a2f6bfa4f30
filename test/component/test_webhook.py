"""The webhook over HTTPS: what it keeps, restores and foretells, and how it knows of scalers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from webhook_stage import (
    LEASES,
    ROOT,
    Answer,
    Kube,
    Prometheus,
    Webhook,
    deployment,
    kubeconfig,
    request,
    until,
)

KEYS = {"query": "vector(100)", "threshold": "25"}
KEPT = (
    "replicas stay at 7, as scaled; leave replicas out of the manifest or set "
    'scale.amp/keep-replicas: "false"'
)
NOBODY = (
    "no scaler serves namespace shop: the replicas stay as they are until an ampscale-scaler runs "
    "for it (none holds the Lease ampscale-scaler there)"
)
FORECAST = "query is 100 now; 100/25 → 4 replicas (min 1, max 100)"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run([ROOT / "test/certificate", folder], check=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    made = Prometheus()
    yield made
    made.server.close()


@pytest.fixture(scope="module")
def alone(certificate: Path, prometheus: Prometheus) -> Iterator[Webhook]:
    """Without a cluster."""
    webhook = Webhook(certificate, prometheus.server.url, "--no-cluster")
    yield webhook
    webhook.stop()


@pytest.fixture
def kube() -> Iterator[Kube]:
    made = Kube()
    yield made
    made.hang_up()
    made.server.close()


Start = Callable[[], Webhook]


@pytest.fixture
def start(certificate: Path, prometheus: Prometheus, kube: Kube, tmp_path: Path) -> Iterator[Start]:
    """start(): a webhook of namespace ampscale-system that talks to the made-up API server."""
    made: list[Webhook] = []

    def run() -> Webhook:
        config = kubeconfig(tmp_path / "config", kube.server.url, "ampscale-system")
        made.append(Webhook(certificate, prometheus.server.url, f"--kubeconfig={config}"))
        return made[-1]

    yield run
    for webhook in made:
        webhook.stop()


def reset(webhook: Webhook) -> Answer:
    """An apply of replicas 1 over 7 that are scaled."""
    return webhook.review("/mutate", request(deployment(1, **KEYS), deployment(7, **KEYS)))


def annotated(webhook: Webhook, **more: str) -> Answer:
    return webhook.review("/validate", request(deployment(1, **(KEYS | more))))


def says(webhook: Webhook, warnings: list[str]) -> Callable[[], bool]:
    return lambda: annotated(webhook).warnings == warnings


def keeps(webhook: Webhook) -> bool:
    answer = reset(webhook)
    assert answer.warnings == ([KEPT] if answer.written("/spec/replicas") == 7 else [])
    return answer.written("/spec/replicas") == 7


# Without a cluster.


def test_kept_where_scalers_are_not_looked_for(alone: Webhook) -> None:
    assert keeps(alone)
    unknown = "not known whether a scaler serves the namespace: taken to be so"
    line = until(lambda: alone.logged(unknown), "a word in the log")
    assert line["namespace"] == "shop"


def test_not_kept_when_asked_not_to(alone: Webhook) -> None:
    off = KEYS | {"keep_replicas": "false"}
    answer = alone.review("/mutate", request(deployment(1, **off), deployment(7, **KEYS)))
    assert answer.written("/spec/replicas") is None
    assert answer.warnings == []


def test_restored(alone: Webhook) -> None:
    old = KEYS | {"restore_replicas": "true", "original_replicas": "2"}
    answer = alone.review("/mutate", request(deployment(7), deployment(7, **old)))
    assert answer.written("/spec/replicas") == 2
    assert answer.warnings == [
        "replicas go back from 7 to 2, as before the annotations (scale.amp/restore-replicas)"
    ]


def test_rollout_restart_changes_no_count(alone: Webhook) -> None:
    new = deployment(7, **KEYS)
    new["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "x"}
    answer = alone.review("/mutate", request(new, deployment(7, **KEYS)))
    assert answer.written("/spec/replicas") is None
    assert answer.warnings == []


def test_one_query_a_trigger(alone: Webhook, prometheus: Prometheus) -> None:
    triggers = (
        "- {name: queue, query: vector(40), threshold: 10}\n"
        "- {name: rate, query: vector(33), threshold: 11}\n"
        "- {name: again, query: vector(40), threshold: 20}\n"
    )
    prometheus.queries.clear()
    answer = alone.review("/validate", request(deployment(1, triggers=triggers)))
    assert answer.warnings == [
        "triggers: queue is 40 now, 40/10 → 4; rate is 33 now, 33/11 → 3; again is 40 now, "
        "40/20 → 2; the largest wins: 4 replicas (min 1, max 100)"
    ]
    assert sorted(prometheus.queries) == ["vector(33)", "vector(40)"]


def test_whole_contract_is_refused_with_paths(alone: Webhook) -> None:
    answer = annotated(
        alone,
        behavior="scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 1801}]}",
        paused="yes",
        idle_replicas="1",
        fallback_replicas="101",
    )
    assert not answer.allowed
    for part in (
        "scaleUp.policies[0].periodSeconds: expected a whole number from 1 to 1800",
        'scale.amp/paused: "yes": expected true or false',
        "scale.amp/idle-replicas",
        "scale.amp/fallback-replicas",
    ):
        assert part in answer.message


def test_sleeper_is_told(alone: Webhook) -> None:
    answer = annotated(alone, min_replicas="0", query="vector(0)")
    assert answer.warnings == [
        "query is 0 now; 0 ≤ activation-threshold 0 → inactive: 0 replicas after the cooldown of "
        "5m (min 0, max 100)"
    ]
    answer = annotated(alone, min_replicas="0", query='sum(up{app="web"})')
    assert [w for w in answer.warnings if "this Deployment's own pods" in w]


# With one.


def test_a_live_scaler(start: Start, kube: Kube) -> None:
    kube.write("shop")
    webhook = start()
    until(lambda: kube.watchers, "a watch")
    kube.write("shop")
    until(says(webhook, [FORECAST]), "no complaint")
    assert keeps(webhook)
    asked = [words for path, words in kube.requests if path == LEASES]
    assert {words["fieldSelector"] for words in asked} == {"metadata.name=ampscale-scaler"}


def test_no_scaler(start: Start, kube: Kube) -> None:
    kube.write("other")
    webhook = start()
    until(says(webhook, [FORECAST, NOBODY]), "the complaint")
    assert not keeps(webhook)


def test_a_leftover_is_no_scaler(start: Start, kube: Kube) -> None:
    """A Lease that nobody renews counts for as long as it lasts, and no longer."""
    kube.write("shop", lasts_s=1)
    webhook = start()
    until(says(webhook, [FORECAST, NOBODY]), "the complaint")
    assert not keeps(webhook)
    kube.write("shop", lasts_s=3600)
    until(says(webhook, [FORECAST]), "no complaint")
    assert keeps(webhook)


def test_a_lease_given_away(start: Start, kube: Kube) -> None:
    """As the manifest makes it, and a scaler that ends leaves it."""
    kube.write("shop", holder="")
    webhook = start()
    until(says(webhook, [FORECAST, NOBODY]), "the complaint")


def test_a_scaler_of_all_namespaces(start: Start, kube: Kube) -> None:
    """Its Lease is in the webhook's own namespace."""
    kube.write("ampscale-system")
    webhook = start()
    until(lambda: kube.watchers, "a watch")
    kube.write("ampscale-system")
    until(says(webhook, [FORECAST]), "no complaint")
    assert keeps(webhook)


def test_leases_that_may_not_be_seen(start: Start, kube: Kube) -> None:
    kube.refuses = True
    webhook = start()
    lost = "scalers' Leases are not seen: who serves a namespace is not known"
    line = until(lambda: webhook.logged(lost), "a word in the log")
    assert "leases is forbidden" in line["error"]
    assert annotated(webhook).warnings == [FORECAST]
    assert keeps(webhook)
    kube.refuses = False
    until(says(webhook, [FORECAST, NOBODY]), "the complaint, once they may")


def test_an_api_server_that_comes_and_goes(start: Start, kube: Kube) -> None:
    webhook = start()
    until(says(webhook, [FORECAST, NOBODY]), "the complaint")
    kube.refuses = True
    kube.hang_up()
    until(lambda: keeps(webhook), "what may be scaled is kept while it is not known")
    kube.refuses = False
    until(lambda: not keeps(webhook), "and is not any more")
    kube.write("shop")
    kube.write("shop")
    until(lambda: keeps(webhook), "a scaler began meanwhile")


def test_a_dry_run_is_kept_too(start: Start, kube: Kube) -> None:
    kube.write("shop")
    webhook = start()
    until(lambda: kube.watchers, "a watch")
    kube.write("shop")
    until(lambda: keeps(webhook), "live")
    answer = webhook.review(
        "/mutate", request(deployment(1, **KEYS), deployment(7, **KEYS), dry_run=True)
    )
    assert answer.written("/spec/replicas") == 7
    assert answer.warnings == [KEPT]
