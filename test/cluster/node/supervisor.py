"""Pid 1 of the node: prepare the machine, start the components in order, keep them.

    supervisor.py PROGRAMS

Progress goes to standard output as JSON lines for ``up``: {"hello": inode of the network},
{"say": text}, and at last {"ready": seconds} or {"fail": text}. From then on it answers requests on
paths.CONTROL (see control.py), reaps orphans, and never restarts a component by itself: that one
died is something a test must see.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import dockertar

from node import certs, components, config, control, machine, paths, probe
from node.cgroups import Missing
from node.components import Component

DEADLINE = 120.0  # for each condition; seconds on an idle machine
STOP_SECONDS = 10.0
POLL = 0.05


class Failure(Exception):
    """A component did not do its part; the text carries the end of its log."""


class Node:
    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.pids: dict[str, int] = {}
        self.ended: dict[str, str] = {}

    def spawn(self, component: Component) -> None:
        program = str(self.programs / component.name)
        log = str(paths.log_of(component.name))
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.ended.pop(component.name, None)
        self.pids[component.name] = os.posix_spawn(
            program,
            [component.name, *component.arguments],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, append, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigdef=[signal.SIGPIPE, signal.SIGINT],
        )

    def reap(self) -> None:
        """Collect every ended child: ours, and the orphans pid 1 inherits."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for name, known in self.pids.items():
                if known == pid:
                    code = os.waitstatus_to_exitcode(status)
                    self.ended[name] = f"signal {-code}" if code < 0 else f"exit {code}"

    def wait(self, name: str, done: Callable[[], bool], seconds: float = DEADLINE) -> None:
        """Wait until a component's condition holds; Failure when it died or time is up."""
        deadline = time.monotonic() + seconds
        while not done():
            self.reap()
            end = paths.tail(paths.log_of(name))
            if name in self.ended:
                raise Failure(f"{name} ended ({self.ended[name]}); its log ends:\n{end}")
            if time.monotonic() > deadline:
                raise Failure(f"{name} not ready after {seconds:.0f} s; its log ends:\n{end}")
            time.sleep(POLL)

    def ready(self, component: Component) -> None:
        self.wait(component.name, component.ready)

    def start(self, name: str) -> None:
        if name in self.pids and name not in self.ended:
            raise Failure(f"{name} is already running")
        self.spawn(components.BY_NAME[name])
        self.ready(components.BY_NAME[name])

    def stop(self, name: str, number: int) -> None:
        if name not in self.pids or name in self.ended:
            raise Failure(f"{name} is not running")
        os.kill(self.pids[name], number)
        deadline = time.monotonic() + STOP_SECONDS
        while name not in self.ended:
            if time.monotonic() > deadline:
                os.kill(self.pids[name], signal.SIGKILL)
            time.sleep(POLL)
            self.reap()

    def status(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for component in components.ALL:
            name = component.name
            state = self.ended.get(name, "running")
            rows.append({"name": name, "state": state, "mib": _mib(self.pids.get(name, 0))})
        return rows


def _mib(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) // 1024
    return 0


def _import_pause(node: Node) -> None:
    with tempfile.TemporaryDirectory(dir=paths.DATA) as folder:
        root, tar = Path(folder) / "root", Path(folder) / "pause.tar"
        root.mkdir()
        (root / "pause").write_bytes((node.programs / "pause").read_bytes())
        (root / "pause").chmod(0o755)
        dockertar.write(root, tar, paths.PAUSE_IMAGE, ["/pause"])
        done = subprocess.run(
            control.import_command(node.programs, tar), capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise Failure(f"containerd refuses the image {paths.PAUSE_IMAGE}: {done.stderr.strip()}")


def _announce_dns() -> None:
    """The Service kube-dns, served by the CoreDNS process on the node."""
    for path, body in control.node_service("kube-dns", "kube-system", 53, 53, paths.DNS_IP):
        status, answer = probe.api("PATCH", f"{path}?fieldManager=node&force=true", body)
        if status not in (200, 201):
            raise Failure(f"kube-apiserver refuses {path}: {status} {answer}")


def bring_up(node: Node, say: Callable[[str], None]) -> None:
    """Start everything; each line said is a milestone."""
    config.create(node.programs)
    node.spawn(components.ETCD)
    node.spawn(components.CONTAINERD)
    certs.create()
    node.spawn(components.API_SERVER)
    node.ready(components.ETCD)
    node.ready(components.CONTAINERD)
    say("etcd and containerd serve")
    _import_pause(node)
    node.ready(components.API_SERVER)
    say("kube-apiserver is ready")
    for component in (
        components.KUBELET,
        components.CONTROLLERS,
        components.SCHEDULER,
        components.PROXY,
        components.COREDNS,
    ):
        node.spawn(component)
    _announce_dns()
    node.ready(components.CONTROLLERS)
    node.ready(components.KUBELET)
    say(f"{paths.NODE} is Ready")
    node.ready(components.PROXY)
    node.ready(components.COREDNS)
    say("Services and cluster DNS answer")


def _answer(node: Node, request: dict[str, str]) -> dict[str, object]:
    name = request.get("name", "")
    if request.get("do") in ("start", "stop") and name not in components.BY_NAME:
        return {"error": f"no component {name!r}; there are {', '.join(components.BY_NAME)}"}
    try:
        match request.get("do"):
            case "status":
                return {"components": node.status()}
            case "stop":
                node.stop(name, signal.Signals[request.get("signal", "SIGTERM")])
            case "start":
                node.start(name)
            case other:
                return {"error": f"no request {other!r}"}
    except Failure as error:
        return {"error": str(error)}
    return {}


def _serve_one(node: Node, server: socket.socket) -> None:
    client, _ = server.accept()
    client.settimeout(5)
    with client, contextlib.suppress(OSError, json.JSONDecodeError):
        stream = client.makefile("rw")
        json.dump(_answer(node, json.loads(stream.readline())), stream)
        stream.flush()


def serve(node: Node) -> None:
    """Answer requests and reap, for ever; the end is SIGKILL from outside."""
    wake, wakened = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(wakened, False)
    signal.set_wakeup_fd(wakened)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    with socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as selector:
        server.bind(str(paths.CONTROL))
        server.listen(8)
        selector.register(server, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        tell({"ready": True})
        while True:
            for key, _ in selector.select():
                if key.fd == wake:
                    os.read(wake, 512)
                else:
                    _serve_one(node, server)
            node.reap()


def tell(message: dict[str, object]) -> None:
    """Report to ``up``; if it is gone, the node goes on without it."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, (json.dumps(message) + "\n").encode())
    if "ready" in message:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tell({"hello": os.stat("/proc/self/ns/net").st_ino})
    node = Node(Path(sys.argv[1]))
    try:
        machine.prepare()
        bring_up(node, lambda text: tell({"say": text}))
        serve(node)
    except Missing as error:
        tell({"fail": f"this machine lacks: {error}"})
    except Failure as error:
        tell({"fail": str(error)})
    sys.exit(1)


if __name__ == "__main__":
    main()
