"""What both are pointed at: one Prometheus, whose query log tells who asked what and when.

The log is Prometheus' own and costs it the same for both. A query stands for its workload: each
has one of its own.
"""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from amp import samples

from scaling.kube import wait_until
from scaling.processes import Failed, Process

PORT = 19090
URL = f"http://127.0.0.1:{PORT}"
METRIC = "bench_level"
READY_S = 60.0


@dataclass
class Asked:
    query: str
    at: float  # Unix seconds, when it was answered


class Backend:
    def __init__(self, folder: Path) -> None:
        program = shutil.which("prometheus")
        if program is None:
            raise Failed("prometheus is missing: apt-get install prometheus")
        self.log = folder / "queries.log"
        self.asked: list[Asked] = []
        self._read = 0
        config = folder / "prometheus.yml"
        config.write_text(f"global:\n  query_log_file: {self.log}\n")
        self.process = Process(
            "prometheus",
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/tsdb",
                f"--web.listen-address=127.0.0.1:{PORT}",
                "--web.enable-remote-write-receiver",
                "--log.level=warn",
            ],
            folder / "prometheus.log",
        )

    def wait_ready(self) -> None:
        wait_until(self._ready, READY_S, "Prometheus is ready")

    def _ready(self) -> bool:
        self.process.check()
        try:
            with urllib.request.urlopen(f"{URL}/-/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def set_levels(self, levels: dict[str, float]) -> float:
        """Give the metric of each a value; when it could be read by a query.

        The sample's time is a whole second that has begun: a query may ask for a time in whole
        seconds, cut off, and is to see it at once.
        """
        t_ms = int(time.time()) * 1000
        new = [samples.Sample(METRIC, v, {"workload": n}, t_ms) for n, v in levels.items()]
        samples.push_all(URL, new)
        return time.time()

    def read(self) -> list[Asked]:
        """All queries so far, in the order in which they were answered."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                entry = json.loads(line)
                at = datetime.fromisoformat(entry["ts"]).timestamp()
                self.asked.append(Asked(entry["params"]["query"], at))
        return self.asked

    def count(self, since: float, until: float | None = None) -> Counter[str]:
        """How often each query was asked."""
        end = time.time() if until is None else until
        return Counter(asked.query for asked in self.read() if since <= asked.at < end)

    def first_after(self, query: str, since: float) -> float | None:
        return min((a.at for a in self.read() if a.query == query and a.at >= since), default=None)

    def stop(self) -> None:
        self.process.stop()
