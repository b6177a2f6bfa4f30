"""What the scripts ask of a running node, and the few commands several of them share."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from node import paths, record

SECONDS = 180.0


def say(text: str) -> None:
    print(f"cluster: {text}", flush=True)


def fail(text: str, code: int = 1) -> NoReturn:
    print(f"cluster: {text}", file=sys.stderr, flush=True)
    raise SystemExit(code)


def running() -> record.Record:
    """The record of the running node, as seen from the host or from within; else exit 1."""
    known = record.load()
    if known is None or not (record.inside(known) or known.alive()):
        fail("no cluster is running; test/cluster/up starts one")
    return known


def ask(**request: str) -> dict[str, Any]:
    """One request to pid 1 of the node; exits with its complaint if there is one."""
    running()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SECONDS)
        try:
            client.connect(str(paths.CONTROL))
        except OSError as error:
            fail(f"the node does not answer (is it still starting?): {error}")
        stream = client.makefile("rw")
        stream.write(json.dumps(request) + "\n")
        stream.flush()
        answer: dict[str, Any] = json.loads(stream.readline() or '{"error": "the node hung up"}')
    if "error" in answer:
        fail(answer["error"])
    return answer


def environment(known: record.Record) -> dict[str, str]:
    """The caller's environment, with the node's programs and cluster; caches stay in the node."""
    return os.environ | {
        "PATH": f"{known.bin}:{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin",
        "KUBECONFIG": str(paths.KUBECONFIG),
        "KUBECACHEDIR": f"{paths.DATA}/kubectl",
        "HELM_CACHE_HOME": f"{paths.DATA}/helm/cache",
        "HELM_CONFIG_HOME": f"{paths.DATA}/helm/config",
        "HELM_DATA_HOME": f"{paths.DATA}/helm/data",
        "AMPSCALE_NODE_IP": paths.NODE_IP,
    }


def enter_command(known: record.Record, command: list[str]) -> list[str]:
    """The command line that runs ``command`` within the node, in the same working directory."""
    if record.inside(known):
        return command
    assert known.init is not None
    # A process within ends with the one outside that stands for it.
    start = ["sh", "-c", 'cd -- "$0" 2>/dev/null; exec "$@"', os.getcwd(), *command]
    guard = ["setpriv", "--pdeathsig", "TERM", *start]
    return ["nsenter", "-t", str(known.init.pid), "-n", "-m", "-p", "-r", "--wdns=/", *guard]


def import_command(programs: Path, tar: Path) -> list[str]:
    address = ["--address", str(paths.CONTAINERD_SOCKET), "--namespace", "k8s.io"]
    return [str(programs / "ctr"), *address, "images", "import", str(tar)]


def node_service(
    name: str, namespace: str, port: int, target: int, address: str = ""
) -> list[tuple[str, dict[str, Any]]]:
    """A Service without selector and its EndpointSlice: a process on the node, as (path, body)."""
    protocols = ["UDP", "TCP"] if port == 53 else ["TCP"]
    metadata = {"name": name, "namespace": namespace}
    ports = [
        {"name": p.lower(), "protocol": p, "port": port, "targetPort": target} for p in protocols
    ]
    spec: dict[str, Any] = {"ports": ports}
    if address:
        spec["clusterIP"] = address
    labels = {"kubernetes.io/service-name": name}
    slice_body = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata | {"labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [paths.NODE_IP], "conditions": {"ready": True}}],
        "ports": [{"name": p.lower(), "protocol": p, "port": target} for p in protocols],
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    base = f"namespaces/{namespace}"
    return [
        (f"/api/v1/{base}/services/{name}", service),
        (f"/apis/discovery.k8s.io/v1/{base}/endpointslices/{name}", slice_body),
    ]
