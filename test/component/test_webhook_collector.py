"""The collector's injection over HTTPS: what a Deployment gets, keeps and loses.

The pod template is followed through its life as the API server would: created, replaced by its
manifest while the installation is another one, changed, and without its annotations again.
"""

from __future__ import annotations

import base64
import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from webhook_process import BIN, Webhook, review, wait_for

ROLE = "arn:aws:iam::123456789012:role/writer"
PLACE = ("--workspace", "ws-12345678-90ab-cdef-1234-567890abcdef", "--region", "eu-west-1")
OLD = ("--collector-image", "registry.example/ampscale:0.1.0", "--collector-role-arn", ROLE, *PLACE)
NEW = (
    *("--collector-image", "registry.example/ampscale@sha256:1234", "--collector-cpu", "0.005"),
    *("--collector-memory", "32Mi", *PLACE),
)
ASKS = {"scale.amp/collector": "enabled", "scale.amp/scrape-port": "8080"}
NAME = "ampscale-collector"


@pytest.fixture(scope="module")
def old() -> Iterator[Webhook]:
    with Webhook(*OLD) as webhook:
        yield webhook


@pytest.fixture(scope="module")
def new() -> Iterator[Webhook]:
    with Webhook(*NEW) as webhook:
        yield webhook


def place(document: Any, path: str) -> tuple[Any, Any]:
    """The parent that a JSON pointer leads to, and the last token."""
    *way, last = (t.replace("~1", "/").replace("~0", "~") for t in path.split("/")[1:])
    for token in way:
        document = document[int(token) if isinstance(document, list) else token]
    return document, last


def apply(document: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    """RFC 6902, strict: what is to be replaced or removed must be there."""
    document = copy.deepcopy(document)
    for operation in patch:
        parent, key = place(document, operation["path"])
        if isinstance(parent, list):
            index = len(parent) if key == "-" else int(key)
            assert index <= len(parent)
            if operation["op"] != "add":
                del parent[index]
            if operation["op"] != "remove":
                parent.insert(index, operation["value"])
            continue
        assert operation["op"] == "add" or key in parent, operation
        if operation["op"] == "remove":
            del parent[key]
        else:
            parent[key] = operation["value"]
    return document


def admit(
    webhook: Webhook, document: dict[str, Any], before: dict[str, Any] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Mutate, mutate again, validate: what is stored then, and all warnings."""
    asked = review()
    asked["request"]["object"] = document
    if before is not None:
        asked["request"] |= {"operation": "UPDATE", "oldObject": before}
    answer = webhook.review("/mutate", asked)
    warnings = answer.get("warnings", [])
    if "patch" in answer:
        document = apply(document, json.loads(base64.b64decode(answer["patch"])))
    asked["request"] |= {"object": document, "dryRun": True}
    assert "patch" not in webhook.review("/mutate", asked)
    judged = webhook.review("/validate", asked)
    if not judged["allowed"]:
        raise PermissionError(judged["status"]["message"])
    return document, warnings + judged.get("warnings", [])


def manifest(annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return review(ASKS if annotations is None else annotations)["request"]["object"]


def pod(document: dict[str, Any]) -> dict[str, Any]:
    return document["spec"]["template"]["spec"]


def sidecar(document: dict[str, Any]) -> dict[str, Any]:
    (found,) = [c for c in pod(document)["initContainers"] if c["name"] == NAME]
    return found


def test_created(old: Webhook) -> None:
    stored, warnings = admit(old, manifest())
    container = sidecar(stored)
    assert warnings == []
    assert container["image"] == "registry.example/ampscale:0.1.0"
    assert container["restartPolicy"] == "Always"
    assert "readinessProbe" not in container
    assert "startupProbe" not in container
    assert "cpu" not in container["resources"]["limits"]
    assert "--target=http://localhost:8080/metrics" in container["args"]
    assert f"--role-arn={ROLE}" in container["args"]
    assert pod(stored)["containers"] == pod(manifest())["containers"]


def test_fit_for_restricted_pod_security(old: Webhook) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    stored, _ = admit(old, manifest())
    context = sidecar(stored)["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["readOnlyRootFilesystem"] is True
    for volume in pod(stored)["volumes"]:
        assert set(volume) - {"name"} <= {"emptyDir", "projected", "configMap"}
    assert "hostPort" not in json.dumps(sidecar(stored))


def test_the_apps_credentials_stay_out(old: Webhook) -> None:
    stored, _ = admit(old, manifest())
    container = sidecar(stored)
    mounts = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
    volumes = {v["name"]: v for v in pod(stored)["volumes"]}
    token = mounts["/var/run/secrets/kubernetes.io/serviceaccount"]
    assert volumes[token] == {"name": token, "emptyDir": {"medium": "Memory"}}
    # What amazon-eks-pod-identity-webhook looks for before it injects anything.
    names = {e["name"] for e in container["env"]}
    assert {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"} <= names
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" in names
    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" in names
    assert {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_STS_REGIONAL_ENDPOINTS"} <= names
    own = volumes[mounts["/var/run/secrets/ampscale"]]["projected"]["sources"]
    assert [s["serviceAccountToken"]["audience"] for s in own] == ["sts.amazonaws.com"]


def test_an_upgrade_rolls_nothing(old: Webhook, new: Webhook) -> None:
    stored, _ = admit(old, manifest())
    assert admit(new, copy.deepcopy(stored), stored)[0] == stored
    replaced, _ = admit(new, manifest(), stored)  # kubectl replace: the manifest has none of ours
    assert replaced["spec"]["template"] == stored["spec"]["template"]


def test_rendered_anew_with_the_users_own_change(old: Webhook, new: Webhook) -> None:
    stored, _ = admit(old, manifest())
    changed = copy.deepcopy(stored)
    pod(changed)["containers"][0]["image"] = "nginx:2"
    rolled, warnings = admit(new, changed, stored)
    container = sidecar(rolled)
    assert container["image"] == "registry.example/ampscale@sha256:1234"
    assert container["resources"]["requests"] == {"cpu": "5m", "memory": "32Mi"}
    assert [v["name"] for v in pod(rolled)["volumes"]] == [f"{NAME}-void"]
    assert any("has no role to write to AMP with" in text for text in warnings)


def test_refresh(old: Webhook, new: Webhook) -> None:
    stored, _ = admit(old, manifest())
    asks = copy.deepcopy(stored)
    asks["metadata"]["annotations"]["scale.amp/refresh"] = "1"
    assert sidecar(admit(new, asks, stored)[0])["image"] != sidecar(stored)["image"]


def test_removed_without_a_trace(old: Webhook, new: Webhook) -> None:
    stored, _ = admit(old, manifest())
    without = copy.deepcopy(stored)
    for key in ASKS:
        del without["metadata"]["annotations"][key]
    pod(without)["initContainers"].insert(0, {"name": "vault", "image": "vault:1"})
    pod(without)["volumes"].append({"name": "vault", "emptyDir": {}})
    cleaned, _ = admit(new, without, stored)
    expected = manifest({})
    pod(expected)["initContainers"] = [{"name": "vault", "image": "vault:1"}]
    pod(expected)["volumes"] = [{"name": "vault", "emptyDir": {}}]
    assert cleaned["metadata"].pop("labels") == {}
    assert cleaned == expected


def test_put_back_by_hand(old: Webhook) -> None:
    stored, _ = admit(old, manifest())
    edited = copy.deepcopy(stored)
    sidecar(edited)["args"].append("--label=a=b")
    again, warnings = admit(old, edited, stored)
    assert again == stored
    assert len(warnings) == 1
    assert "is put back as it was" in warnings[0]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_the_collector_takes_it(tmp_path: Path) -> None:
    """The rendered arguments are ones that the program knows, and its hooks find it."""
    annotations = ASKS | {
        "scale.amp/scrape-port": "1",
        "scale.amp/scrape-path": "/x?format=prometheus",
        "scale.amp/scrape-interval": "5s",
        "scale.amp/metrics": "from-query",
        "scale.amp/query": 'sum(rate(a{b=~"c$"}[1m])) + sum(d)',
        "scale.amp/threshold": "1",
        "scale.amp/collector-role-arn": ROLE,
    }
    flags = ("--collector-image=x", "--endpoint=http://127.0.0.1:1", "--region=eu-west-1")
    with Webhook(*flags, "--sigv4=on", "--sts-endpoint=http://127.0.0.1:1") as webhook:
        container = sidecar(admit(webhook, manifest(annotations))[0])
    (tmp_path / "token").write_text("t")
    text = json.dumps(container).replace("/var/run/secrets/ampscale", str(tmp_path))
    for variable in ("POD_IP", "POD_NAME", "POD_NAMESPACE", "NODE_NAME"):
        text = text.replace(f"$({variable})", "10.0.0.1")
    container = json.loads(text.replace("$$", "$"))
    program = str(BIN / "ampscale-collector")
    with subprocess.Popen([program, *container["args"]], stderr=subprocess.PIPE) as collector:
        check = container["livenessProbe"]["exec"]["command"]
        final = container["lifecycle"]["preStop"]["exec"]["command"]
        assert check[0] == final[0] == container["command"][0] == "/usr/bin/ampscale-collector"
        try:
            wait_for(lambda: run([program, *check[1:]]).returncode == 0, "--check says yes")
            assert run([program, *final[1:]]).returncode == 0
        finally:
            collector.terminate()
            _, said = collector.communicate(timeout=20)
        assert collector.returncode == 0, said


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ({"scale.amp/collector": "enabled"}, "scale.amp/scrape-port: missing"),
        (ASKS | {"scale.amp/scrape-port": "metrics"}, "has a port of this name"),
        (ASKS | {"scale.amp/metrics": "from-query"}, "to take the series from"),
        ({"scale.amp/scrape-port": "80"}, "scale.amp/collector: missing beside"),
        (ASKS | {"scale.amp/colector-cpu": "1m"}, "did you mean scale.amp/collector-cpu?"),
    ],
)
def test_denied(old: Webhook, annotations: dict[str, str], said: str) -> None:
    with pytest.raises(PermissionError, match=said.replace("?", r"\?")):
        admit(old, manifest(annotations))


def test_without_an_image() -> None:
    with Webhook(*PLACE) as webhook, pytest.raises(PermissionError, match="--collector-image"):
        admit(webhook, manifest())


def test_mutation_that_did_not_happen_is_told(old: Webhook) -> None:
    asked = review(ASKS, dryRun=True)
    judged = old.review("/validate", asked)
    assert judged["allowed"]
    assert any("no collector is in the pod template" in text for text in judged["warnings"])


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("collector-cpu", "much"),
        ("collector-memory", "1Mi"),
        ("collector-role-arn", "writer"),
        ("collector-endpoint", "ftp://x"),
    ],
)
def test_wrong_flags(flag: str, value: str) -> None:
    ended = run([str(BIN / "ampscale-webhook"), "--tls-dir=/nowhere", f"--{flag}={value}"])
    assert ended.returncode == 2
    assert f'--{flag}: "{value}": expected ' in ended.stderr


def test_the_region_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    with Webhook(*OLD[:4], *PLACE[:2]) as webhook:
        stored, _ = admit(webhook, manifest())
    assert "--region=us-west-2" in sidecar(stored)["args"]


def test_empty_flags_are_not_given(old: Webhook) -> None:
    empty = ("--collector-endpoint=", "--collector-role-arn=", "--collector-cpu=")
    with Webhook(*OLD[:2], *empty, *PLACE) as webhook:
        stored, _ = admit(webhook, manifest())
    assert not any(a.startswith("--role-arn") for a in sidecar(stored)["args"])


def test_what_became_of_collectors_is_counted() -> None:
    def counted() -> dict[str, float]:
        name = "ampscale_webhook_collectors_total"
        words = ("rendered", "kept", "removed", "left_out")
        return {word: webhook.metric(f'{name}{{outcome="{word}"}}') for word in words}

    def want(**more: float) -> dict[str, float]:
        return {"rendered": 0, "kept": 0, "removed": 0, "left_out": 0, **more}

    with Webhook(*OLD) as webhook:
        stored, _ = admit(webhook, manifest())
        assert counted() == want(rendered=1)  # and the dry run is none
        admit(webhook, manifest(), stored)
        assert counted() == want(rendered=1, kept=1)
        admit(webhook, manifest({}), stored)
        assert counted() == want(rendered=1, kept=1, removed=1)
        with pytest.raises(PermissionError):
            admit(webhook, manifest({"scale.amp/collector": "enabled"}))
        assert counted() == want(rendered=1, kept=1, removed=1, left_out=1)
