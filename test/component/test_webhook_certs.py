"""The webhook with certificates of its own, before an API server that trusts what caBundle says."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certs_stage import (
    CONFIGURATIONS,
    GROUP,
    LEASE,
    MUTATING,
    NAMESPACE,
    SECRET,
    VALIDATING,
    Callers,
    Stage,
    fits,
    handshake,
    hook,
    is_ready,
    until,
    wait_ready,
)
from webhook_process import BIN, DEADLINE_S, Webhook, exchange, review, scaled, wait_for


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    one = Stage(tmp_path)
    yield one
    one.kube.down = False
    one.close()


def trusted(stage: Stage, *webhooks: Webhook) -> set[tuple[str, str]]:
    """What they serve, which both caBundles trust: serial and issuer."""
    return {handshake(one, stage.kube.bundle(path)) for one in webhooks for path in CONFIGURATIONS}


def made(stage: Stage, kind: str) -> float:
    sample = f'ampscale_webhook_certificates_made_total{{kind="{kind}"}}'
    return sum(one.metric(sample) for one in stage.webhooks)


def troubles(webhook: Webhook) -> list[str]:
    """The errors of its warnings so far."""
    found: list[dict[str, Any]] = []
    for message in (
        "the Secret of the certificates cannot be read",
        "the mutating configuration's caBundle cannot be read",
        "the validating configuration's caBundle cannot be read",
        "the Secret's certificates cannot all be used",
        "certificates cannot be made or written",
        "the Lease cannot be read or written",
    ):
        found += webhook.logs(message)
    return [one["error"] for one in found]


def wait_trouble(webhook: Webhook, *words: str) -> None:
    wait_for(
        lambda: any(all(word in text for word in words) for text in troubles(webhook)),
        f"a warning with {words}",
    )


def mended(stage: Stage, scratch: Path, *webhooks: Webhook) -> bool:
    """The Secret holds what all serve, with its keys, and caBundle is what it says."""
    data = stage.kube.data()
    if "" in (text := [data.get(key, "") for key in ("ca.crt", "ca.key", "tls.crt", "tls.key")]):
        return False
    whole = fits(text[0], text[1], scratch) and fits(text[2], text[3], scratch)
    if not whole or any(stage.kube.bundle(path) != text[0] for path in CONFIGURATIONS):
        return False
    return {leaf for leaf, _ in trusted(stage, *webhooks)} == {
        ssl.PEM_cert_to_DER_cert(text[2]).hex()
    }


# ---- the beginning ----


def test_two_replicas_at_once_on_an_empty_secret_agree(stage: Stage) -> None:
    pair = [stage.start("90d", "1825d"), stage.start("90d", "1825d")]
    wait_ready(*pair)
    assert len(trusted(stage, *pair)) == 1
    data = stage.kube.data()
    assert sorted(data) == ["ca.crt", "ca.key", "tls.crt", "tls.key"]
    assert data["ca.crt"].count("BEGIN CERTIFICATE") == 1
    for path in CONFIGURATIONS:
        assert stage.kube.bundle(path) == data["ca.crt"]
        assert stage.kube.successes("PATCH", path) == 1
    assert stage.kube.successes("PUT", SECRET) == 2
    assert (made(stage, "authority"), made(stage, "certificate")) == (1, 1)
    assert stage.kube.objects[SECRET]["metadata"]["labels"], "the rest of the Secret stays"
    body = json.dumps(review(scaled())).encode()
    for one in pair:
        connection = one.connect()
        assert exchange(connection, "/mutate", body)[0] == 200
        connection.close()
        for configuration in ("mutating", "validating"):
            sample = f'ampscale_webhook_certificate_trusted{{configuration="{configuration}"}}'
            assert one.metric(sample) == 1
        assert one.metric("ampscale_webhook_certificate_expiry_timestamp_seconds") > 2e9 / 2


def test_a_replica_that_comes_later_takes_what_is_there(stage: Stage) -> None:
    first = stage.start("90d", "1825d")
    wait_ready(first)
    before = stage.kube.data()
    stage.stop(first)
    second = stage.start("90d", "1825d")
    wait_ready(second)
    assert trusted(stage, second)
    assert stage.kube.data() == before


# ---- rotation ----


def test_rotation_under_load_fails_no_handshake(stage: Stage) -> None:
    """A caBundle has a tenth of the certificates' life, and who serves has a third to follow."""
    pair = [stage.start("15s", "45s"), stage.start("15s", "45s")]
    wait_ready(*pair)
    callers = Callers(stage.kube, pair, settle_s=1.5)
    try:
        until(
            lambda: len(callers.leaves) >= 4 and len(callers.authorities) >= 2,
            "four certificates of two authorities",
        )
        until(
            lambda: (
                stage.kube.data()["ca.crt"].count("BEGIN") == 1
                and stage.kube.bundle(MUTATING) == stage.kube.data()["ca.crt"]
            ),
            "the old authority retired",
        )
    finally:
        callers.end()
    assert all(is_ready(one) for one in pair)
    assert not troubles(pair[0]) + troubles(pair[1])


def test_connections_outlive_the_certificate_they_began_with(stage: Stage) -> None:
    webhook = stage.start("6s", "18s")
    wait_ready(webhook)
    connection = webhook.connect()
    body = json.dumps(review(scaled())).encode()
    wait_for(
        lambda: (
            exchange(connection, "/mutate", body)[0] == 200
            and len(webhook.logs("certificate loaded")) >= 3
        ),
        "two more certificates",
    )
    assert exchange(connection, "/validate", body)[0] == 200
    connection.close()


def test_the_other_replica_takes_over(stage: Stage) -> None:
    first = stage.start("6s", "18s")
    wait_ready(first)
    second = stage.start("6s", "18s")
    wait_ready(second)
    stage.stop(first)  # gives the Lease away
    loaded = len(second.logs("certificate loaded"))
    wait_for(lambda: len(second.logs("certificate loaded")) >= loaded + 2, "it makes its own")
    assert second.metric('ampscale_webhook_certificates_made_total{kind="certificate"}') >= 1
    assert trusted(stage, second)


# ---- a Secret that was edited ----

EVERYTHING = ("tls_crt", "tls_key", "ca_crt", "ca_key")
ALIEN, BACKUP = "of another installation", "of this one before it was made anew"
# What is written into which of its keys, and whether that is anything to complain about.
EDITS: dict[str, tuple[dict[str, str | None], bool]] = {
    "garbage certificate": ({"tls_crt": "garbage"}, True),
    "garbage key": ({"tls_key": "garbage"}, True),
    "another's key": ({"tls_key": ALIEN}, True),
    "another's pair": ({"tls_crt": ALIEN, "tls_key": ALIEN}, True),
    "garbage authority": ({"ca_crt": "garbage"}, True),
    "garbage authority's key": ({"ca_key": "garbage"}, True),
    "another's authority": ({"ca_crt": ALIEN, "ca_key": ALIEN}, False),
    "another's all": (dict.fromkeys(EVERYTHING, ALIEN), True),
    "a backup's all": (dict.fromkeys(EVERYTHING, BACKUP), False),
    "emptied": (dict.fromkeys(EVERYTHING), False),
    "empty texts": (dict.fromkeys(EVERYTHING, ""), True),
}


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Secrets of others: for another Service, and for this one."""
    found = {}
    for name, service in ((ALIEN, "other"), (BACKUP, "ampscale-webhook")):
        stage = Stage(tmp_path_factory.mktemp("foreign"))
        for path in CONFIGURATIONS:
            stage.kube.objects[path]["webhooks"] = [hook("any.scale.amp", service)]
        wait_ready(stage.start("90d", "1825d", f"--tls-service={service}"))
        found[name] = stage.kube.data()
        stage.close()
    return found


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_secret_is_mended_while_what_serves_goes_on(
    stage: Stage, foreign: dict[str, dict[str, str]], name: str, tmp_path: Path
) -> None:
    pair = [stage.start("30s", "1h"), stage.start("30s", "1h")]
    wait_ready(*pair)
    assert mended(stage, tmp_path, *pair)
    callers = Callers(stage.kube, pair, settle_s=3)
    try:
        texts, wrong = EDITS[name]
        for key, text in texts.items():
            if text in foreign:
                texts = texts | {key: foreign[text][key.replace("_", ".")]}
        stage.kube.edit(**texts)
        assert not mended(stage, tmp_path, *pair)
        wait_for(lambda: mended(stage, tmp_path, *pair), "all is well again")
        assert all(is_ready(one) for one in pair)
    finally:
        callers.end()
    assert bool(troubles(pair[0]) + troubles(pair[1])) == wrong
    if wrong:
        errors = "ampscale_webhook_certificate_errors_total"
        assert sum(one.metric(errors) for one in pair) > 0
    said = "\n".join(line for one in pair for line in one.lines)
    assert "PRIVATE KEY" not in said


def test_a_cabundle_that_was_edited_is_written_again(stage: Stage) -> None:
    webhook = stage.start("30s", "1h")
    wait_ready(webhook)
    right = stage.kube.bundle(VALIDATING)
    with stage.kube.lock:
        config = stage.kube.objects[VALIDATING]
        config["webhooks"][0]["clientConfig"]["caBundle"] = "Zm9yZWlnbg=="
        config["webhooks"].insert(0, hook("foreign.example.com", "foreign"))
        config["webhooks"][0]["clientConfig"]["caBundle"] = "Zm9yZWlnbg=="
        stage.kube.put(VALIDATING, config)
    wait_for(lambda: stage.kube.bundle(VALIDATING, 1) == right, "ours")
    assert stage.kube.bundle(VALIDATING, 0) == "foreign"
    assert is_ready(webhook)


# ---- time ----


@pytest.mark.parametrize(
    ("then_s", "life"), [(-7200, "1h"), (86400, "90d")], ids=["expired", "not valid yet"]
)
def test_certificates_of_another_time_are_made_anew(stage: Stage, then_s: int, life: str) -> None:
    """Made when the API server's clock said so, met when it does not any more."""
    stage.kube.ahead_s = then_s
    first = stage.start(life, "1825d")
    wait_ready(first)
    stage.stop(first)
    before = stage.kube.data()
    stage.kube.ahead_s = 0
    pair = [stage.start(life, "1825d"), stage.start(life, "1825d")]
    wait_ready(*pair)
    assert len(trusted(stage, *pair)) == 1
    assert stage.kube.data()["tls.crt"] != before["tls.crt"]


def test_what_expires_while_the_api_server_is_away_serves_on_but_is_not_ready(
    stage: Stage,
) -> None:
    webhook = stage.start("6s", "18s")
    wait_ready(webhook)
    bundle = stage.kube.bundle(MUTATING)
    stage.kube.down = True
    wait_for(lambda: not is_ready(webhook), "expired")
    assert webhook.get("/readyz")[1] == "the certificate has expired\n"
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(webhook, bundle)
    stage.kube.down = False
    wait_ready(webhook)
    assert trusted(stage, webhook)


# ---- an API server that refuses, or is away ----


def test_conflicts_are_met_by_reading_again(stage: Stage) -> None:
    stage.kube.conflicts = 5
    webhook = stage.start("30s", "1h")
    wait_ready(webhook)
    assert stage.kube.writes.count(("PUT", SECRET, 409)) == 5
    assert stage.kube.successes("PUT", SECRET) == 2
    assert not troubles(webhook)


@pytest.mark.parametrize(
    ("method", "path", "verb", "resource"),
    [
        ("GET", SECRET, "get", "secrets/ampscale-webhook-tls"),
        ("PUT", SECRET, "update", "secrets/ampscale-webhook-tls"),
        ("GET", LEASE, "get", "leases/ampscale-webhook-certificates"),
        ("PUT", LEASE, "update", "leases/ampscale-webhook-certificates"),
        ("GET", MUTATING, "get", "mutatingwebhookconfigurations/ampscale"),
        ("GET", VALIDATING, "get", "validatingwebhookconfigurations/ampscale"),
        ("PATCH", MUTATING, "patch", "mutatingwebhookconfigurations/ampscale"),
        ("PATCH", VALIDATING, "patch", "validatingwebhookconfigurations/ampscale"),
    ],
)
def test_a_missing_right_is_named(
    stage: Stage, method: str, path: str, verb: str, resource: str
) -> None:
    stage.kube.refuse[(method, path)] = 403
    webhook = stage.start("30s", "1h")
    wait_trouble(webhook, f"{verb} {resource}", "refused")
    assert not is_ready(webhook)
    stage.kube.refuse.clear()
    wait_ready(webhook)
    assert trusted(stage, webhook)


def test_a_right_that_is_taken_away_stops_nothing_that_serves(stage: Stage) -> None:
    webhook = stage.start("15s", "1h")
    wait_ready(webhook)
    for path in CONFIGURATIONS:
        stage.kube.refuse[("GET", path)] = 403
        stage.kube.refuse[("PATCH", path)] = 403
    loaded = len(webhook.logs("certificate loaded"))
    wait_for(lambda: len(webhook.logs("certificate loaded")) > loaded, "renewed, of the same CA")
    assert is_ready(webhook)
    assert trusted(stage, webhook)


def test_it_goes_on_while_the_api_server_is_away(stage: Stage) -> None:
    webhook = stage.start("1h", "1825d")
    wait_ready(webhook)
    before = trusted(stage, webhook)
    stage.kube.down = True
    wait_for(lambda: len(troubles(webhook)) > 0, "a warning")
    assert is_ready(webhook)
    assert trusted(stage, webhook) == before


def test_it_begins_when_the_api_server_comes(stage: Stage) -> None:
    stage.kube.down = True
    webhook = stage.start("30s", "1h")
    wait_trouble(webhook, "get secrets/ampscale-webhook-tls")
    assert webhook.get("/readyz") == (503, "no certificate yet\n")
    assert webhook.get("/healthz")[0] == 200
    stage.kube.down = False
    wait_ready(webhook)


@pytest.mark.parametrize("missing", [*CONFIGURATIONS, SECRET])
def test_what_is_not_installed_is_named_and_awaited(stage: Stage, missing: str) -> None:
    thing = stage.kube.objects.pop(missing)
    webhook = stage.start("30s", "1h")
    kind, name = missing.split("/")[-2:]
    wait_trouble(webhook, f"get {kind}/{name}", "not found")
    if missing.startswith(GROUP):
        wait_for(
            lambda: "caBundle does not carry" in webhook.get("/readyz")[1], "all else is there"
        )
    assert not is_ready(webhook)
    stage.kube.put(missing, thing)
    wait_ready(webhook)
    wait_for(lambda: bool(webhook.logs("trouble with certificates is over")), "a word of it")
    assert len([text for text in troubles(webhook) if f"{kind}/{name}" in text]) == 1, "told once"


def test_a_configuration_that_calls_another_service_is_named(stage: Stage) -> None:
    with stage.kube.lock:
        stage.kube.objects[MUTATING]["webhooks"] = [hook("foreign.example.com", "foreign")]
    webhook = stage.start("30s", "1h")
    wait_trouble(
        webhook, f"none of its webhooks calls service ampscale-webhook of namespace {NAMESPACE}"
    )
    assert not is_ready(webhook)
    assert stage.kube.bundle(MUTATING) == ""


@pytest.mark.parametrize(
    ("flags", "want"),
    [
        ([], "expected either --tls-dir or --tls-self-managed"),
        (["--tls-dir=/x", "--tls-self-managed=s"], "expected either --tls-dir or"),
        (["--tls-self-managed=s", "--no-cluster"], "which --no-cluster does without"),
        (["--tls-self-managed=a/b"], '--tls-self-managed: "a/b": expected an object\'s name'),
        (["--tls-self-managed=s", "--tls-service=a,DNS:b"], "--tls-service: "),
        (["--tls-self-managed=s", "--tls-lease="], "--tls-lease: "),
        (["--tls-self-managed=s", "--webhook-configuration=?"], "--webhook-configuration: "),
        (["--tls-self-managed=s", "--tls-ca-life=100d"], "at least 3 times --tls-leaf-life"),
        (["--tls-self-managed=s", "--tls-leaf-life=1s"], "--tls-leaf-life"),
    ],
)
def test_wrong_flags_are_named(flags: list[str], want: str) -> None:
    done = subprocess.run(
        [BIN / "ampscale-webhook", *flags], capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.returncode == 2
    assert want in done.stderr
