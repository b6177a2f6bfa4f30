"""Credentials over time: renewed ahead, tried again, kept while good, one fetch for all."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from aws_stage import FAILED, Stage, jwt
from awsstand import role
from webhook_process import review, scaled, wait_for

WEB = "AssumeRoleWithWebIdentity"
FETCHED = "AWS credentials fetched"


def test_credentials_are_renewed_before_they_expire(aws: Stage) -> None:
    aws.irsa(role("short"))  # four seconds each
    with aws.webhook() as webhook:
        end = time.monotonic() + 9
        while time.monotonic() < end:
            assert aws.signer(webhook) == role("short")
    assert aws.place.refused == []
    assert len(set(aws.place.signed_by)) >= 3
    assert len(aws.stand.requests(WEB)) <= 9


def test_a_role_on_top_is_renewed_with_what_is_below(aws: Stage) -> None:
    aws.irsa(role("path/short"))
    with aws.webhook("--role-arn", role("short")) as webhook:
        end = time.monotonic() + 6
        while time.monotonic() < end:
            assert aws.signer(webhook) == role("short")
    assert aws.place.refused == []
    assert len(aws.stand.requests("AssumeRole")) >= 2
    assert len(aws.stand.requests(WEB)) >= 2


def test_the_tokens_file_is_read_each_time(aws: Stage) -> None:
    aws.irsa(role("short"))
    with aws.webhook() as webhook:
        aws.signer(webhook)
        aws.token(jwt(serial=2))
        wait_for(lambda: len(aws.stand.requests(WEB)) >= 2, "a second fetch")
    tokens = [asked.form["WebIdentityToken"] for asked in aws.stand.requests(WEB)]
    assert tokens[:2] == [jwt(), jwt(serial=2)]


def test_an_expired_token_is_read_once_more(aws: Stage) -> None:
    aws.irsa(role("good"))

    def trusted(token: str) -> str | None:
        aws.token(jwt(serial=2))  # the kubelet was just about to
        return None if token == jwt(serial=2) else "expired"

    aws.stand.trusted = trusted
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == role("good")
    assert webhook.logs(FAILED) == []
    assert len(aws.stand.requests(WEB)) == 2


def test_a_token_that_stays_expired_is_not_read_for_ever(aws: Stage) -> None:
    aws.irsa(role("expired"))
    with aws.webhook() as webhook:
        webhook.wait_log(FAILED)
        assert len(aws.stand.requests(WEB)) == 2


def test_what_passes_is_tried_again(aws: Stage) -> None:
    for name in ("unreachable", "audience", "broken", "throttled"):
        aws.irsa(role(f"once-{name}"))
        with aws.webhook() as webhook:
            assert aws.signer(webhook) == role(f"once-{name}")
    for name in ("429", "500"):
        with aws.monkeypatch.context() as patch:
            patch.delenv("AWS_ROLE_ARN")
            patch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE")
            url = f"{aws.stand.url}/agent/once-{name}"
            patch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
            patch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t")
            with aws.webhook() as webhook:
                assert aws.signer(webhook) == "agent"


def test_three_failures_in_a_row_are_told_and_the_end_of_it_too(aws: Stage) -> None:
    aws.irsa(role("good"))
    broken = [True]
    aws.stand.trusted = lambda _token: "broken" if broken[0] else None
    with aws.webhook() as webhook:
        wait_for(lambda: len(aws.stand.requests(WEB)) >= 3, "three tries")
        wait_for(lambda: "InternalFailure" in aws.warnings(webhook), "it is told")
        broken[0] = False
        entry = webhook.wait_log(FETCHED)
        assert (entry["provider"], entry["role"]) == ("web identity", role("good"))
        assert aws.signer(webhook) == role("good")
        assert len(webhook.logs(FAILED)) == 1  # the same words are said once


def test_old_credentials_serve_until_they_expire(aws: Stage) -> None:
    aws.irsa(role("short"))
    down = threading.Event()
    aws.stand.trusted = lambda _token: "denied" if down.is_set() else None
    with aws.webhook() as webhook:
        assert aws.signer(webhook) == role("short")
        issued = next(iter(aws.stand.issued.values()))
        down.set()
        entry = webhook.wait_log(FAILED)
        assert entry["level"] == "warn"
        assert entry["old_ones_serve_until"] == issued.expiration()
        assert aws.signer(webhook) == role("short")
        wait_for(lambda: "AccessDenied" in aws.warnings(webhook), "they have expired")
        assert time.time() > issued.expires - 1
    assert aws.place.refused == []


def test_many_ask_and_one_fetches(aws: Stage) -> None:
    aws.irsa(role("good"))
    allowed = threading.Event()

    def trusted(_token: str) -> str | None:
        allowed.wait(10)
        return None

    aws.stand.trusted = trusted
    with aws.webhook() as webhook, ThreadPoolExecutor(12) as pool:

        def ask(n: int) -> bool:
            answer = webhook.review("/validate", review(scaled(f"vector({n})")))
            return "100 now" in str(answer.get("warnings"))

        asked = [pool.submit(ask, n) for n in range(12)]
        wait_for(lambda: len(aws.stand.requests(WEB)) == 1, "the first fetch")
        allowed.set()
        assert all(one.result() for one in asked)
    assert len(aws.stand.requests(WEB)) == 1
    assert len(set(aws.place.signed_by)) == 1


def test_a_query_waits_no_longer_than_its_time(aws: Stage) -> None:
    aws.irsa(role("slow"))
    with aws.webhook() as webhook:
        begun = time.monotonic()
        text = aws.warnings(webhook)
        assert time.monotonic() - begun < 8
    assert (
        f"AWS credentials (web identity, role {role('slow')})"[:60] in text or "no answer" in text
    )
    assert aws.place.signed_by == []


def test_what_the_place_refuses_is_fetched_anew(aws: Stage) -> None:
    aws.irsa(role("good"))
    with aws.webhook() as webhook:
        aws.signer(webhook)
        message = "The security token included in the request is expired"
        aws.place.refuses_once = ("ExpiredTokenException", message)
        assert "ExpiredTokenException" in aws.warnings(webhook)
        wait_for(lambda: len(aws.stand.requests(WEB)) == 2, "a second fetch")
        wait_for(lambda: len(webhook.logs(FETCHED)) >= 1, "it is there")
        assert aws.signer(webhook) == role("good")
        aws.place.refuses_once = ("ExpiredTokenException", message)
        aws.warnings(webhook)
        aws.signer(webhook)
        assert len(aws.stand.requests(WEB)) == 2  # once a minute


def test_what_is_not_allowed_is_no_reason_to_fetch(aws: Stage) -> None:
    aws.irsa(role("good"))
    with aws.webhook() as webhook:
        aws.place.refuses_once = ("AccessDeniedException", "not authorized: aps:QueryMetrics")
        assert "aps:QueryMetrics" in aws.warnings(webhook)
        aws.signer(webhook)
    assert len(aws.stand.requests(WEB)) == 1


def test_a_clock_that_is_off_is_named(aws: Stage) -> None:
    aws.irsa(role("good"))
    aws.place.clock_ahead_s = 754
    with aws.webhook() as webhook:
        message = "Signature expired: 1 is now earlier than 2"
        aws.place.refuses_once = ("InvalidSignatureException", message)
        text = aws.warnings(webhook)
    # a warning is cut at 256 characters, so only the start of the hint is in it
    assert "this machine's clock is 12 min 3" in text, text


def test_stss_clock_is_compared_too(aws: Stage) -> None:
    aws.stand.clock_ahead_s = -400
    aws.env(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="another")
    with aws.webhook("--role-arn", role("top")) as webhook:
        text = aws.failure(webhook)
    assert "SignatureDoesNotMatch" in text
    assert "this machine's clock is 6 min " in text
    assert text.endswith("s ahead of AWS's: set it right (AWS allows 5 to 15 min)")


def test_sts_is_regional(aws: Stage) -> None:
    """No region, no STS: nothing is sent to a global endpoint."""
    aws.irsa(role("good"))
    with aws.webhook("--sts-endpoint", "", "--region", "") as webhook:
        webhook.wait_log(FAILED)
        (entry,) = webhook.logs(FAILED)
    assert entry["error"].endswith("the region of STS is not known: set --region or AWS_REGION"), (
        entry
    )
    assert aws.stand.asked == []
