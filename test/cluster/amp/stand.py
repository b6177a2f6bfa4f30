"""What the stand-in's two planes share: their state, and how they listen."""

from __future__ import annotations

import socketserver
import sys
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

from amp.faults import Faults
from amp.ledger import Ledger
from amp.sigv4 import Verifier


@dataclass
class Stand:
    """Everything the connections share."""

    verifier: Verifier
    workspaces: set[str]
    prometheus: str
    faults: Faults = field(default_factory=Faults)
    ledger: Ledger = field(default_factory=Ledger)


class QuietServer(ThreadingHTTPServer):
    """Binds without asking DNS for a name, and treats a client that went away as no event."""

    daemon_threads = True
    request_queue_size = 512

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "amp", 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def host_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
