"""A small API server and a Prometheus on one loopback port, for running whole programs against.

The API server keeps any object of any collection, with resourceVersions that grow, compare-and-set,
list and watch, /scale and /status, and remembers who wrote what: clients are told apart by their
bearer token. It can be made to go away (`down`) and to forbid (`forbid`). Prometheus answers
POST /prom/…/api/v1/query with what `answer` says.
"""

from __future__ import annotations

import copy
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

Object = dict[str, Any]
Answer = float | int | None  # a value; None: empty

PATH = re.compile(
    r"/apis/(?P<group>[^/]+/[^/]+)(/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<kind>[^/]+)(/(?P<name>[^/]+))?(/(?P<part>[^/]+))?$"
)

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
NAME = re.compile(rf"{LABEL}(\.{LABEL})*")


@dataclass
class Write:
    """One request that changed something, or was refused with a status of 400 or more."""

    at: float
    who: str
    method: str
    path: str
    body: Object
    status: int


@dataclass(frozen=True)
class Key:
    kind: str
    namespace: str
    name: str


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class World:
    """Everything there is, under one lock; `changed` is notified when there is news."""

    objects: dict[Key, Object] = field(default_factory=dict)
    history: list[tuple[int, str, Key, Object]] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    queries: list[tuple[float, str, str]] = field(default_factory=list)
    forbid: set[str] = field(default_factory=set)  # kinds that may not be listed
    late: set[str] = field(default_factory=set)  # kinds whose list waits until they are not in here
    awaited: set[str] = field(default_factory=set)  # those that somebody waits for
    answer: Callable[[str, str], Answer | tuple[int, str] | float] = lambda place, query: None
    down: bool = False
    version: int = 100
    changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, kind: str, thing: Object, event: str = "MODIFIED") -> Object:
        """Store with the next version. The lock is held."""
        self.version += 1
        meta = thing["metadata"]
        meta["resourceVersion"] = str(self.version)
        meta.setdefault("uid", f"uid-{self.version}")
        key = Key(kind, meta["namespace"], meta["name"])
        event = event if key in self.objects else "ADDED"
        if event == "DELETED":
            del self.objects[key]
        else:
            self.objects[key] = thing
        self.history.append((self.version, event, key, copy.deepcopy(thing)))
        self.changed.notify_all()
        return thing

    def get(self, kind: str, namespace: str, name: str) -> Object:
        found = self.objects.get(Key(kind, namespace, name))
        if found is None:
            raise Refused(404, f'{kind} "{name}" not found')
        return found


def merge(target: Object, patch: Object) -> None:
    """RFC 7396."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


def merge_conditions(target: Object, patch: list[Object]) -> None:
    """Strategic merge of status.conditions: by type, with $patch: delete."""
    by_type = {one["type"]: one for one in target.setdefault("conditions", [])}
    for one in patch:
        if one.get("$patch") == "delete":
            by_type.pop(one["type"], None)
        else:
            by_type.setdefault(one["type"], {}).update(one)
    target["conditions"] = list(by_type.values())


def check(thing: Object, meta: Object, part: str | None = None) -> None:
    """What a writer believes of an object must be so; told in the words of the API server."""
    there = thing["metadata"]
    if meta.get("uid", there["uid"]) != there["uid"]:
        if part == "status":
            raise Refused(422, f'metadata.uid: Invalid value: "{meta["uid"]}": field is immutable')
        text = f"UID in precondition: {meta['uid']}, UID in object meta: {there['uid']}"
        raise Refused(409, f"Precondition failed: {text}")
    if meta.get("resourceVersion", there["resourceVersion"]) != there["resourceVersion"]:
        raise Refused(409, "the object has been modified")


def scale_of(thing: Object) -> Object:
    meta = {k: thing["metadata"][k] for k in ("name", "namespace", "uid", "resourceVersion")}
    spec = {"replicas": thing["spec"]["replicas"]} if thing["spec"]["replicas"] else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec}


def patch_part(world: World, kind: str, thing: Object, part: str | None, body: Object) -> Object:
    check(thing, body.get("metadata", {}), part)
    new = copy.deepcopy(thing)
    if part == "scale":
        if new["spec"]["replicas"] == body["spec"]["replicas"]:
            return scale_of(new)
        new["spec"]["replicas"] = body["spec"]["replicas"]
        return scale_of(world.put(kind, new))
    if part == "status":
        merge_conditions(new.setdefault("status", {}), body["status"]["conditions"])
    else:
        merge(new, body)
    return world.put(kind, new)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def reply(self, status: int, body: Object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ValueError):
            self.close_connection = True

    def any_method(self) -> None:
        world = self.server.world
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length).decode()
        path, _, query = self.path.partition("?")
        if path.startswith("/prom/"):
            self.prometheus(path.split("/")[2], parse_qs(raw)["query"][0])
            return
        if world.down:
            self.close_connection = True
            return
        arguments = {k: v[0] for k, v in parse_qs(query).items()}
        try:
            if "watch" in arguments:
                self.watch(path, arguments)
            else:
                self.exchange(path, arguments, json.loads(raw) if raw else {})
        except Refused as refused:
            self.reply(
                refused.status,
                {"kind": "Status", "code": refused.status, "message": str(refused)},
            )

    do_GET = do_POST = do_PUT = do_PATCH = any_method

    def exchange(self, path: str, arguments: dict[str, str], body: Object) -> None:
        world = self.server.world
        who = self.headers.get("Authorization", "").removeprefix("Bearer ")
        status, answer = 200, {}
        with world.changed:
            try:
                answer = self.act(path, arguments, body)
            except Refused as refused:
                status = refused.status
                raise
            finally:
                if self.command != "GET":
                    now = time.monotonic()
                    world.writes.append(Write(now, who, self.command, path, body, status))
                    world.changed.notify_all()
        self.reply(201 if self.command == "POST" else 200, answer)

    def act(self, path: str, arguments: dict[str, str], body: Object) -> Object:
        world = self.server.world
        found = PATH.match(path)
        if found is None:
            raise Refused(404, f"no such path: {path}")
        kind, namespace, name = found["kind"], found["namespace"], unquote(found["name"] or "")
        if not name and self.command == "POST":
            if not NAME.fullmatch(body["metadata"]["name"]):
                raise Refused(
                    422, "metadata.name: a lowercase RFC 1123 subdomain must consist of …"
                )
            if Key(kind, namespace, body["metadata"]["name"]) in world.objects:
                raise Refused(409, "already exists")
            return world.put(kind, body)
        if not name:
            return self.list(kind, namespace, arguments)
        thing = world.get(kind, namespace, name)
        if self.command == "PUT":
            check(thing, body["metadata"])
            body["metadata"]["uid"] = thing["metadata"]["uid"]
            return world.put(kind, body)
        if self.command == "PATCH":
            return patch_part(world, kind, thing, found["part"], body)
        return scale_of(thing) if found["part"] == "scale" else thing

    def chosen(self, kind: str, namespace: str | None, arguments: dict[str, str], key: Key) -> bool:
        wanted = arguments.get("fieldSelector", "").removeprefix("metadata.name=")
        return key.kind == kind and namespace in (None, key.namespace) and wanted in ("", key.name)

    def list(self, kind: str, namespace: str | None, arguments: dict[str, str]) -> Object:
        world = self.server.world
        if kind in world.late:
            world.awaited.add(kind)
            world.changed.wait_for(lambda: kind not in world.late, 20)
        if kind in world.forbid:
            raise Refused(403, f"{kind} is forbidden")
        items = [o for k, o in world.objects.items() if self.chosen(kind, namespace, arguments, k)]
        return {"metadata": {"resourceVersion": str(world.version)}, "items": items}

    def watch(self, path: str, arguments: dict[str, str]) -> None:
        world = self.server.world
        found = PATH.match(path)
        assert found is not None
        seen = int(arguments["resourceVersion"])
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        while True:
            with world.changed:
                news = [h for h in world.history if h[0] > seen]
                if not news and not world.down:
                    world.changed.wait(1)
                if world.down:
                    self.close_connection = True
                    return
            for version, event, key, thing in news:
                seen = version
                if self.chosen(found["kind"], found["namespace"], arguments, key):
                    line = json.dumps({"type": event, "object": thing}).encode() + b"\n"
                    self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")

    def prometheus(self, place: str, query: str) -> None:
        world = self.server.world
        world.queries.append((time.monotonic(), place, query))
        answer = world.answer(place, query)
        if isinstance(answer, tuple):
            self.reply(answer[0], {"status": "error", "errorType": "x", "error": answer[1]})
            return
        result = [] if answer is None else [{"metric": {}, "value": [time.time(), str(answer)]}]
        data = {"resultType": "vector", "result": result}
        self.reply(200, {"status": "success", "data": data})


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, world: World) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.world = world

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[tuple[World, int]]:
    """The world and the port it is served on."""
    world = World()
    server = Server(world)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield world, server.server_address[1]
    finally:
        with world.changed:
            world.down = True
            world.changed.notify_all()
        server.shutdown()
        server.server_close()
