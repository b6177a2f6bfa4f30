"""Where credentials come from: each provider and their order, each failure's words."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import sigv4check
from aws_stage import FAILED, ISSUER, NONE, SUBJECT, Stage, jwt
from awsstand import role
from waiting import until

STATIC = {"AWS_ACCESS_KEY_ID": sigv4check.KEY, "AWS_SECRET_ACCESS_KEY": sigv4check.SECRET}
WEB = "AWS credentials (web identity, role {role}): STAND: HTTP "
TRUST = (
    "; the role's trust policy must allow sts:AssumeRoleWithWebIdentity to subject "
    f"{SUBJECT} with audience sts.amazonaws.com of the OIDC provider {ISSUER}"
)
PROVIDER = (
    f"; the token is for audience sts.amazonaws.com from {ISSUER}: the account of the role needs "
    "an IAM OIDC provider for that issuer with that audience as client ID (IRSA's is "
    "sts.amazonaws.com)"
)

# ---- which provider ----


def test_static_keys_come_before_all_else(aws: Stage) -> None:
    aws.irsa(role("good"))
    aws.env(**STATIC)
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == sigv4check.KEY
    assert aws.stand.asked == []


def test_web_identity_comes_before_the_container(aws: Stage) -> None:
    aws.irsa(role("good"))
    aws.env(AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.stand.url + "/agent/good")
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == role("good")
    (asked,) = aws.stand.requests("AssumeRoleWithWebIdentity")
    assert asked.form["Version"] == "2011-06-15"
    assert asked.form["WebIdentityToken"] == jwt()
    assert re.fullmatch(r"ampscale-webhook@[\w.-]+", asked.form["RoleSessionName"])
    assert set(asked.form) == {
        "Action",
        "Version",
        "RoleArn",
        "RoleSessionName",
        "WebIdentityToken",
    }


def test_a_session_may_be_named(aws: Stage) -> None:
    aws.irsa(role("good"))
    aws.env(AWS_ROLE_SESSION_NAME="shop:checkout/7")
    with aws.webhook() as webhook:
        aws.signer(webhook)
    assert aws.stand.asked[0].form["RoleSessionName"] == "shop-checkout-7"


def test_the_flags_of_a_web_identity_come_first(aws: Stage) -> None:
    aws.env(**STATIC)
    with aws.webhook(
        "--role-arn", role("flag"), "--web-identity-token-file", str(aws.token())
    ) as webhook:
        assert aws.signer(webhook) == role("flag")


def test_a_role_is_assumed_on_top(aws: Stage) -> None:
    aws.irsa(role("base"))
    with aws.webhook("--role-arn", role("top")) as webhook:
        assert aws.signer(webhook) == role("top")
    (asked,) = aws.stand.requests("AssumeRole")
    assert asked.form["RoleArn"] == role("top")
    assert re.fullmatch(r"ampscale-webhook@[\w.-]+", asked.form["RoleSessionName"])


def test_a_role_that_is_held_already_is_not_assumed(aws: Stage) -> None:
    aws.irsa(role("base"))
    with aws.webhook("--role-arn", role("base")) as webhook:
        assert aws.signer(webhook) == role("base")
    assert aws.stand.requests("AssumeRole") == []


def test_static_keys_may_assume_a_role(aws: Stage) -> None:
    aws.env(**STATIC)
    with aws.webhook("--role-arn", role("top")) as webhook:
        assert aws.signer(webhook) == role("top")


def test_the_container_comes_before_the_profile(aws: Stage) -> None:
    profile(aws, "[default]\naws_access_key_id = A\naws_secret_access_key = B\n")
    token = aws.token()
    aws.env(
        AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.stand.url + "/agent/good",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(token),
        AWS_CONTAINER_AUTHORIZATION_TOKEN="not this one",
    )
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == "agent"
    (asked,) = aws.stand.requests("/agent")
    assert (asked.method, asked.headers["authorization"]) == ("GET", token.read_text())
    assert asked.headers["accept"] == "application/json"


def test_a_containers_token_may_be_in_the_environment(aws: Stage) -> None:
    aws.env(
        AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.stand.url + "/agent/good",
        AWS_CONTAINER_AUTHORIZATION_TOKEN="Basic abc",
    )
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == "agent"
    assert aws.stand.asked[0].headers["authorization"] == "Basic abc"


def test_a_containers_role_may_be_assumed_on(aws: Stage) -> None:
    aws.env(AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.stand.url + "/agent/open")
    with aws.webhook("--role-arn", role("top")) as webhook:
        assert aws.signer(webhook) == role("top")


def test_the_instance_comes_last_and_when_asked_for(aws: Stage) -> None:
    aws.env(AWS_EC2_METADATA_SERVICE_ENDPOINT=aws.stand.url + "/imds")
    with aws.webhook() as webhook:
        warnings = aws.warnings(webhook)
    assert aws.stand.asked == []
    assert "no AWS credentials to sign with: neither AWS_ACCESS_KEY_ID" in warnings
    with aws.webhook("--imds") as webhook:
        assert aws.signer(webhook) == "imds"
    steps = [(a.method, a.path) for a in aws.stand.requests("/imds")]
    below = "/imds/latest/meta-data/iam/security-credentials/"
    assert steps == [
        ("PUT", "/imds/latest/api/token"),
        ("GET", below),
        ("GET", below + "node-role"),
    ]


# ---- profiles ----


def profile(aws: Stage, credentials: str = "", config: str = "") -> None:
    (aws.directory / ".aws").mkdir()
    (aws.directory / ".aws" / "credentials").write_text(credentials)
    (aws.directory / ".aws" / "config").write_text(config)


KEYS = f"aws_access_key_id = {sigv4check.KEY}\naws_secret_access_key = {sigv4check.SECRET}\n"


def test_a_profile_has_keys(aws: Stage) -> None:
    profile(aws, f"[default]\n{KEYS}")
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == sigv4check.KEY


def test_a_profile_is_named_and_its_files_are(aws: Stage) -> None:
    file = aws.directory / "elsewhere"
    file.write_text(f"[default]\naws_access_key_id = A\n[shop]\n{KEYS}")
    aws.env(AWS_PROFILE="shop", AWS_SHARED_CREDENTIALS_FILE=str(file))
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == sigv4check.KEY


def test_a_profile_has_a_role_on_another(aws: Stage) -> None:
    config = (
        f"[profile shop]\nrole_arn = {role('shop')}\nsource_profile = middle\n"
        "external_id = an id\nrole_session_name = me\nduration_seconds = 7200\n"
        f"[profile middle]\nrole_arn = {role('middle')}\nsource_profile = keys\n"
    )
    profile(aws, f"[keys]\n{KEYS}", config)
    aws.env(AWS_PROFILE="shop")
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == role("shop")
    middle, shop = aws.stand.requests("AssumeRole")
    assert middle.form["RoleArn"] == role("middle")
    assert "ExternalId" not in middle.form
    assert shop.form["ExternalId"] == "an id"
    assert shop.form["RoleSessionName"] == "me"
    assert shop.form["DurationSeconds"] == "3600"  # AWS allows no more where roles are chained


def test_a_profile_is_its_own_source(aws: Stage) -> None:
    profile(aws, f"[default]\n{KEYS}role_arn = {role('own')}\nsource_profile = default\n")
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == role("own")


def test_a_profile_has_a_web_identity(aws: Stage) -> None:
    token = aws.token()
    config = f"[default]\nrole_arn = {role('web')}\nweb_identity_token_file = {token}\n"
    profile(aws, config=config)
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == role("web")


def test_a_profile_builds_on_the_container(aws: Stage) -> None:
    profile(aws, config=f"[default]\nrole_arn = {role('on')}\ncredential_source = EcsContainer\n")
    aws.env(
        AWS_PROFILE="default",
        AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.stand.url + "/agent/open",
    )
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == role("on")


def test_a_profile_builds_on_the_environment(aws: Stage) -> None:
    profile(aws, config=f"[profile a]\nrole_arn = {role('on')}\ncredential_source = Environment\n")
    aws.env(AWS_PROFILE="a", **STATIC)
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == role("on")


def test_a_profile_builds_on_the_instance(aws: Stage) -> None:
    text = f"[default]\nrole_arn = {role('on')}\ncredential_source = Ec2InstanceMetadata\n"
    profile(aws, config=text)
    aws.env(AWS_EC2_METADATA_SERVICE_ENDPOINT=aws.stand.url + "/imds")
    with aws.webhook("--imds") as webhook:
        assert aws.signer(webhook) == role("on")


PROFILES = {
    "none of the name": ("x", "", "there is none of this name in HOME/.aws/config or HOME/"),
    "no keys": ("default", "[default]\noutput = json\n", "it has neither keys nor a role_arn"),
    "half": ("default", "[default]\naws_access_key_id = A\n", "aws_secret_access_key is missing"),
    "process": (
        "default",
        "[default]\ncredential_process = /bin/secret\n",
        "credential_process: not run, because no program is started for credentials; run it "
        "yourself and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
    ),
    "sso": (
        "default",
        "[default]\nsso_session = a\n",
        'single sign-on and aws login are not spoken here: eval "$(aws configure '
        'export-credentials --format env)" sets the variables that are',
    ),
    "mfa": (
        "default",
        f"[default]\nrole_arn = {role('a')}\nsource_profile = b\nmfa_serial = c\n",
        "mfa_serial: a second factor cannot be asked for here",
    ),
    "circle": (
        "default",
        f"[default]\nrole_arn = {role('a')}\nsource_profile = b\n"
        f"[b]\nrole_arn = {role('a')}\nsource_profile = default\n",
        "source_profile: more than 8 in a row, or in a circle",
    ),
    "both": (
        "default",
        f"[default]\nrole_arn = {role('a')}\nsource_profile = b\ncredential_source = c\n",
        "source_profile and credential_source exclude each other",
    ),
    "role alone": (
        "default",
        f"[default]\nrole_arn = {role('a')}\n",
        "role_arn needs source_profile, credential_source or web_identity_token_file",
    ),
    "no role": ("default", "[default]\nrole_arn = a\n", "role_arn: expected arn:aws:iam::ACCOUNT"),
    "source": (
        "default",
        f"[default]\nrole_arn = {role('a')}\ncredential_source = Moon\n",
        "credential_source: expected Environment, EcsContainer or Ec2InstanceMetadata",
    ),
    "container": (
        "default",
        f"[default]\nrole_arn = {role('a')}\ncredential_source = EcsContainer\n",
        "credential_source = EcsContainer: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and …_FULL_URI "
        "are not set",
    ),
    "instance": (
        "default",
        f"[default]\nrole_arn = {role('a')}\ncredential_source = Ec2InstanceMetadata\n",
        "credential_source = Ec2InstanceMetadata: only with --imds",
    ),
    "duration": (
        "default",
        f"[default]\nrole_arn = {role('a')}\nsource_profile = default\n{KEYS}"
        "duration_seconds = 5\n",
        "duration_seconds: ",
    ),
    "not a file of profiles": (
        "default",
        "aws_secret_access_key = abc\n",
        "HOME/.aws/credentials: line 1: expected a section, as in [default]",
    ),
}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_says_what_is_wrong_with_it(aws: Stage, name: str) -> None:
    named, credentials, text = PROFILES[name]
    profile(aws, credentials)
    aws.env(AWS_PROFILE=named)
    with aws.webhook() as webhook:
        assert "AWS credentials (profile): profile " in aws.warnings(webhook)
        logged = until("its log", lambda: webhook.logs(NONE) + webhook.logs(FAILED))
    said = logged[0]["error"].replace(str(aws.directory), "HOME")
    assert said.startswith(f"AWS credentials (profile): profile {named}: ")
    assert text in said


# ---- what STS says ----

STS = {
    "denied": "403: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity" + TRUST,
    "audience": "400: InvalidIdentityToken: Incorrect token audience" + PROVIDER,
    "expired": "400: ExpiredTokenException: Token expired: current date/time 1 2; the token in "
    "TOKEN ran out at 2026-11-24T12:00:00Z: does the kubelet still renew it?",
    "unreachable": "400: IDPCommunicationError: Error communicating with Identity Provider; AWS "
    f"could not read the signing keys of {ISSUER}",
    "malformed": "400: ValidationError: Request ARN is invalid; is the role's ARN right, and the "
    'session name "me"?',
    "region": "403: RegionDisabledException: STS is not activated in this region; activate STS in "
    "region eu-central-1, or set --region",
    "broken": "500: InternalFailure: We made a mistake",
    "proxy": "502: 502 Bad Gateway",
}


@pytest.mark.parametrize("name", STS)
def test_what_sts_says_comes_with_the_fix(aws: Stage, name: str) -> None:
    aws.irsa(role(name))
    aws.env(AWS_ROLE_SESSION_NAME="me")
    with aws.webhook() as webhook:
        text = aws.failure(webhook).replace(str(aws.directory / "token"), "TOKEN")
        assert text == WEB.format(role=role(name)) + STS[name]
    assert aws.place.signed_by == []


NO_ANSWER = {
    "garbage": "XML: not UTF-8, or it holds control characters",
    "json": "XML: expected an element at byte 0",
    "empty": "XML: expected an element at byte 0",
    "entity": "XML: expected a name at byte 1",
    "large": "the answer is larger than 65536 bytes",
    "past": "the credentials that came had expired at ",
}


@pytest.mark.parametrize("name", NO_ANSWER)
def test_what_is_no_answer_is_no_answer(aws: Stage, name: str) -> None:
    aws.irsa(role(name))
    with aws.webhook() as webhook:
        text = aws.failure(webhook)
    assert text.startswith(f"AWS credentials (web identity, role {role(name)}): ")
    assert NO_ANSWER[name] in text


def test_a_role_on_top_says_what_is_wrong_with_it(aws: Stage) -> None:
    aws.irsa(role("base"))
    with aws.webhook("--role-arn", role("denied")) as webhook:
        assert aws.failure(webhook) == (
            f"AWS credentials (assumed, role {role('denied')}): STAND: HTTP 403: AccessDenied: "
            "Not authorized to perform sts:AssumeRoleWithWebIdentity; the trust policy of the "
            "role must allow sts:AssumeRole to the caller, and the caller's own policy must allow "
            "it on the role"
        )


def test_a_role_on_top_says_what_is_wrong_below(aws: Stage) -> None:
    aws.irsa(role("denied"))
    with aws.webhook("--role-arn", role("top")) as webhook:
        webhook.wait_log(FAILED, 2)
        texts = [e["error"] for e in webhook.logs(FAILED)]
    top = [t for t in texts if t.startswith(f"AWS credentials (assumed, role {role('top')}): AWS ")]
    assert f"(web identity, role {role('denied')}): " in top[0]
    assert "trust policy must allow sts:AssumeRoleWithWebIdentity" in top[0]
    assert aws.stand.requests("AssumeRole") == []


def test_a_wrong_secret_key_is_said(aws: Stage) -> None:
    aws.env(AWS_ACCESS_KEY_ID=sigv4check.KEY, AWS_SECRET_ACCESS_KEY="another")
    with aws.webhook("--role-arn", role("top")) as webhook:
        assert aws.failure(webhook) == (
            f"AWS credentials (assumed, role {role('top')}): STAND: HTTP 403: "
            "SignatureDoesNotMatch: The request signature is not ours; the secret key is not the "
            "access key's, or the clock is wrong (environment)"
        )


def test_what_quotes_a_token_is_quoted_without(aws: Stage) -> None:
    # that the log has no part of it is looked at after every test
    aws.irsa(role("echo"))
    with aws.webhook() as webhook:
        text = aws.failure(webhook)
    assert "Value '(withheld)' at 'webIdentityToken' failed; is the role's ARN right" in text
    with aws.monkeypatch.context() as patch:
        patch.delenv("AWS_ROLE_ARN")
        patch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE")
        patch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", aws.stand.url + "/agent/echo")
        patch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(aws.token()))
        with aws.webhook() as webhook:
            text = aws.failure(webhook)
    assert "HTTP 400: (withheld) not a good token: (withheld); the agent" in text


# ---- the environment ----


def test_what_the_environment_lacks_is_said(aws: Stage) -> None:
    rows: list[tuple[dict[str, str], str]] = [
        ({"AWS_ACCESS_KEY_ID": "A"}, "no AWS credentials to sign with: AWS_SECRET_ACCESS_KEY not"),
        ({"AWS_ROLE_ARN": role("a")}, "AWS_ROLE_ARN is set and AWS_WEB_IDENTITY_TOKEN_FILE is not"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}, "TOKEN_FILE is set and AWS_ROLE_ARN is not: IRSA"),
        (
            {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "admin"},
            '(web identity): AWS_ROLE_ARN "admin": expected arn:aws:iam::ACCOUNT:role/NAME',
        ),
        (
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/creds"},
            "AWS credentials (container): AWS_CONTAINER_CREDENTIALS_FULL_URI: expected https, or",
        ),
        (
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1.evil.com/"},
            "AWS_CONTAINER_CREDENTIALS_FULL_URI: expected https, or http to the loopback",
        ),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "ftp://127.0.0.1/"}, "expected https, or http"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://a@127.0.0.1/"}, "a user name has no place"),
    ]
    for values, text in rows:
        with aws.monkeypatch.context() as patch:
            for name, value in values.items():
                patch.setenv(name, value)
            with aws.webhook() as webhook:
                warnings = aws.warnings(webhook)
                logged = [entry["error"] for entry in webhook.logs(NONE)]
                assert text in "\n".join([warnings, *logged]), values
    assert aws.stand.asked == []
    assert aws.place.signed_by == []


def test_a_token_that_cannot_be_read_is_said(aws: Stage) -> None:
    missing = aws.directory / "none"
    blank = aws.directory / "blank"
    blank.write_text("\n")
    torn = aws.directory / "torn"
    torn.write_text("secret-signature\nAuthorization: x")
    rows: list[tuple[Path, str]] = [
        (
            missing,
            f"token file: {missing}: No such file or directory; is the token's volume mounted? The "
            "webhook that adds it looks at pods when they are created: delete the pod once the "
            "ServiceAccount is set up",
        ),
        (aws.directory, f"token file: {aws.directory}: Is a directory"),
        (blank, f"token file: {blank}: is empty"),
        (torn, f"token file: {torn}: holds more than one line of text"),
    ]
    for path, text in rows:
        aws.env(AWS_ROLE_ARN=role("good"), AWS_WEB_IDENTITY_TOKEN_FILE=str(path))
        with aws.webhook() as webhook:
            assert aws.failure(webhook) == (
                f"AWS credentials (web identity, role {role('good')}): {text}"
            )
    assert aws.stand.asked == []


# ---- the container's agent and the instance ----

AGENT = {
    "400": "HTTP 400: (InvalidTokenException): the token is expired; the agent or AWS refused the "
    "pod's token: is it of this cluster, and is there a pod identity association for its "
    "ServiceAccount?",
    "403": "HTTP 403: (AccessDeniedException): Unauthorized Exception!; the node's role must allow "
    "eks-auth:AssumeRoleForPodIdentity",
    "404": "HTTP 404: (ResourceNotFoundException): association not found; there is no pod identity "
    "association for this ServiceAccount: aws eks create-pod-identity-association, then delete "
    "the pod",
    "429": "HTTP 429: rate limit exceeded; the agent of this node has too many requests",
    "500": "HTTP 500: unable to fetch credentials",
    "503": "HTTP 503: empty body",
    "lacking": "the answer has no SecretAccessKey",
}


@pytest.mark.parametrize("name", AGENT)
def test_what_the_agent_says_comes_with_the_fix(aws: Stage, name: str) -> None:
    url = f"{aws.stand.url}/agent/{name}"
    aws.env(AWS_CONTAINER_CREDENTIALS_FULL_URI=url)
    with aws.webhook() as webhook:
        assert aws.failure(webhook) == (
            f"AWS credentials (container): STAND/agent/{name}: {AGENT[name]}"
        )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("garbage", "the answer is not the JSON expected: "),
        ("large", "the answer is larger than 65536 bytes"),
        ("endless", "the answer is larger than 65536 bytes"),
        ("slow", "no answer within 2000 ms; is the EKS Pod Identity Agent running on this node?"),
    ],
)
def test_what_is_no_agent_is_told(aws: Stage, name: str, text: str) -> None:
    aws.env(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{aws.stand.url}/agent/{name}")
    with aws.webhook() as webhook:
        said = aws.failure(webhook)
    assert said.startswith("AWS credentials (container): ")
    assert text in said


def test_no_agent_listens(aws: Stage) -> None:
    aws.env(AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:1/v1/credentials")
    with aws.webhook() as webhook:
        assert aws.failure(webhook) == (
            "AWS credentials (container): http://127.0.0.1:1: connection refused; is the EKS Pod "
            "Identity Agent running on this node?"
        )


IMDS = {
    "off": "HTTP 403: Forbidden; the instance's metadata service is turned off",
    "none": "HTTP 404: 404 - Not Found; the instance has no role (instance profile)",
    "strange": "the answer is no name of a role",
    "failed": "AssumeRoleUnauthorizedAccess: EC2 cannot assume it",
}


@pytest.mark.parametrize("name", IMDS)
def test_what_the_instance_says_comes_with_the_fix(aws: Stage, name: str) -> None:
    aws.env(AWS_EC2_METADATA_SERVICE_ENDPOINT=f"{aws.stand.url}/imds-{name}")
    with aws.webhook("--imds") as webhook:
        assert aws.failure(webhook) == f"AWS credentials (IMDS): STAND/imds-{name}: {IMDS[name]}"


def test_an_instance_that_is_not_reached_is_given_up_fast(aws: Stage) -> None:
    # 192.0.2.0/24 is for documentation: nobody answers there, or there is no way to it.
    aws.env(AWS_EC2_METADATA_SERVICE_ENDPOINT="http://192.0.2.1")
    begun = time.monotonic()
    with aws.webhook("--imds") as webhook:
        text = aws.failure(webhook)
        assert time.monotonic() - begun < 10
    assert text.startswith("AWS credentials (IMDS): http://192.0.2.1:80: ")
    assert text.endswith(
        "; a pod does not reach it where the instance's hop limit is 1: give the pod a role of its "
        "own (EKS Pod Identity, IRSA), or raise the limit to 2"
    )


def test_the_instance_may_be_turned_off(aws: Stage) -> None:
    aws.env(AWS_EC2_METADATA_DISABLED="true")
    with aws.webhook("--imds") as webhook:
        assert "--imds is given and AWS_EC2_METADATA_DISABLED is true" in aws.warnings(webhook)
