"""What the stand-in's two planes share: their state, and how they listen."""

from __future__ import annotations

import socketserver
import sys
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

from amp.faults import Faults
from amp.ledger import Ledger
from amp.roles import Roles
from amp.sigv4 import Verifier
from amp.webtoken import Issuer


@dataclass
class Stand:
    """Everything the connections share. issuer None: no token is taken."""

    verifier: Verifier
    workspaces: set[str]
    prometheus: str
    issuer: Issuer | None = None
    roles: Roles = field(default_factory=Roles)
    faults: Faults = field(default_factory=Faults)
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def sts_verifier(self) -> Verifier:
        """For calls of STS, by the same keys."""
        return Verifier(self.verifier.region, "sts", self.verifier.keys)


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
