"""--namespaces over HTTPS: each namespace is asked for at its own place, as its own role, and may
name no other's.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_stage import Stage as Aws
from awsstand import role
from config_volume import ConfigVolume
from test_webhook_lookups import Prometheus
from webhook_process import Webhook, review, scaled

HEAD = "version: 1\nnamespaces:\n"


def of(namespace: str, keys: dict[str, str], **request: Any) -> dict[str, Any]:
    document = review(keys, namespace=namespace, **request)
    document["request"]["object"]["metadata"]["namespace"] = namespace
    return document


class Three:
    """A Prometheus for the flags, one for shop, one for bank."""

    def __init__(self, directory: Path) -> None:
        self.common, self.shop, self.bank = Prometheus(), Prometheus(), Prometheus()
        entries = f"- {{name: shop, endpoint: '{self.shop.url}/'}}\n"
        entries += f"- {{name: bank, endpoint: '{self.bank.url}'}}\n"
        self.volume = ConfigVolume(directory, namespaces=HEAD + entries)

    def close(self) -> None:
        for server in (self.common, self.shop, self.bank):
            server.close()


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Three]:
    servers = Three(tmp_path / "config")
    yield servers
    servers.close()


@pytest.fixture
def webhook(three: Three) -> Iterator[Webhook]:
    flags = ("--endpoint", three.common.url, "--namespaces", three.volume.path("namespaces"))
    with Webhook(*flags) as running:
        yield running


def test_each_at_its_own_place(webhook: Webhook, three: Three) -> None:
    for namespace, query in (("shop", "a"), ("bank", "b"), ("other", "c")):
        answer = webhook.review("/validate", of(namespace, scaled(query)))
        assert answer["warnings"] == ["query is 100 now; 100/25 → 4 replicas (min 1, max 100)"]
    seen = [set(server.seen) for server in (three.shop, three.bank, three.common)]
    assert seen == [{"a"}, {"b"}, {"c"}]


def test_one_query_at_two_places_is_two(webhook: Webhook, three: Three) -> None:
    for namespace in ("shop", "bank", "shop", "bank"):
        assert webhook.review("/validate", of(namespace, scaled("same")))["allowed"]
    assert three.shop.seen["same"] == 1
    assert three.bank.seen["same"] == 1


def test_its_own_place_may_be_named(webhook: Webhook, three: Three) -> None:
    named = scaled("named", endpoint=f"{three.shop.url}")
    assert webhook.review("/validate", of("shop", named))["allowed"]
    assert three.shop.seen["named"] == 1


def test_anothers_place_is_refused(webhook: Webhook, three: Three) -> None:
    for namespace, url, whose in (
        ("shop", three.bank.url, "namespace shop's own"),
        ("shop", three.common.url, "namespace shop's own"),
        ("shop", "http://127.0.0.1:1", "namespace shop's own"),
        ("other", three.shop.url, "the configured one"),
    ):
        answer = webhook.review("/validate", of(namespace, scaled("stolen", endpoint=url)))
        assert not answer["allowed"]
        assert answer["status"]["code"] == 403
        line = (
            f'  scale.amp/endpoint: "{url}": endpoint {url}: neither {whose} nor listed by '
            "--allow-endpoint"
        )
        assert answer["status"]["message"].splitlines()[1:] == [line]
        dry = of(namespace, scaled("stolen", endpoint=url), dryRun=True)
        assert webhook.review("/validate", dry)["status"] == answer["status"]
    for server in (three.common, three.shop, three.bank):
        assert server.seen["stolen"] == 0


def test_what_was_named_before_is_a_warning(webhook: Webhook, three: Three) -> None:
    before = scaled("old", endpoint=three.bank.url)
    document = of("shop", before | {"scale.amp/max-replicas": "7"}, operation="UPDATE")
    document["request"]["oldObject"] = review(before)["request"]["object"]
    answer = webhook.review("/validate", document)
    assert answer["allowed"]
    assert answer["warnings"][0].endswith("--allow-endpoint (as before)")
    assert three.bank.seen["old"] == 0


def test_allowed_for_all(three: Three) -> None:
    flags = ("--endpoint", three.common.url, "--namespaces", three.volume.path("namespaces"))
    with Webhook(*flags, "--allow-endpoint", three.bank.url) as webhook:
        answer = webhook.review("/validate", of("shop", scaled("x", endpoint=three.bank.url)))
        assert answer["allowed"]
        assert three.bank.seen["x"] == 1


def test_loaded_anew(webhook: Webhook, three: Three) -> None:
    three.volume.publish(namespaces=HEAD + f"- {{name: shop, endpoint: '{three.bank.url}'}}\n")
    webhook.wait_log("file loaded", 2)
    assert webhook.review("/validate", of("shop", scaled("moved")))["allowed"]
    assert three.bank.seen["moved"] == 1
    assert webhook.review("/validate", of("bank", scaled("gone")))["allowed"]
    assert three.common.seen["gone"] == 1

    three.volume.publish(namespaces=HEAD + "- {name: shop, endpoint: 'http://a b'}\n")
    refused = "file refused, what was loaded before it stays in force"
    assert "namespaces[0].endpoint: expected" in webhook.wait_log(refused)["error"]
    assert webhook.metric('ampscale_webhook_file_current{file="namespaces"}') == 0
    assert webhook.review("/validate", of("shop", scaled("still")))["allowed"]
    assert three.bank.seen["still"] == 1


def test_an_endpoint_that_no_client_takes(webhook: Webhook, three: Three) -> None:
    plain = "http://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1"
    three.volume.publish(namespaces=HEAD + f"- {{name: shop, endpoint: '{plain}'}}\n")
    refused = "file refused, what was loaded before it stays in force"
    error = webhook.wait_log(refused)["error"]
    assert "namespaces[0].endpoint: " in error
    assert "AMP is reached by https only" in error


# ---- workspaces, without anybody to ask: what is refused is refused before ----


def test_workspaces(three: Three) -> None:
    ours, theirs = "ws-shop", "ws-bank"
    three.volume.publish(
        namespaces=HEAD
        + f"- {{name: shop, workspace: {ours}, region: eu-west-1}}\n"
        + f"- {{name: bank, workspace: {theirs}, region: eu-west-1}}\n"
    )
    flags = ("--workspace", "ws-common", "--region", "eu-west-1")
    with Webhook(*flags, "--namespaces", three.volume.path("namespaces")) as webhook:
        for named in (theirs, "ws-common"):
            answer = webhook.review("/validate", of("shop", scaled(workspace=named)))
            assert answer["status"]["code"] == 403
            message = answer["status"]["message"]
            text = (
                f"workspace {named}: neither namespace shop's own nor listed by --allow-workspace"
            )
            assert text in message
            assert ours not in message
        host = "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces"
        answer = webhook.review("/validate", of("shop", scaled(endpoint=f"{host}/{theirs}")))
        assert answer["status"]["code"] == 403
        # Its own by either name: not refused for it, whether or not AMP can be asked from here.
        for keys in (scaled(workspace=ours), scaled(endpoint=f"{host}/{ours}")):
            assert webhook.review("/validate", of("shop", keys))["allowed"]


# ---- roles ----

SHOP, BANK, COMMON, EVIL = role("shop"), role("bank"), role("common"), role("evil")


@pytest.fixture
def roles(aws: Aws) -> Iterator[Webhook]:
    aws.irsa(role("base"))
    entries = f"- {{name: shop, roleArn: '{SHOP}'}}\n- {{name: bank, roleArn: '{BANK}'}}\n"
    volume = ConfigVolume(aws.directory / "config", namespaces=HEAD + entries)
    flags = ("--role-arn", COMMON, "--namespaces", volume.path("namespaces"))
    with aws.webhook(*flags) as webhook:
        yield webhook


def signer(aws: Aws, webhook: Webhook, namespace: str, query: str, **keys: str) -> str:
    before = len(aws.place.signed_by)
    answer = webhook.review("/validate", of(namespace, scaled(query, **keys)))
    assert answer["allowed"], answer
    assert len(aws.place.signed_by) == before + 1, answer
    return aws.stand.issued[aws.place.signed_by[-1]].to


def test_each_as_its_own_role(aws: Aws, roles: Webhook) -> None:
    assert signer(aws, roles, "shop", "vector(1)") == SHOP
    assert signer(aws, roles, "bank", "vector(1)") == BANK  # the same query, asked for again
    assert signer(aws, roles, "other", "vector(1)") == COMMON
    assert signer(aws, roles, "shop", "vector(2)") == SHOP
    assert signer(aws, roles, "shop", "vector(3)", role_arn=SHOP) == SHOP
    assumed = [asked.form["RoleArn"] for asked in aws.stand.requests("AssumeRole")]
    assert sorted(assumed) == sorted([SHOP, BANK, COMMON])  # once each


def test_anothers_role_is_refused(aws: Aws, roles: Webhook) -> None:
    for named in (BANK, COMMON, EVIL):
        answer = roles.review("/validate", of("shop", scaled(role_arn=named)))
        assert answer["status"]["code"] == 403
        text = f"role {named}: neither namespace shop's own nor listed by --allow-role"
        assert text in answer["status"]["message"]
        assert SHOP not in answer["status"]["message"]
    assert EVIL not in [asked.form["RoleArn"] for asked in aws.stand.requests("AssumeRole")]
    assert aws.place.signed_by == []


# ---- collectors ----


def arguments(webhook: Webhook, namespace: str, **keys: str) -> list[str]:
    annotations = {"scale.amp/collector": "enabled", "scale.amp/scrape-port": "8080"}
    annotations |= {f"scale.amp/{key.replace('_', '-')}": value for key, value in keys.items()}
    answer = webhook.review("/mutate", of(namespace, annotations))
    patch = json.loads(base64.b64decode(answer["patch"]))
    text = json.dumps([operation.get("value") for operation in patch])
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict) and node.get("name") == "ampscale-collector":
            found.extend(node.get("args", []))
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                walk(child)

    walk(json.loads(text))
    assert found
    return found


def test_collectors_write_to_their_namespaces_place(tmp_path: Path) -> None:
    writer = role("shop-writer")
    volume = ConfigVolume(
        tmp_path / "config",
        namespaces=HEAD
        + "- name: shop\n  workspace: ws-shop\n  region: eu-west-3\n"
        + f"  collectorRoleArn: {writer}\n"
        + "- {name: bank, endpoint: 'http://prometheus.bank:9090'}\n",
    )
    flags = ("--workspace", "ws-common", "--region", "eu-west-1", "--collector-image", "a/b:1")
    more = ("--collector-role-arn", COMMON, "--namespaces", volume.path("namespaces"))
    with Webhook(*flags, *more) as webhook:
        shop = arguments(webhook, "shop")
        assert "--workspace=ws-shop" in shop
        assert "--region=eu-west-3" in shop
        assert f"--role-arn={writer}" in shop
        bank = arguments(webhook, "bank")
        assert "--endpoint=http://prometheus.bank:9090" in bank
        assert not [flag for flag in bank if flag.startswith(("--workspace", "--role-arn"))]
        other = arguments(webhook, "other")
        assert "--workspace=ws-common" in other
        assert "--region=eu-west-1" in other
        assert f"--role-arn={COMMON}" in other
        own = arguments(webhook, "shop", collector_role_arn=BANK)
        assert f"--role-arn={BANK}" in own
