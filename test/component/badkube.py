"""An API server that misbehaves by script, under /kube/SCENARIO/…, and remembers what was asked.

A scenario is a pair of functions, one for the Nth list and one for the Nth watch of the collection
(N from 1), or one function for any other path. Objects are Deployments cut to what the client
needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from badserver import Peer, Request

Arguments = dict[str, str]
Act = Callable[["Peer", int, Arguments], None]

REQUESTS: dict[str, list[dict[str, Any]]] = {}


def thing(name: str, version: int) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)},
    }


def event(kind: str, name: str, version: int) -> str:
    return json.dumps({"type": kind, "object": thing(name, version)}) + "\n"


def failure(code: int, reason: str, message: str) -> str:
    return json.dumps(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }
    )


def listing(peer: Peer, names: str, version: int, more: str = "") -> None:
    """One page: a name per character."""
    items = [thing(name, version) for name in names]
    metadata = {"resourceVersion": str(version), "continue": more}
    peer.answer(
        200,
        json.dumps(
            {
                "kind": "DeploymentList",
                "apiVersion": "apps/v1",
                "metadata": metadata,
                "items": items,
            }
        ),
    )


def hold(peer: Peer, *events: str) -> None:
    """A watch that sends these and stays open."""
    peer.start_chunks()
    for line in events:
        peer.chunk(line)
    peer.wait_gone()


def once(peer: Peer, *events: str) -> None:
    """A watch that sends these and ends as the server's time-out ends it."""
    peer.start_chunks()
    for line in events:
        peer.chunk(line)
    peer.chunk("")


def list_ab(peer: Peer, nth: int, _: Arguments) -> None:
    """a and b at first; b is gone and c is new in a later list."""
    listing(peer, "ab" if nth == 1 else "ac", 10 * nth)


def list_pages(peer: Peer, nth: int, arguments: Arguments) -> None:
    pages = {"": ("ab", "p/2=&"), "p/2=&": ("c", "p3"), "p3": ("d", "")}
    names, more = pages[arguments.get("continue", "")]
    listing(peer, names, 10, more)


def watch_basic(peer: Peer, nth: int, _: Arguments) -> None:
    if nth == 1:
        once(
            peer,
            event("ADDED", "e", 11),
            event("MODIFIED", "a", 12),
            event("BOOKMARK", "", 20),
            event("DELETED", "b", 21),
            event("BOOKMARK", "", 30),
        )
    else:
        hold(peer, event("MODIFIED", "z", 31))


def watch_split(peer: Peer, _: int, __: Arguments) -> None:
    """Two events in pieces of one byte, then three in one piece."""
    peer.start_chunks()
    for byte in event("ADDED", "x", 11) + event("ADDED", "ü", 12):
        peer.chunk(byte)
    peer.chunk(event("ADDED", "p", 13) + event("ADDED", "q", 14) + event("ADDED", "z", 15))
    peer.wait_gone()


def first(act: Callable[[Peer], None]) -> Act:
    """The first watch goes wrong by `act`; the later ones are sound."""

    def watch(peer: Peer, nth: int, _: Arguments) -> None:
        if nth == 1:
            act(peer)
        else:
            hold(peer, event("MODIFIED", "z", 99))

    return watch


def cut_mid_line(peer: Peer) -> None:
    peer.start_chunks()
    peer.chunk(event("ADDED", "x", 11) + event("ADDED", "y", 12)[:40])
    peer.closed = True


def close_at_once(peer: Peer, nth: int, _: Arguments) -> None:
    if nth < 4:
        once(peer)
    else:
        hold(peer, event("MODIFIED", "z", 99))


def long_line(peer: Peer) -> None:
    peer.start_chunks()
    for _ in range(80):
        peer.chunk(b"x" * 65536)
    peer.wait_gone()


def list_down(peer: Peer, nth: int, _: Arguments) -> None:
    if nth < 4:
        peer.answer(503, failure(503, "ServiceUnavailable", "apiserver is shutting down"))
    else:
        listing(peer, "a", 10)


def list_expired(peer: Peer, nth: int, arguments: Arguments) -> None:
    """The second page is asked for too late, once."""
    if nth == 1:
        listing(peer, "ab", 10, "late")
    elif "continue" in arguments:
        peer.answer(410, failure(410, "Expired", "the provided continue parameter is too old"))
    else:
        listing(peer, "ac", 20)


def list_denied(peer: Peer, _: int, __: Arguments) -> None:
    peer.answer(
        403,
        failure(403, "Forbidden", 'deployments.apps is forbidden: User "x" cannot list resource'),
    )


def list_odd(peer: Peer, nth: int, _: Arguments) -> None:
    """Answers that are no list, then one that is."""
    odd = {1: "[]", 2: '{"items":{}}', 3: '{"metadata":{},"items":[]}', 4: "{"}
    if nth in odd:
        peer.answer(200, odd[nth])
    else:
        listing(peer, "a", 10)


SOUND = first(lambda peer: hold(peer, event("MODIFIED", "z", 99)))
STATUS_410 = failure(410, "Expired", "too old resource version: 10 (20)")
STATUS_500 = failure(500, "InternalError", "etcdserver: leader changed")
SCENARIOS: dict[str, tuple[Act, Act]] = {
    "basic": (list_ab, watch_basic),
    "pages": (list_pages, SOUND),
    "asked": (list_ab, SOUND),
    "quiet": (list_down, lambda peer, *_: hold(peer)),
    "split": (list_ab, watch_split),
    "gone-status": (list_ab, first(lambda peer: peer.answer(410, STATUS_410))),
    "gone-event": (
        list_ab,
        first(lambda peer: hold(peer, f'{{"type":"ERROR","object":{STATUS_410}}}\n')),
    ),
    "error-event": (
        list_ab,
        first(lambda peer: hold(peer, f'{{"type":"ERROR","object":{STATUS_500}}}\n')),
    ),
    "garbage": (list_ab, first(lambda peer: hold(peer, event("ADDED", "x", 11), "<html>\n"))),
    "mid-line": (list_ab, first(cut_mid_line)),
    "reset": (list_ab, first(lambda peer: (peer.start_chunks(), peer.reset())[0])),
    "close-at-once": (list_ab, close_at_once),
    "long-line": (list_ab, first(long_line)),
    "down": (list_down, SOUND),
    "expired-continue": (list_expired, SOUND),
    "denied": (list_denied, SOUND),
    "odd-list": (list_odd, SOUND),
}


def token(peer: Peer, request: Request) -> None:
    """Only the token "new" is good."""
    if request.header("authorization") == "Bearer new":
        peer.answer(200, '{"who":"new"}')
    else:
        peer.answer(401, failure(401, "Unauthorized", "Unauthorized"))


def conflict(peer: Peer, _: Request) -> None:
    peer.answer(
        409,
        failure(
            409,
            "Conflict",
            'Operation cannot be fulfilled on deployments "web": the object has been modified',
        ),
    )


OTHERS: dict[str, Callable[[Peer, Request], None]] = {
    "token": token,
    "conflict": conflict,
    "plain-error": lambda peer, _: peer.answer(500, "upstream connect error", "text/plain"),
    "throttled": lambda peer, _: peer.answer(
        429,
        failure(429, "TooManyRequests", "Too many requests"),
        "application/json",
        "Retry-After: 2",
    ),
    "warned": lambda peer, _: peer.answer(
        200,
        "{}",
        "application/json",
        'Warning: 299 - "no scaler serves namespace \\"shop\\" → C:\\\\x"',
        'warning: 299 - "one" "Sun, 01 Jan 2040 00:00:00 GMT", 199 example.com "two"',
        "Warning: nothing in quotes",
        'Warning: 299 - "the end is missing\\',
    ),
    "in-2040": lambda peer, _: peer.answer(
        200, "{}", "application/json", "Date: Sun, 01 Jan 2040 00:00:00 GMT"
    ),
    "without-time": lambda peer, _: peer.answer(
        200, "{}", "application/json", "Date: when the cows come home"
    ),
    "echo": lambda peer, request: peer.answer(
        200,
        json.dumps(
            {
                "method": request.method,
                "target": request.target,
                "headers": dict(request.headers),
                "body": request.body.decode(),
                "subject": peer.subject,
            }
        ),
    ),
}


def serve(peer: Peer, request: Request) -> None:
    name = request.args()[0]
    arguments = {k: v[0] for k, v in parse_qs(request.target.partition("?")[2]).items()}
    watch = "watch" in arguments
    requests = REQUESTS.setdefault(name, [])
    requests.append({"watch": watch, "arguments": arguments})
    nth = sum(1 for r in requests if r["watch"] == watch)
    if name in OTHERS:
        OTHERS[name](peer, request)
    elif name in SCENARIOS:
        SCENARIOS[name][watch](peer, nth, arguments)
    else:
        peer.answer(404, failure(404, "NotFound", "the server could not find the resource"))


def log(peer: Peer, request: Request) -> None:
    peer.answer(200, json.dumps(REQUESTS.get(request.args()[0], [])))
