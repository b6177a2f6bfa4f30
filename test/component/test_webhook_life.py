"""The webhook over time: certificates come late, change under load and break; SIGTERM comes."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import tempfile
import threading
import time
import unittest
from pathlib import Path

from webhook_process import DEADLINE_S, SecretVolume, Webhook, exchange, review, scaled, wait_for

GOOD = json.dumps(review(scaled())).encode()


def subject_of(webhook: Webhook, trusted: Path) -> str:
    """Common name of the certificate that is served, which has to be the one in `trusted`."""
    context = ssl.create_default_context(cafile=str(trusted / "tls.crt"))
    plain = socket.create_connection(("127.0.0.1", webhook.port), timeout=DEADLINE_S)
    with context.wrap_socket(plain, server_hostname="localhost") as peer:
        certificate = peer.getpeercert()
    assert certificate is not None
    return dict(pair[0] for pair in certificate["subject"])["commonName"]


class Load:
    """Threads that post reviews, `keep` on a connection, until they are told to end."""

    def __init__(
        self, webhook: Webhook, threads: int, keep: int, until_refused: bool = False
    ) -> None:
        self.webhook = webhook
        self.keep = keep
        self.until_refused = until_refused
        self.ending = threading.Event()
        self.answered = 0
        self.closing = 0
        self.failures: list[str] = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _post(self, connection: http.client.HTTPSConnection) -> bool:
        connection.request("POST", "/mutate", GOOD, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        closes = response.getheader("connection", "").lower() == "close"
        with self.lock:
            self.answered += 1
            self.closing += closes
            if response.status != 200:
                self.failures.append(f"status {response.status}")
        return not closes

    def _connection(self) -> None:
        connection = self.webhook.connect()
        connection.connect()
        try:
            for _ in range(self.keep):
                if self.ending.is_set() or not self._post(connection):
                    return
        finally:
            connection.close()

    def _run(self) -> None:
        while not self.ending.is_set():
            try:
                self._connection()
            except ConnectionRefusedError as error:
                if not self.until_refused:
                    self.failures.append(repr(error))
                return
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))

    def end(self) -> None:
        """Stop and join."""
        self.ending.set()
        for thread in self.threads:
            thread.join(DEADLINE_S)


class Certificates(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory(prefix="ampscale-test-")
        self.addCleanup(scratch.cleanup)
        self.directory = Path(scratch.name) / "tls"
        self.volume = SecretVolume(self.directory)

    def test_not_ready_until_there_is_a_pair(self) -> None:
        with Webhook(tls_dir=self.directory) as webhook:
            self.assertEqual(webhook.get("/healthz")[0], 200)
            self.assertEqual(webhook.get("/readyz")[0], 503)
            with self.assertRaises(OSError):
                webhook.post("/mutate", GOOD)
            self.volume.publish("first")
            wait_for(lambda: webhook.get("/readyz")[0] == 200, "ready")
            self.assertEqual(subject_of(webhook, self.directory), "first")
            webhook.wait_log("certificate not usable")
            self.assertEqual(len(webhook.logs("certificate not usable")), 1)

    def test_swapped_under_load_without_a_failure(self) -> None:
        self.volume.publish("first")
        with Webhook(tls_dir=self.directory) as webhook:
            loads = [Load(webhook, threads=3, keep=1), Load(webhook, threads=2, keep=1000000)]
            for count, name in enumerate(("second", "third", "fourth"), start=2):
                self.volume.publish(name)
                webhook.wait_log("certificate loaded", count)
                self.assertEqual(subject_of(webhook, self.directory), name)
            for load in loads:
                load.end()
                self.assertEqual(load.failures, [])
                self.assertGreater(load.answered, 20)

    def test_broken_pair_keeps_the_old_one(self) -> None:
        self.volume.publish("first")
        kept = self.directory.parent / "kept"
        kept.mkdir()
        (kept / "tls.crt").write_bytes((self.directory / "tls.crt").read_bytes())
        with Webhook(tls_dir=self.directory) as webhook:
            (self.directory / "..data").resolve().joinpath("tls.key").write_text("no key\n")
            webhook.wait_log("certificate not usable")
            self.assertEqual(subject_of(webhook, kept), "first")
            self.assertEqual(webhook.get("/readyz")[0], 200)
            self.assertEqual(webhook.metric("ampscale_webhook_certificate_errors_total"), 1)
            self.volume.publish("second")
            webhook.wait_log("certificate loaded", 2)
            self.assertEqual(subject_of(webhook, self.directory), "second")


class Stopping(unittest.TestCase):
    def test_sigterm_during_requests_loses_none(self) -> None:
        webhook = Webhook("--shutdown-delay", "1500ms")
        load = Load(webhook, threads=6, keep=1000000, until_refused=True)
        wait_for(lambda: load.answered > 100, "some answers")
        began = time.monotonic()
        webhook.process.send_signal(signal.SIGTERM)
        wait_for(lambda: webhook.get("/readyz")[0] == 503, "not ready")
        self.assertEqual(webhook.get("/healthz")[0], 200)
        self.assertEqual(webhook.process.wait(timeout=DEADLINE_S), 0)
        self.assertGreaterEqual(time.monotonic() - began, 1.4)
        load.end()
        self.assertEqual(load.failures, [])
        self.assertGreater(load.closing, 0)
        self.assertEqual(webhook.stop(), 0)
        self.assertEqual(len(webhook.logs("stopped")), 1)

    def test_sigterm_and_sigint_at_rest(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            webhook = Webhook()
            connection = webhook.connect()
            self.assertEqual(exchange(connection, "/mutate", GOOD)[0], 200)
            webhook.process.send_signal(number)
            self.assertEqual(webhook.process.wait(timeout=DEADLINE_S), 0)
            connection.close()
            self.assertEqual(webhook.stop(), 0)

    def test_a_silent_peer_does_not_hold_it_back(self) -> None:
        webhook = Webhook()
        with webhook.raw() as peer:
            peer.sendall(b"POST /mutate HTTP/1.1\r\n")
            began = time.monotonic()
            self.assertEqual(webhook.stop(), 0)
            self.assertLess(time.monotonic() - began, 15)

    def test_second_signal_ends_the_delay(self) -> None:
        webhook = Webhook("--shutdown-delay", "5m")
        webhook.process.send_signal(signal.SIGTERM)
        webhook.wait_log("stopping")
        self.assertEqual(webhook.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
