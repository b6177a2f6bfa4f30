"""The node's fixed places and addresses. All of them exist in its own namespaces or in STATE."""

from __future__ import annotations

from pathlib import Path

RUN = Path("/run/ampscale")
STATE = RUN / "cluster"  # seen by the host and by the node
DATA = STATE / "data"  # a tmpfs of the node: etcd, containerd, kubelet; gone with its namespace
LOGS = STATE / "logs"
PKI = STATE / "pki"
CONFIG = STATE / "config"
RECORD = STATE / "record.json"
CONTROL = STATE / "control.sock"
KUBECONFIG = STATE / "admin.kubeconfig"
REGISTRIES = CONFIG / "registries"  # containerd's hosts.toml, read at each pull
HOSTS = STATE / "hosts"  # names CoreDNS answers besides the cluster's, in the form of /etc/hosts
CONTAINERD_SOCKET = DATA / "containerd.sock"
CNI_PLUGINS = Path("/usr/lib/cni")

NODE = "node-1"
BRIDGE = "kube0"
NODE_IP = "10.88.0.1"
POD_CIDR = "10.88.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DNS_IP = "10.96.0.10"
API_SERVER = f"https://{NODE_IP}:6443"
ISSUER = "https://kubernetes.default.svc"
CGROUP = "ampscale"  # the parent of kubepods in every hierarchy, so that only ours is removed
PAUSE_IMAGE = "pause:1"
REGISTRY = "registry.test"  # where a test starts one: test/cluster/registry


def log_of(component: str) -> Path:
    return LOGS / f"{component}.log"


def tail(log: Path, lines: int = 20) -> str:
    """The end of a log, for a message about its component's failure."""
    try:
        text = log.read_text(errors="replace").splitlines()
    except OSError as error:
        return f"(no log: {error.strerror})"
    return "\n".join(line[:400] for line in text[-lines:])
