"""What the stand-in got, so that a test can assert it: one row a request, and sums over them.

A row: t_ms (arrival, Unix time), method, path (the operation), workspace, query, status (None while
under way), signature ("valid", "none" where the operation takes none, or why not), message (the
refusal's text), access_key, role and session (whose the key is, or is to be), fault (the mode met,
or None), bytes_in, bytes_out, connection (a number for each accepted connection). Of STS' calls
also subject; of remote writes that were examined also written: samples, stale (markers), oldest_ms,
newest_ms, and jobs.
"""

from __future__ import annotations

import collections
import threading
from typing import Any

MAX_ROWS = 200_000
GOOD = ("valid", "none")
Row = dict[str, Any]


class Ledger:
    """Rows of all connections, the oldest dropped past MAX_ROWS; sums cover what was dropped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._rows: collections.deque[Row] = collections.deque(maxlen=MAX_ROWS)
            self._sums = dict.fromkeys(("requests", "valid", "invalid", "bytes_in", "bytes_out"), 0)
            self._by = {
                k: collections.Counter[str]()
                for k in ("path", "query", "signature", "status", "fault")
            }
            self._connections: set[int] = set()

    def arrive(self, row: Row) -> Row:
        """Enter a request; the row to hand to finish()."""
        with self._lock:
            self._rows.append(row)
            self._sums["requests"] += 1
            self._sums["valid" if row["signature"] in GOOD else "invalid"] += 1
            self._sums["bytes_in"] += row["bytes_in"]
            for key in ("path", "query", "signature", "fault"):
                if row[key] is not None:
                    self._by[key][row[key]] += 1
            self._connections.add(row["connection"])
        return row

    def finish(self, row: Row, status: int | None, bytes_out: int) -> None:
        """status None: nothing was answered."""
        with self._lock:
            row["status"] = status
            row["bytes_out"] = bytes_out
            self._sums["bytes_out"] += bytes_out
            self._by["status"]["none" if status is None else str(status)] += 1

    def stats(self) -> dict[str, Any]:
        with self._lock:
            by = {f"by_{key}": dict(counter) for key, counter in self._by.items()}
            return {**self._sums, "connections": len(self._connections), **by}

    def rows(self, since_ms: int = 0, **equal: str) -> list[Row]:
        """Rows from since_ms on whose named fields have the given values, oldest first."""
        with self._lock:
            return [
                dict(r)
                for r in self._rows
                if r["t_ms"] >= since_ms and all(r.get(k) == v for k, v in equal.items())
            ]
