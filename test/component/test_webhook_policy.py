"""The policy over HTTPS: each rule with each action, by namespace, ratcheted, and loaded anew."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from config_volume import ConfigVolume
from test_webhook_lookups import Prometheus
from webhook_process import BIN, Webhook, make_pair, review, scaled, wait_for

ROLE = "arn:aws:iam::123456789012:role/other"
TWO = "[{query: a, threshold: 1}, {query: b, threshold: 1}]"
PREFIX = "scale.amp/"


def annotations(**keys: str) -> dict[str, str]:
    return {PREFIX + key.replace("_", "-"): value for key, value in keys.items()}


# The rule, its value, what breaks it, and what the breach is called.
RULES: dict[str, tuple[str, dict[str, str], str]] = {
    "maxReplicas": (
        "value: 100, ",
        scaled(max_replicas="500"),
        'scale.amp/max-replicas: "500": policy maxReplicas allows at most 100 in namespace shop',
    ),
    "minPollingInterval": (
        "value: 10s, ",
        scaled(polling_interval="5s"),
        'scale.amp/polling-interval: "5s": policy minPollingInterval allows no less than 10s in '
        "namespace shop",
    ),
    "maxTriggers": (
        "value: 1, ",
        annotations(triggers=TWO),
        "scale.amp/triggers: 2 triggers: policy maxTriggers allows at most 1 in namespace shop",
    ),
    "forbidZero": (
        "",
        scaled(min_replicas="0"),
        'scale.amp/min-replicas: "0": policy forbidZero allows no fewer than 1 in namespace shop',
    ),
    "allowedEndpoints": (
        "values: [], ",
        scaled(endpoint="http://127.0.0.1:1"),
        'scale.amp/endpoint: "http://127.0.0.1:1": policy allowedEndpoints allows none in '
        "namespace shop",
    ),
    "allowedWorkspaces": (
        "values: [ws-1], ",
        scaled(workspace="ws-2", region="eu-west-1"),
        'scale.amp/workspace: "ws-2": policy allowedWorkspaces allows ws-1 in namespace shop',
    ),
    "allowedRoles": (
        "values: [], ",
        scaled(role_arn=ROLE),
        f'scale.amp/role-arn: "{ROLE}": policy allowedRoles allows none in namespace shop',
    ),
}
# On a dry run no query is sent: what is said is the policy's.
DRY = {"dryRun": True}


def rule(name: str, action: str) -> str:
    return f"version: 1\ndefaults: {{{name}: {{{RULES[name][0]}action: {action}}}}}\n"


def verdicts(webhook: Webhook, name: str, action: str) -> float:
    labels = f'rule="{name}",action="{action}"'
    return webhook.metric(f"ampscale_webhook_policy_verdicts_total{{{labels}}}")


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    server = Prometheus()
    yield server
    server.close()


@pytest.fixture
def volume(tmp_path: Path) -> ConfigVolume:
    empty = "version: 1\n"
    return ConfigVolume(tmp_path / "config", policy=empty, namespaces=empty)


@pytest.fixture
def webhook(prometheus: Prometheus, volume: ConfigVolume) -> Iterator[Webhook]:
    files = ("--policy", volume.path("policy"), "--namespaces", volume.path("namespaces"))
    # What the flags allow, so that only the policy has something against it.
    allowed = ("--allow-endpoint", "http://127.0.0.1:1", "--allow-workspace", "ws-2")
    more = ("--allow-role", ROLE)
    with Webhook("--endpoint", prometheus.url, *files, *allowed, *more) as running:
        yield running


def load(webhook: Webhook, volume: ConfigVolume, text: str) -> None:
    """Publish a policy, and wait until it is in force."""
    before = len(webhook.logs("file loaded"))
    volume.publish(policy=text)
    webhook.wait_log("file loaded", before + 1)


def refusal(webhook: Webhook, volume: ConfigVolume, text: str) -> str:
    before = len(webhook.logs(REFUSED))
    volume.publish(policy=text)
    return webhook.wait_log(REFUSED, before + 1)["error"]


REFUSED = "file refused, what was loaded before it stays in force"


@pytest.mark.parametrize("name", RULES)
def test_each_rule_and_action(webhook: Webhook, volume: ConfigVolume, name: str) -> None:
    _, breach, text = RULES[name]
    load(webhook, volume, rule(name, "deny"))
    answer = webhook.review("/validate", review(breach, **DRY))
    assert not answer["allowed"]
    assert answer["status"]["code"] == 403
    assert answer["status"]["reason"] == "Forbidden"
    head = "scale.amp: Deployment shop/web is not accepted:"
    assert answer["status"]["message"] == f"{head}\n  {text}"
    assert "auditAnnotations" not in answer

    load(webhook, volume, rule(name, "warn"))
    answer = webhook.review("/validate", review(breach, **DRY))
    assert answer["allowed"]
    assert text in answer["warnings"]
    assert "auditAnnotations" not in answer

    load(webhook, volume, rule(name, "audit"))
    answer = webhook.review("/validate", review(breach, **DRY))
    assert answer["allowed"]
    assert text not in answer.get("warnings", [])
    assert answer["auditAnnotations"] == {f"policy.{name}": text}

    load(webhook, volume, rule(name, "none"))
    answer = webhook.review("/validate", review(breach, **DRY))
    assert answer["allowed"]
    assert text not in answer.get("warnings", [])
    assert "auditAnnotations" not in answer

    for action in ("deny", "warn", "audit"):
        assert verdicts(webhook, name, action) == 1
    told = [entry for entry in webhook.logs("policy") if entry["rule"] == name]
    assert [entry["action"] for entry in told] == ["deny", "warn", "audit"]
    for entry in told:
        assert (entry["namespace"], entry["name"], entry["user"]) == ("shop", "web", "tester")
        assert entry["text"] == text
        assert entry["dry_run"] is True


def test_who_keeps_the_rules_hears_nothing(webhook: Webhook, volume: ConfigVolume) -> None:
    rules = "".join(f"  {name}: {{{value}action: deny}}\n" for name, (value, _, _) in RULES.items())
    load(webhook, volume, f"version: 1\ndefaults:\n{rules}  unreachable: {{action: deny}}\n")
    answer = webhook.review("/validate", review(scaled()))
    assert answer["allowed"]
    assert [w[:16] for w in answer["warnings"]] == ["query is 100 now"]
    assert webhook.logs("policy") == []


def test_several_breaches_at_once(webhook: Webhook, volume: ConfigVolume) -> None:
    rules = "maxReplicas: {value: 100}, forbidZero: {}, minPollingInterval: {value: 10s}"
    load(webhook, volume, f"version: 1\ncontact: '#platform'\ndefaults: {{{rules}}}\n")
    breach = scaled(max_replicas="500", min_replicas="0", polling_interval="5s")
    lines = webhook.review("/validate", review(breach))["status"]["message"].splitlines()
    wanted = [RULES[name][2] for name in ("maxReplicas", "minPollingInterval", "forbidZero")]
    assert lines[1:] == [f"  {text}; ask #platform" for text in wanted]


def test_a_wrong_annotation_and_a_breach(webhook: Webhook, volume: ConfigVolume) -> None:
    """The contract comes first; what it does not accept the policy does not judge."""
    load(webhook, volume, rule("maxReplicas", "deny"))
    answer = webhook.review("/validate", review(scaled(max_replicas="500", threshold="0")))
    assert answer["status"]["code"] == 422
    assert "maxReplicas" not in answer["status"]["message"]


# ---- namespaces ----


def in_namespace(namespace: str, keys: dict[str, str], **request: Any) -> dict[str, Any]:
    document = review(keys, namespace=namespace, **request)
    document["request"]["object"]["metadata"]["namespace"] = namespace
    return document


def test_overrides(webhook: Webhook, volume: ConfigVolume) -> None:
    load(
        webhook,
        volume,
        """\
version: 1
defaults:
  maxReplicas: {value: 100}
  forbidZero: {action: warn}
namespaces:
  batch:
    maxReplicas: {value: 1000}
  frozen:
    maxReplicas: {value: 10}
    forbidZero: {action: deny}
  free:
    maxReplicas: {action: none}
    forbidZero: {action: none}
""",
    )

    def judge(namespace: str, count: str) -> tuple[bool, str]:
        keys = scaled(max_replicas=count, min_replicas="0")
        answer = webhook.review("/validate", in_namespace(namespace, keys, **DRY))
        told = [*answer.get("warnings", []), answer.get("status", {}).get("message", "")]
        return answer["allowed"], "\n".join(told)

    zero = 'scale.amp/min-replicas: "0": policy forbidZero allows no fewer than 1 in namespace '
    most = "policy maxReplicas allows at most "
    assert judge("shop", "101")[0] is False
    assert f"{most}100 in namespace shop" in judge("shop", "101")[1]
    assert judge("shop", "100") == (True, f"{zero}shop\n")
    assert judge("batch", "1000") == (True, f"{zero}batch\n")
    assert f"{most}1000 in namespace batch" in judge("batch", "1001")[1]
    assert judge("frozen", "10")[0] is False
    assert f"{zero}frozen" in judge("frozen", "10")[1]
    assert f"{most}10 in namespace frozen" in judge("frozen", "11")[1]
    assert judge("free", "5000") == (True, "")


# ---- ratcheting ----


def update(now: dict[str, str], before: dict[str, str]) -> dict[str, Any]:
    old = review(before)["request"]["object"]
    return review(now, operation="UPDATE", oldObject=old, dryRun=True)


def test_what_was_there_before_is_a_warning(webhook: Webhook, volume: ConfigVolume) -> None:
    load(webhook, volume, rule("maxReplicas", "deny"))
    was = scaled(max_replicas="500")
    answer = webhook.review("/validate", update(scaled(max_replicas="500", threshold="5"), was))
    assert answer["allowed"]
    assert answer["warnings"] == [RULES["maxReplicas"][2] + " (as before)"]
    assert webhook.review("/validate", update(scaled(max_replicas="400"), was))["allowed"]
    answer = webhook.review("/validate", update(scaled(max_replicas="501"), was))
    assert not answer["allowed"]
    assert 'max-replicas: "501"' in answer["status"]["message"]
    assert verdicts(webhook, "maxReplicas", "ratcheted") == 2
    assert verdicts(webhook, "maxReplicas", "deny") == 1


def test_an_image_fix_and_a_finalizer_pass(webhook: Webhook, volume: ConfigVolume) -> None:
    everything = "\n".join(
        f"  {name}: {{{value}action: deny}}" for name, (value, _, _) in RULES.items()
    )
    load(webhook, volume, f"version: 1\ndefaults:\n{everything}\n  unreachable: {{action: deny}}\n")
    bad = scaled(
        max_replicas="500", min_replicas="0", polling_interval="5s", endpoint="http://127.0.0.1:1"
    )
    document = update(bad, bad)
    container = document["request"]["object"]["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "nginx:fixed"
    assert webhook.review("/validate", document)["allowed"]
    metadata = document["request"]["object"]["metadata"]
    metadata |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": []}
    answer = webhook.review("/validate", document)
    assert answer["allowed"]
    assert "warnings" not in answer


# ---- AMP that cannot be asked ----

UNREACHABLE = "version: 1\ndefaults: {unreachable: {action: %s}}\n"


def test_unreachable(webhook: Webhook, volume: ConfigVolume) -> None:
    load(webhook, volume, UNREACHABLE % "deny")
    answer = webhook.review("/validate", review(scaled("html")))
    assert not answer["allowed"]
    assert answer["status"]["code"] == 403
    message = answer["status"]["message"]
    assert "the query could not be tried (unavailable)" in message
    assert message.endswith("policy unreachable admits no query untried in namespace shop")
    assert webhook.review("/validate", review(scaled("html"), **DRY))["allowed"]
    assert not webhook.review("/validate", review(scaled("throttled")))["allowed"]
    assert not webhook.review("/validate", review(scaled("denied")))["allowed"]

    load(webhook, volume, UNREACHABLE % "warn")
    answer = webhook.review("/validate", review(scaled("html")))
    assert answer["allowed"]
    assert "could not be tried, admitted unchecked" in answer["warnings"][0]

    load(webhook, volume, UNREACHABLE % "audit")
    answer = webhook.review("/validate", review(scaled("html")))
    assert answer["allowed"]
    assert "warnings" not in answer
    assert "could not be tried, admitted" in answer["auditAnnotations"]["policy.unreachable"]
    for action, count in (("deny", 3), ("warn", 1), ("audit", 1)):
        assert verdicts(webhook, "unreachable", action) == count


def test_unreachable_is_no_bad_query(webhook: Webhook, volume: ConfigVolume) -> None:
    load(webhook, volume, UNREACHABLE % "audit")
    answer = webhook.review("/validate", review(scaled("bad{")))
    assert not answer["allowed"]
    assert answer["status"]["code"] == 422


def test_unreachable_for_a_query_that_was_there(webhook: Webhook, volume: ConfigVolume) -> None:
    load(webhook, volume, UNREACHABLE % "deny")
    document = update(scaled("html", max_replicas="7"), scaled("html", max_replicas="8"))
    document["request"]["dryRun"] = False
    answer = webhook.review("/validate", document)
    assert answer["allowed"]
    assert answer["warnings"][0].endswith("(as before)")


# ---- loading ----


def test_a_wrong_file_leaves_the_old_one_in_force(webhook: Webhook, volume: ConfigVolume) -> None:
    current = 'ampscale_webhook_file_current{file="policy"}'
    refused = 'ampscale_webhook_file_loads_total{file="policy",result="refused"}'
    load(webhook, volume, rule("maxReplicas", "deny"))
    assert webhook.metric(current) == 1

    path = volume.path("policy")
    text = refusal(webhook, volume, "version: 1\ndefaults:\n  maxReplicas: {value: many}\n")
    assert text == (
        f"{path}: defaults.maxReplicas.value: expected a whole number from 0 to 2147483647 "
        "(line 3, column 24)"
    )
    assert webhook.metric(current) == 0
    breach = review(RULES["maxReplicas"][1], **DRY)
    assert not webhook.review("/validate", breach)["allowed"]

    assert "did you mean defaults?" in refusal(webhook, volume, "version: 1\ndefault: {}\n")
    assert "expected an object, found null" in refusal(webhook, volume, "")
    assert not webhook.review("/validate", breach)["allowed"]
    assert webhook.metric(refused) == len(webhook.logs(REFUSED))

    load(webhook, volume, rule("maxReplicas", "none"))
    assert webhook.metric(current) == 1
    assert webhook.review("/validate", breach)["allowed"]


def test_a_wrong_content_is_told_once(webhook: Webhook, volume: ConfigVolume) -> None:
    """Both files are looked at each second, so the other one tells the time."""
    refusal(webhook, volume, "version: 2\n")
    for entries in ("[{name: a}]", "[{name: b}]", "[{name: c}]"):
        before = len(webhook.logs("file loaded"))
        volume.publish(namespaces=f"version: 1\nnamespaces: {entries}\n")
        webhook.wait_log("file loaded", before + 1)
    assert len(webhook.logs(REFUSED)) == 1
    refusal(webhook, volume, "version: 3\n")
    assert len(webhook.logs(REFUSED)) == 2


def test_a_file_that_goes_and_comes_back(webhook: Webhook, volume: ConfigVolume) -> None:
    load(webhook, volume, rule("maxReplicas", "deny"))
    data = volume.directory / "..data"
    target = data.readlink()
    data.unlink()
    errors = {webhook.wait_log(REFUSED, count)["error"] for count in (1, 2)}
    assert errors == {
        f"{volume.path(name)}: No such file or directory" for name in ("policy", "namespaces")
    }
    assert not webhook.review("/validate", review(RULES["maxReplicas"][1], **DRY))["allowed"]
    before = len(webhook.logs("file loaded"))
    data.symlink_to(target)
    webhook.wait_log("file loaded", before + 2)
    wait_for(
        lambda: webhook.metric('ampscale_webhook_file_current{file="policy"}') == 1, "in force"
    )


@pytest.mark.parametrize("flag", ["policy", "namespaces"])
def test_wrong_at_the_start(tmp_path: Path, flag: str) -> None:
    make_pair(tmp_path / "tls", "localhost")
    file = tmp_path / "file.yaml"
    command = [
        *(str(BIN / "ampscale-webhook"), "--no-cluster", "--tls-dir", str(tmp_path / "tls")),
        *("--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", f"--{flag}", str(file)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert done.stderr == f"ampscale-webhook: {file}: No such file or directory\n"
    file.write_text("version: 1\nsurprise: 1\n")
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    wanted = f"ampscale-webhook: {file}: surprise: unknown field (line 2, column 11)\n"
    assert done.stderr == wanted


def test_an_empty_flag_is_none(prometheus: Prometheus) -> None:
    with Webhook("--endpoint", prometheus.url, "--policy=", "--namespaces=") as webhook:
        assert webhook.review("/validate", review(scaled(max_replicas="5000"), **DRY))["allowed"]


# ---- the plugin ----


def lint(*arguments: str, namespace: str = "shop", **keys: str) -> subprocess.CompletedProcess[str]:
    manifest = in_namespace(namespace, scaled(**keys))["request"]["object"]
    return subprocess.run(
        [str(BIN / "kubectl-ampscale"), "lint", "-f", "-", *arguments],
        input=json.dumps(manifest),
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_lint(volume: ConfigVolume) -> None:
    volume.publish(
        policy="version: 1\ndefaults: {maxReplicas: {value: 100}, forbidZero: {action: audit}}\n"
    )
    flag = ("--policy", volume.path("policy"))
    done = lint(*flag, max_replicas="500")
    assert done.returncode == 1
    assert RULES["maxReplicas"][2] in done.stdout
    assert lint(max_replicas="500").returncode == 0
    done = lint(*flag, min_replicas="0")
    assert done.returncode == 0
    assert f"audit: {RULES['forbidZero'][2]}" in done.stdout
    (told,) = json.loads(lint(*flag, "-o", "json", min_replicas="0").stdout)
    assert told["audits"] == [RULES["forbidZero"][2]]
    assert told["valid"] is True


def test_lint_with_a_wrong_policy(volume: ConfigVolume) -> None:
    volume.publish(policy="version: 1\ndefaults: []\n")
    done = lint("--policy", volume.path("policy"))
    assert done.returncode == 2
    wanted = f"{volume.path('policy')}: defaults: expected an object, found array"
    assert wanted in done.stderr
    done = lint("--policy", str(volume.directory / "none.yaml"))
    assert done.returncode == 2
    assert "No such file" in done.stderr
