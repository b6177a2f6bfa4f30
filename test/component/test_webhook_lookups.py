"""The webhook's look-ups against a Prometheus and an API server that do as they are told."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from webhook_process import Webhook, review, scaled, wait_for

Answer = tuple[int, str, bytes]


def as_json(status: int, document: Any) -> Answer:
    return status, "application/json", json.dumps(document).encode()


def vector(*values: str) -> Answer:
    series = [{"metric": {"pod": f"p{i}"}, "value": [1.5, v]} for i, v in enumerate(values)]
    data = {"resultType": "vector", "result": series}
    return as_json(200, {"status": "success", "data": data})


class Fake:
    """An HTTP server whose answers come from a function of method, path and body; counts them."""

    def __init__(self, answer: Callable[[str, str], Answer]) -> None:
        self.seen: Counter[str] = Counter()
        self.release = threading.Event()  # what waits for it is answered

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                self.reply("")

            def do_POST(self) -> None:
                self.reply(self.rfile.read(int(self.headers["Content-Length"])).decode())

            def reply(self, body: str) -> None:
                status, kind, text = answer(urlsplit(self.path).path, body)
                with contextlib.suppress(OSError):  # the webhook does not wait for ever
                    self.write(status, kind, text)

            def write(self, status: int, kind: str, text: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


class Prometheus(Fake):
    """Answers by the text of the query."""

    def __init__(self) -> None:
        super().__init__(self.answer)

    def answer(self, path: str, body: str) -> Answer:
        assert path == "/api/v1/query", path
        query = parse_qs(body)["query"][0]
        self.seen[query] += 1
        bad = {"status": "error", "errorType": "bad_data", "error": "1:4: parse error: unclosed"}
        if query.startswith("slow"):
            self.release.wait(8)
        return {
            "up": lambda: vector("1", "1"),
            "empty": lambda: vector(),
            "bad{": lambda: as_json(400, bad),
            "denied": lambda: as_json(403, {"message": "not authorized to aps:QueryMetrics"}),
            "throttled": lambda: as_json(429, {"message": "Rate exceeded"}),
            "html": lambda: (502, "text/html", b"<html><h1>Bad Gateway</h1></html>"),
            "cut": lambda: (200, "application/json", b'{"status":"succ'),
        }.get(query, lambda: vector("100"))()


class Queries(unittest.TestCase):
    prometheus: Prometheus
    webhook: Webhook

    @classmethod
    def setUpClass(cls) -> None:
        cls.prometheus = Prometheus()
        cls.webhook = Webhook("--endpoint", cls.prometheus.url)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.prometheus.close()
        assert cls.webhook.stop() == 0

    def ask(self, query: str, path: str = "/validate", **annotations: str) -> dict[str, Any]:
        return self.webhook.review(path, review(scaled(query, **annotations)))

    def test_forecast(self) -> None:
        answer = self.ask("vector(100)", max_replicas="30")
        self.assertTrue(answer["allowed"])
        forecast = "query is 100 now; 100/25 → 4 replicas (min 1, max 30)"
        self.assertEqual(answer["warnings"], [forecast])

    def test_refused_queries(self) -> None:
        for query, words in (("bad{", "parse error: unclosed"), ("up", "sum(up)")):
            with self.subTest(query=query):
                answer = self.ask(query)
                self.assertFalse(answer["allowed"])
                self.assertEqual(answer["status"]["code"], 422)
                self.assertIn(words, answer["status"]["message"])

    def test_what_could_not_be_asked_is_a_warning(self) -> None:
        for query, words in (
            ("empty", "no number now"),
            ("denied", "aps:QueryMetrics"),
            ("throttled", "Rate exceeded"),
            ("html", "502"),
            ("cut", "unchecked"),
        ):
            with self.subTest(query=query):
                answer = self.ask(query)
                self.assertTrue(answer["allowed"])
                self.assertIn(words, " ".join(answer["warnings"]))
        self.assertEqual(
            self.webhook.metric('ampscale_webhook_query_errors_total{reason="denied"}'), 1
        )

    def test_another_endpoint_is_refused(self) -> None:
        answer = self.ask("vector(1)", endpoint="http://127.0.0.1:1")
        self.assertFalse(answer["allowed"])
        self.assertEqual(answer["status"]["code"], 403)

    def test_one_query_for_many_reviews(self) -> None:
        for _ in range(5):
            self.ask("cached + 1")
        for _ in range(3):
            self.assertFalse(self.ask("bad{")["allowed"])
            self.assertTrue(self.ask("html")["allowed"])
        self.assertEqual(self.prometheus.seen["cached + 1"], 1)
        self.assertEqual(self.prometheus.seen["bad{"], 1)  # refused: kept too
        self.assertGreaterEqual(self.prometheus.seen["html"], 3)  # not asked: not kept

    def test_queries_under_way_are_shared(self) -> None:
        answers: list[dict[str, Any]] = []
        threads = [
            threading.Thread(target=lambda: answers.append(self.ask("slow + shared")))
            for _ in range(12)
        ]
        shared = 'ampscale_webhook_query_cache_lookups_total{result="shared"}'
        before = self.webhook.metric(shared)
        for thread in threads:
            thread.start()
        end = time.monotonic() + 1.5
        while self.webhook.metric(shared) - before < 11 and time.monotonic() < end:
            time.sleep(0.01)
        self.prometheus.release.set()
        for thread in threads:
            thread.join()
        self.prometheus.release.clear()
        self.assertEqual(self.prometheus.seen["slow + shared"], 1)
        self.assertEqual(len(answers), 12)
        self.assertEqual({a["warnings"][0][:12] for a in answers}, {"query is 100"})

    def test_deadlines(self) -> None:
        for timeout, budget_s in (("1s", 0.5), ("10s", 2.0), ("400ms", 0.0), ("30s", 2.0)):
            with self.subTest(timeout=timeout):
                began = time.monotonic()
                path = f"/validate?timeout={timeout}"
                answer = self.ask(f"slow + {timeout}", path)
                took = time.monotonic() - began
                self.assertTrue(answer["allowed"])
                self.assertIn("unchecked (timeout)", answer["warnings"][0])
                self.assertGreaterEqual(took, budget_s - 0.05)
                self.assertLess(took, budget_s + 1.0)
        self.assertEqual(self.prometheus.seen["slow + 400ms"], 0)

    def test_dry_run_does_not_ask(self) -> None:
        answer = self.webhook.review("/validate", review(scaled("dry + 1"), dryRun=True))
        self.assertTrue(answer["allowed"])
        self.assertEqual(self.prometheus.seen["dry + 1"], 0)

    def test_h2_peer_gone_while_it_waits(self) -> None:
        if shutil.which("curl") is None:
            self.skipTest("curl is not installed")
        body = json.dumps(review(scaled("slow + gone"))).encode()
        command = "curl -sk --http2 --max-time 0.4 --data-binary @- -H".split()
        url = f"https://127.0.0.1:{self.webhook.port}/validate"
        done = subprocess.run([*command, "Content-Type: application/json", url], input=body)
        self.assertEqual(done.returncode, 28)  # curl's time was over
        gone = 'ampscale_webhook_admissions_total{path="/validate",verdict="gone"}'
        wait_for(lambda: self.webhook.metric(gone) >= 1, "its end was noticed")
        self.assertEqual(self.webhook.metric(gone), 1)

    def test_too_many_under_way(self) -> None:
        connections = [self.webhook.connect() for _ in range(90)]
        for connection in connections:
            connection.connect()
        for i, connection in enumerate(connections):
            body = json.dumps(review(scaled(f"slow + {i}")))
            connection.request("POST", "/validate", body, {"Content-Type": "application/json"})
        texts = []
        for connection in connections:
            answer = json.loads(connection.getresponse().read())["response"]
            self.assertTrue(answer["allowed"])
            texts.append(answer["warnings"][0])
            connection.close()
        # Queries of other tests may be on their way out still.
        self.assertGreaterEqual(sum("(throttled)" in text for text in texts), 90 - 64)
        self.assertGreater(sum("(timeout)" in text for text in texts), 0)


def hpa(name: str, target: str) -> dict[str, Any]:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"scaleTargetRef": reference}}


HOLD_S = 10.0  # much longer than it is waited for


class Cluster(unittest.TestCase):
    """Other autoscalers, as an API server lists them."""

    def setUp(self) -> None:
        self.hpas: Answer = as_json(200, {"items": []})
        self.keda: Answer = as_json(404, {"kind": "Status", "code": 404, "message": "not found"})
        self.hold = False
        self.api = Fake(self.answer)
        self.prometheus = Prometheus()
        scratch = tempfile.TemporaryDirectory(prefix="ampscale-test-")
        self.addCleanup(scratch.cleanup)
        config = Path(scratch.name) / "config"
        config.write_text(json.dumps(self.kubeconfig()))
        self.webhook = Webhook("--kubeconfig", str(config), "--endpoint", self.prometheus.url)

    def tearDown(self) -> None:
        self.api.close()
        self.prometheus.close()
        self.assertEqual(self.webhook.stop(), 0)

    def kubeconfig(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": self.api.url}}],
            "users": [{"name": "u", "user": {"token": "t0ken"}}],
        }

    def answer(self, path: str, _: str) -> Answer:
        self.api.seen[path] += 1
        if self.hold:
            self.api.release.wait(HOLD_S)
        base = "/namespaces/shop/"
        answers = {
            f"/apis/autoscaling/v2{base}horizontalpodautoscalers": self.hpas,
            f"/apis/keda.sh/v1alpha1{base}scaledobjects": self.keda,
        }
        return answers.get(path, as_json(400, {"message": path}))

    def ask(self, path: str = "/validate", **request: Any) -> dict[str, Any]:
        return self.webhook.review(path, review(scaled(), **request))

    def test_none(self) -> None:
        self.assertEqual([w[:8] for w in self.ask()["warnings"]], ["query is"])

    def test_an_hpa_on_the_target(self) -> None:
        self.hpas = as_json(200, {"items": [hpa("a", "other"), hpa("web-hpa", "web")]})
        answer = self.ask()
        self.assertFalse(answer["allowed"])
        self.assertIn("HorizontalPodAutoscaler web-hpa", answer["status"]["message"])

    def test_a_scaled_object_on_the_target(self) -> None:
        item = {"metadata": {"name": "so"}, "spec": {"scaleTargetRef": {"name": "web"}}}
        self.keda = as_json(200, {"items": [item]})
        answer = self.ask()
        self.assertFalse(answer["allowed"])
        self.assertIn("ScaledObject so", answer["status"]["message"])

    def test_failures_are_warnings(self) -> None:
        for answer in (
            as_json(403, {"kind": "Status", "message": "hpas is forbidden", "code": 403}),
            as_json(500, {"kind": "Status", "message": "etcd is away", "code": 500}),
            (200, "application/json", b'{"items":['),
            (200, "text/html", b"<html>"),
        ):
            with self.subTest(answer=answer):
                self.hpas = answer
                reply = self.ask()
                self.assertTrue(reply["allowed"])
                self.assertIn("could not look for other autoscalers", " ".join(reply["warnings"]))

    def test_slow_api_server(self) -> None:
        """It has half of a short timeout, and the answer comes while it holds back its own."""
        self.hold = True
        began = time.monotonic()
        answer = self.ask("/validate?timeout=1s")
        self.assertLess(time.monotonic() - began, HOLD_S / 2)
        self.assertGreater(sum(self.api.seen.values()), 0)
        self.assertTrue(answer["allowed"])
        told = re.search(r"no answer within (\d+) ?ms", " ".join(answer["warnings"]))
        assert told, answer
        self.assertLessEqual(int(told[1]), 500)

    def test_namespace_that_is_a_path(self) -> None:
        answer = self.ask(namespace="shop/../../secrets?x=")
        self.assertTrue(answer["allowed"])
        lookups = [path for path in self.api.seen if "/leases" not in path]
        self.assertEqual(lookups, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
