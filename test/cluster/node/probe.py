"""Questions the node is asked while it starts: HTTP, the Kubernetes API, and DNS."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import struct
from typing import Any

from node import paths

SECONDS = 2.0
A_RECORD = 1


def http_ok(port: int, path: str) -> bool:
    """Whether a plain HTTP endpoint on the node's loopback answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def accepts(socket_path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SECONDS)
        try:
            client.connect(socket_path)
        except OSError:
            return False
        return True


def api(method: str, path: str, body: object = None) -> tuple[int, Any]:
    """One request as administrator. Status 0: no answer. A PATCH is a server-side apply."""
    context = ssl.create_default_context(cafile=f"{paths.PKI}/ca.crt")
    context.load_cert_chain(f"{paths.PKI}/admin.crt", f"{paths.PKI}/admin.key")
    connection = http.client.HTTPSConnection(
        paths.NODE_IP, 6443, timeout=SECONDS * 5, context=context
    )
    headers = {"Content-Type": "application/apply-patch+yaml"} if method == "PATCH" else {}
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()
    if not answer.headers.get_content_type().endswith("json"):
        return answer.status, text.decode(errors="replace")
    return answer.status, json.loads(text)


def resolve(name: str, server: str) -> str | None:
    """The first A record of a name, asked of one server; None if there is none."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    query = struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, A_RECORD, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(SECONDS)
        try:
            client.sendto(query, (server, 53))
            answer = client.recv(512)
        except OSError:
            return None
    if len(answer) <= len(query) or struct.unpack(">H", answer[6:8])[0] == 0:
        return None
    at = _after_name(answer, len(query))
    if len(answer) < at + 14:
        return None
    kind, _, _, length = struct.unpack(">HHIH", answer[at : at + 10])
    if kind != A_RECORD or length != 4:
        return None
    return socket.inet_ntoa(answer[at + 10 : at + 14])


def _after_name(message: bytes, at: int) -> int:
    """Where a name that starts at ``at`` ends: after its root label or its first pointer."""
    while at < len(message) and 0 < message[at] < 0xC0:
        at += 1 + message[at]
    return at + (2 if at < len(message) and message[at] >= 0xC0 else 1)
