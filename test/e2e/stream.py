"""Admissions without a pause, each of which our webhook must have answered.

Server-side dry runs of annotated Deployments, right and wrong ones in turn, from several threads. A
right one must come back with the defaults, a wrong one must be refused in our words: one that
failurePolicy Ignore let pass unanswered counts as failed too.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
from types import TracebackType

from kube import keyed, manifest_of

THREADS = 4
PACE_S = 0.01  # between two of one thread: the API server has other callers
ANSWER_S = 30.0
RIGHT, WRONG = "1", "0"


class Stream:
    """With it: admissions in a namespace all the while."""

    def __init__(self, namespace: str) -> None:
        self.path = f"/apis/apps/v1/namespaces/{namespace}/deployments?dryRun=All"
        self.answered = 0
        self.failed: list[str] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._admit, args=(n,), daemon=True) for n in range(THREADS)
        ]

    def __enter__(self) -> Stream:
        self._proxy = subprocess.Popen(
            ["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True
        )
        assert self._proxy.stdout is not None
        said = self._proxy.stdout.readline()
        self._port = int(said.rpartition(":")[2])
        for one in self._threads:
            one.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for one in self._threads:
            one.join(ANSWER_S)
        self._proxy.terminate()
        self._proxy.wait()

    def flawless(self, least: int) -> None:
        """None failed, of at least so many."""
        assert not self.failed, f"{len(self.failed)} of {self.answered}: {self.failed[:5]}"
        assert self.answered >= least

    def _admit(self, n: int) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S)
        name, count = f"stream-{n}", 0
        while not self._over.wait(PACE_S):
            threshold = (RIGHT, WRONG)[count % 2]
            given = keyed({"query": "vector(1)", "threshold": threshold})
            complaint = ""
            try:
                body = json.dumps(manifest_of(name, given, parked=True))
                line.request("POST", self.path, body, {"Content-Type": "application/json"})
                answer = line.getresponse()
                complaint = complaint_about(threshold, answer.status, answer.read().decode())
            except (OSError, http.client.HTTPException) as error:
                line.close()
                complaint = f"{type(error).__name__}: {error}"
            count += 1
            with self._lock:
                self.answered += 1
                self.failed += [complaint] if complaint else []


def complaint_about(threshold: str, status: int, body: str) -> str:
    """What is wrong with the API server's answer; nothing when our webhook is in it."""
    found = json.loads(body)
    if threshold == WRONG:
        refused = status == http.client.UNPROCESSABLE_ENTITY
        ours = refused and 'scale.amp/threshold: "0"' in found["message"]
    else:
        annotations = found.get("metadata", {}).get("annotations", {})
        ours = status == http.client.CREATED and annotations.get("scale.amp/min-replicas") == "1"
    return "" if ours else f"threshold {threshold}: {status}: {body[:300]}"
