"""What a stranger can send to the webhook's ports: it gives the right status and lives on."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import time
import unittest
from collections import Counter
from typing import Any

from webhook_process import BIN, ROOT, Webhook, exchange, review, scaled, wait_for

MUTATED_SECONDS = float(os.environ.get("AMPSCALE_MUTATED_SECONDS", "8"))
GOOD = json.dumps(review(scaled())).encode()
CORPUS = ROOT / "test" / "fuzz" / "corpus" / "review"


def bad_bodies() -> list[tuple[str, bytes, int]]:
    """Name, body and the status it deserves."""
    wrong_kind = {**review(scaled()), "kind": "Pod"}
    wrong_version = {**review(scaled()), "apiVersion": "admission.k8s.io/v1beta1"}
    no_uid = review(scaled())
    del no_uid["request"]["uid"]
    return [
        ("empty", b"", 400),
        ("not JSON", b"hello", 400),
        ("truncated", GOOD[: len(GOOD) // 2], 400),
        ("two values", GOOD + GOOD, 400),
        ("array", b"[]", 400),
        ("null", b"null", 400),
        ("deep nesting", b"[" * 100000, 400),
        ("deep objects", b'{"request":' * 50000, 400),
        ("invalid UTF-8", GOOD.replace(b"nginx", b"\xff\xfe"), 400),
        ("NUL bytes", b"\0" * 1000, 400),
        ("wrong kind", json.dumps(wrong_kind).encode(), 400),
        ("wrong apiVersion", json.dumps(wrong_version).encode(), 400),
        ("no uid", json.dumps(no_uid).encode(), 400),
        ("no request", b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', 400),
        ("a million values", b"[" + b"0," * 1000000 + b"0]", 400),
        ("8 MiB", GOOD + b" " * ((8 << 20) - len(GOOD)), 413),
    ]


class Statuses(unittest.TestCase):
    """Each wrong request has its status, and the next right one is answered."""

    webhook: Webhook

    @classmethod
    def setUpClass(cls) -> None:
        cls.webhook = Webhook()

    @classmethod
    def tearDownClass(cls) -> None:
        assert cls.webhook.stop() == 0

    def test_bad_bodies_on_one_connection(self) -> None:
        for path in ("/mutate", "/validate"):
            connection = self.webhook.connect()
            for name, body, status in bad_bodies():
                with self.subTest(path=path, body=name):
                    self.assertEqual(exchange(connection, path, body)[0], status)
                    self.assertEqual(exchange(connection, path, GOOD)[0], 200)
            connection.close()

    def test_almost_too_large_is_read(self) -> None:
        body = GOOD + b" " * ((7 << 20) - len(GOOD))
        self.assertEqual(self.webhook.post("/validate", body)[0], 200)
        self.assertEqual(self.webhook.post("/validate", body + b" ")[0], 413)

    def test_far_too_large_is_cut_off(self) -> None:
        with self.webhook.raw() as peer:
            peer.sendall(b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
            peer.sendall(b"Content-Length: 999999999999\r\n\r\n")
            self.assertTrue(peer.recv(64).startswith(b"HTTP/1.1 413 "))

    def test_methods_types_and_paths(self) -> None:
        connection = self.webhook.connect()
        for method, path, kind, status in (
            ("GET", "/mutate", "application/json", 405),
            ("PUT", "/validate", "application/json", 405),
            ("POST", "/validate", "text/plain", 415),
            ("POST", "/validate", "application/yaml", 415),
            ("POST", "/validate", "Application/JSON; charset=utf-8", 200),
            ("POST", "/", "application/json", 404),
            ("POST", "/metrics", "application/json", 404),
            ("POST", "/validate?timeout=10s", "application/json", 200),
            ("POST", "/validate?timeout=nonsense&x=%zz", "application/json", 200),
        ):
            with self.subTest(method=method, path=path, kind=kind):
                connection.request(method, path, GOOD, {"Content-Type": kind})
                response = connection.getresponse()
                response.read()
                self.assertEqual(response.status, status)
        connection.request("POST", "/validate", GOOD, {})
        response = connection.getresponse()
        response.read()
        self.assertEqual(response.status, 415)
        connection.close()

    def test_pipelined_reviews_are_answered_in_order(self) -> None:
        uids = [f"uid-{i}" for i in range(50)]
        requests = b""
        for uid in uids:
            body = json.dumps(review(scaled(), uid=uid)).encode()
            requests += b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            requests += b"Content-Length: %d\r\n\r\n" % len(body) + body
        with self.webhook.raw() as peer:
            peer.sendall(requests)  # what is answered meanwhile fits in the socket's buffer
            stream = peer.makefile("rb")
            seen = []
            for _ in uids:
                length = 0
                while (line := stream.readline().strip()) != b"":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                seen.append(json.loads(stream.read(length))["response"]["uid"])
        self.assertEqual(seen, uids)

    def test_log_and_answer_never_show_the_object(self) -> None:
        uid = "look-for-me"
        self.webhook.review("/validate", review(scaled(), uid=uid))
        self.webhook.review("/mutate", review(scaled(), uid=uid))
        self.assertEqual(self.webhook.post("/mutate", GOOD[:-1])[0], 400)

        def mine() -> list[dict[str, Any]]:
            return [e for e in self.webhook.logs("review") if e["uid"] == uid]

        wait_for(lambda: len(mine()) >= 2, "both logged")
        entries = mine()
        self.assertEqual(sorted(e["path"] for e in entries), ["/mutate", "/validate"])
        self.assertEqual({e["namespace"] for e in entries}, {"shop"})
        self.assertEqual({e["operation"] for e in entries}, {"CREATE"})
        self.assertFalse([line for line in self.webhook.lines if "s3cr3t" in line])

    def test_http2(self) -> None:
        if shutil.which("curl") is None:
            self.skipTest("curl is not installed")
        url = f"https://127.0.0.1:{self.webhook.port}/mutate"
        command = "curl -sk --http2 --data-binary @- -o /dev/null -H".split()
        command += ["Content-Type: application/json", "-w", "%{http_code} %{http_version}", url]
        done = subprocess.run(command, input=GOOD, capture_output=True, check=True)
        self.assertEqual(done.stdout, b"200 2")

    def test_metrics_are_clean(self) -> None:
        self.assertEqual(self.webhook.post("/validate", GOOD)[0], 200)
        status, text = self.webhook.get("/metrics")
        self.assertEqual(status, 200)
        self.assertIn('ampscale_webhook_admissions_total{path="/validate",verdict="allowed"}', text)
        lines = text.splitlines()
        self.assertIn('ampscale_webhook_admissions_total{path="/validate",verdict="gone"} 0', lines)
        breach = 'ampscale_webhook_policy_verdicts_total{rule="unreachable",action="ratcheted"}'
        self.assertIn(f"{breach} 0", lines)
        expiry = self.webhook.metric("ampscale_webhook_certificate_expiry_timestamp_seconds")
        self.assertTrue(86400 < expiry - time.time() < 3 * 86400)
        if shutil.which("promtool") is not None:
            done = subprocess.run(
                ["promtool", "check", "metrics"], input=text.encode(), capture_output=True
            )
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b""))


class Strangers(unittest.TestCase):
    """Peers that hold on to connections do not keep others from being served."""

    def assert_served(self, webhook: Webhook) -> None:
        began = time.monotonic()
        self.assertEqual(webhook.post("/validate", GOOD)[0], 200)
        self.assertLess(time.monotonic() - began, 5)

    def test_half_open_and_silent_connections(self) -> None:
        with Webhook() as webhook, contextlib.ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(socket.create_connection(("127.0.0.1", webhook.port)))
            for _ in range(20):
                stack.enter_context(webhook.raw())
            self.assert_served(webhook)

    def test_more_connections_than_there_may_be(self) -> None:
        with Webhook() as webhook, contextlib.ExitStack() as stack:
            for _ in range(900):
                stack.enter_context(socket.create_connection(("127.0.0.1", webhook.port)))
            for _ in range(4):
                peers = [socket.create_connection(("127.0.0.1", webhook.port)) for _ in range(60)]
                for peer in peers:
                    stack.enter_context(peer)
                self.assert_served(webhook)

    def test_slow_bodies_are_cut_off(self) -> None:
        head = b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += b"Content-Length: %d\r\n\r\n" % len(GOOD)
        with Webhook() as webhook, contextlib.ExitStack() as stack:
            peers = [stack.enter_context(webhook.raw()) for _ in range(30)]
            for peer in peers:
                peer.sendall(head)
            open_peers, sent, began = list(peers), 0, time.monotonic()
            while open_peers and time.monotonic() - began < 18:
                self.assert_served(webhook)
                for peer in list(open_peers):
                    try:
                        peer.sendall(GOOD[sent % len(GOOD) :][:1])
                        peer.settimeout(0.001)
                        if peer.recv(1) == b"":
                            open_peers.remove(peer)
                    except TimeoutError:
                        continue
                    except OSError:
                        open_peers.remove(peer)
                sent += 1
            self.assertEqual(open_peers, [])

    def test_client_gone_before_the_answer(self) -> None:
        head = b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += b"Content-Length: %d\r\n\r\n" % len(GOOD)
        with Webhook() as webhook:
            for _ in range(50):
                with webhook.raw() as peer:
                    peer.sendall(head + GOOD)
            self.assert_served(webhook)


def mutate_bytes(rng: random.Random, seeds: list[bytes]) -> bytes:
    """A seed with a few things wrong."""
    body = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(body) + 1)
        action = rng.randrange(6)
        if action == 0 and body:
            body[at % len(body)] = rng.randrange(256)
        elif action == 1:
            del body[at : at + rng.randint(1, 40)]
        elif action == 2:
            body[at:at] = bytes(rng.choices(b'{}[]":,\\u0e-+. \n\x00\xff', k=rng.randint(1, 20)))
        elif action == 3:
            other = rng.choice(seeds)
            start = rng.randrange(len(other) + 1)
            body[at:at] = other[start : start + rng.randint(1, 200)]
        elif action == 4:
            body[at:at] = body[at : at + rng.randint(1, 200)] * rng.randint(1, 4)
        else:
            body = bytearray(body.replace(b'"', b'"\\u0000', 1) if rng.random() < 0.1 else body)
    return bytes(body)


class Mutated(unittest.TestCase):
    """A fuzzer's bodies over HTTP: only 200, 400 or 413, and no word from a sanitizer."""

    def test_mutated_bodies(self) -> None:
        rng = random.Random(1)
        seeds = [GOOD, json.dumps(review(scaled("up{", "x", max_replicas="-1"))).encode()]
        seeds += [path.read_bytes() for path in sorted(CORPUS.glob("*"))[:200]]
        seeds = [seed for seed in seeds if seed]
        statuses: Counter[int] = Counter()
        with Webhook() as webhook:
            connection = webhook.connect()
            end = time.monotonic() + MUTATED_SECONDS
            while time.monotonic() < end:
                path = rng.choice(("/mutate", "/validate"))
                statuses[exchange(connection, path, mutate_bytes(rng, seeds))[0]] += 1
            self.assertEqual(exchange(connection, "/mutate", GOOD)[0], 200)
            connection.close()
        self.assertLessEqual(set(statuses), {200, 400, 413}, statuses)
        self.assertGreater(sum(statuses.values()), 100)


class Usage(unittest.TestCase):
    """Flags."""

    def run_with(self, *flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / "ampscale-webhook"), *flags], capture_output=True, text=True, timeout=20
        )

    def test_wrong_usage_is_2(self) -> None:
        both = ("--tls-dir", "x", "--endpoint", "http://x", "--workspace", "ws-1")
        for flags, word in (
            ((), "--tls-dir"),
            (("--tls-dri", "x"), "--tls-dir"),
            (("--tls-dir", "x", "--shutdown-delay", "5"), '"5s"'),
            (("--tls-dir", "x", "--log-level", "loud"), "--log-level"),
            (("--tls-dir", "x", "--sigv4", "maybe"), "--sigv4"),
            (both, "--workspace"),
        ):
            with self.subTest(flags=flags):
                done = self.run_with(*flags)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(word, done.stderr)

    def test_help_and_version(self) -> None:
        help_text = self.run_with("--help")
        self.assertEqual((help_text.returncode, help_text.stderr), (0, ""))
        self.assertIn("--shutdown-delay DURATION", help_text.stdout)
        version = self.run_with("--version")
        self.assertEqual((version.returncode, version.stderr), (0, ""))
        for word in ("ampscale-webhook ", "commit ", "libcurl ", "OpenSSL 3", "H2O 2", "libyaml "):
            self.assertIn(word, version.stdout)

    def test_a_taken_port_is_said(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = self.run_with("--no-cluster", "--tls-dir", "/", "--listen", f"127.0.0.1:{port}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("in use", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
