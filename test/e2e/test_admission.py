"""What kubectl prints when annotations are wrong, doubtful or right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from amp.control import Amp
from conftest import Make, now_ms
from kube import PREFIX, Kube, Workload, keyed

GOOD = {"query": "vector(100)", "threshold": "25"}
BAD = [
    ({"threshold": "0"}, "threshold", "a number > 0"),
    ({"threshold": "-1"}, "threshold", "a number > 0"),
    ({"threshold": "NaN"}, "threshold", "a number > 0"),
    ({"threshold": "1e999"}, "threshold", "a number > 0"),
    ({"threshold": ""}, "threshold", "a number > 0"),
    ({"threshold": "٢٥"}, "threshold", "a number > 0"),
    ({"threshold": "25 "}, "threshold", "a number > 0"),
    ({"threshold": "0x19"}, "threshold", "a number > 0"),
    ({"query": ""}, "query", "a PromQL expression"),
    ({"min_replicas": "5", "max_replicas": "3"}, "min-replicas", "max-replicas, which is 3"),
    ({"min_replicas": "101"}, "min-replicas", "which is 100 by default"),
    ({"min_replicas": "-1"}, "min-replicas", "a whole number from 0"),
    ({"max_replicas": "0"}, "max-replicas", "a whole number from 1"),
    ({"max_replicas": "2.5"}, "max-replicas", "a whole number from 1"),
    ({"max_replicas": "99999999999"}, "max-replicas", "a whole number from 1"),
    ({"polling_interval": "15"}, "polling-interval", 'did you mean "15s"?'),
    ({"polling_interval": "10ms"}, "polling-interval", "a duration from 1s"),
    ({"endpoint": "ftp://example.com"}, "endpoint", "base URL"),
    ({"workspace": "shop"}, "workspace", "an AMP workspace id"),
    ({"region": "Ireland"}, "region", "an AWS region"),
    ({"treshold": "25"}, "treshold", "did you mean scale.amp/threshold?"),
    ({"weather": "fine"}, "weather", "unknown annotation"),
]


@pytest.mark.parametrize(
    ("given", "key", "expected"), BAD, ids=[" ".join(map(str, g.values())) for g, _, _ in BAD]
)
def test_bad_annotation(workload: Make, given: dict[str, str], key: str, expected: str) -> None:
    one = workload()
    refusal = one.apply(**(GOOD | given)).refusal()
    key = PREFIX + key
    value = keyed(given)[key]
    (line,) = [x for x in refusal.splitlines() if x.strip().startswith(key)]
    assert f'{key}: "{value}": ' in line
    assert expected in line
    assert refusal.count(PREFIX + "query: ") == (key == PREFIX + "query")
    assert not one.get()


def test_all_complaints_at_once(workload: Make) -> None:
    refusal = (
        workload()
        .apply(query="vector(1)", treshold="25", min_replicas="x", polling_interval="1")
        .refusal()
    )
    for part in (
        'scale.amp/treshold: "25": unknown annotation; did you mean scale.amp/threshold?',
        "scale.amp/threshold: missing beside scale.amp/query",
        'scale.amp/min-replicas: "x": expected a whole number',
        'scale.amp/polling-interval: "1": expected a duration',
    ):
        assert part in refusal
    assert refusal.count("admission webhook") == 1, "one error"


@pytest.mark.parametrize("missing", ["query", "threshold"])
def test_one_without_the_other(workload: Make, missing: str) -> None:
    given = {key: value for key, value in GOOD.items() if key != missing}
    assert f"scale.amp/{missing}: missing beside" in workload().apply(**given).refusal()


def test_contract_on_dry_run(workload: Make, amp: Amp, tagged: Callable[[str], str]) -> None:
    """kubectl apply --dry-run=server judges the contract, and costs no query."""
    one, query = workload(), tagged("vector(1)")
    assert "a number > 0" in one.apply("--dry-run=server", query=query, threshold="0").refusal()
    shown = one.apply("--dry-run=server", "-o", "json", query=query, threshold="1").accepted()
    annotations = json.loads(shown.out)["metadata"]["annotations"]
    assert annotations["scale.amp/polling-interval"] == "15s", "defaults are shown"
    assert amp.requests(query=query) == []
    assert not one.get()


# The live query.


def test_forecast(workload: Make) -> None:
    for query, threshold, forecast in (
        ("vector(100)", "25", "query is 100 now; 100/25 → 4 replicas (min 1, max 100)"),
        ("vector(0.25)", "0.1", "query is 0.25 now; 0.25/0.1 → 3 replicas (min 1, max 100)"),
        ("vector(1000)", "1", "query is 1000 now; 1000/1 = 1000 → 100 replicas (min 1, max 100)"),
    ):
        done = workload().apply(query=query, threshold=threshold, parked=True).accepted()
        assert done.warnings == [forecast]


def test_syntax_error_in_prometheus_words(workload: Make) -> None:
    one = workload()
    refusal = one.apply(query="sum(rate(http_requests_total[2m])", threshold="25").refusal()
    assert 'scale.amp/query: "sum(rate(http_requests_total[2m])": Prometheus refuses it' in refusal
    assert "parse error: unclosed left parenthesis" in refusal
    assert not one.get()


def test_many_series(workload: Make, amp: Amp) -> None:
    for pod in ("a", "b", "c"):
        amp.push("e2e_many", {"pod": pod}, 1)
    refusal = workload().apply(query="e2e_many", threshold="1").refusal()
    assert "yields 3 series, expected one: wrap it in sum(…): sum(e2e_many)" in refusal
    assert workload().apply(query="sum(e2e_many)", threshold="1").accepted().warnings


@pytest.mark.parametrize(
    ("query", "text"),
    [("e2e_many[5m]", "yields a range vector"), ('"text"', "yields a string")],
)
def test_never_a_number(workload: Make, amp: Amp, query: str, text: str) -> None:
    amp.push("e2e_many", {"pod": "a"}, 1)
    assert text in workload().apply(query=query, threshold="1").refusal()


def test_no_series_is_admitted_with_a_warning(workload: Make) -> None:
    done = workload().apply(query='up{job="never"}', threshold="1", parked=True).accepted()
    (warning,) = done.warnings
    assert "no number now" in warning
    assert "empty" in warning


def test_endpoint_of_a_stranger(workload: Make) -> None:
    refusal = workload().apply(**GOOD, endpoint="https://example.com/prometheus").refusal()
    assert 'scale.amp/endpoint: "https://example.com/prometheus"' in refusal
    assert "--allow-endpoint" in refusal


def test_endpoint_named_is_the_configured_one(workload: Make, endpoint: str) -> None:
    done = workload().apply(**GOOD, endpoint=endpoint).accepted()
    assert "4 replicas" in done.warnings[0]


# Other autoscalers.


@pytest.fixture
def hpa(kube: Kube, workload: Make) -> Iterator[Workload]:
    """A plain Deployment with an HPA."""
    one = workload()
    one.apply(replicas=1, parked=True).accepted()
    kube("autoscale", "deployment", one.name, "--max=3", "--cpu=80%").accepted()
    yield one
    kube("delete", "hpa", one.name, "--ignore-not-found")


def test_hpa_on_the_target(hpa: Workload, kube: Kube) -> None:
    refusal = hpa.annotate(**GOOD).refusal()
    assert f"HorizontalPodAutoscaler {hpa.name} scales this Deployment too" in refusal
    assert hpa.ours() == []
    kube("delete", "hpa", hpa.name).accepted()
    hpa.annotate(**GOOD).accepted()
    hpa.wait_for(4)


# Updates.


def test_kubectl_annotate(workload: Make) -> None:
    one = workload()
    one.apply(replicas=1, parked=True).accepted()
    assert "a number > 0" in one.annotate(query="vector(4)", threshold="0").refusal()
    done = one.annotate(query="vector(4)", threshold="2").accepted()
    assert done.warnings == ["query is 4 now; 4/2 → 2 replicas (min 1, max 100)"]
    one.wait_for(2)
    assert one.annotations()["scale.amp/original-replicas"] == "1"


def test_image_fix_is_not_blocked_in_an_outage(
    workload: Make, amp: Amp, tagged: Callable[[str], str]
) -> None:
    query = tagged("vector(2)")
    one = workload().scaled(query, parked=True)
    one.wait_for(2)
    with amp.fault("stall", query=query):
        since = now_ms()
        one.kube("set", "image", f"deployment/{one.name}", "app=local/pause:2").accepted()
        assert now_ms() - since < 10_000
    assert one.replicas() == 2


def test_metadata_that_is_not_ours_is_not_judged(workload: Make) -> None:
    one = workload()
    one.apply(replicas=1, parked=True, **{"example.com/threshold": "0"}).accepted()
    assert one.ours() == []


@pytest.mark.alone  # the webhook is not to be replaced meanwhile
def test_webhook_asks_once_a_minute(
    workload: Make, amp: Amp, tagged: Callable[[str], str], system: Kube
) -> None:
    """The answer is cached; each replica of the webhook has its own."""
    query = tagged("vector(1)")
    by_scaler = 4
    for _ in range(by_scaler):
        one = workload()
        one.apply(query=query, threshold="0.5", polling_interval="1h", parked=True).accepted()
        one.wait_for(2)
    replicas = len(system.names("pods", "--selector=app.kubernetes.io/name=ampscale-webhook"))
    assert len(amp.requests(query=query)) <= by_scaler + replicas
