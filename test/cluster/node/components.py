"""The table of what runs on the node: command line, and how to see that it serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from node import paths, probe


@dataclass(frozen=True)
class Component:
    name: str
    arguments: tuple[str, ...]
    ready: Callable[[], bool]


def _api_server() -> tuple[str, ...]:
    pki = paths.PKI
    return (
        f"--advertise-address={paths.NODE_IP}",
        "--bind-address=0.0.0.0",
        "--secure-port=6443",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--service-cluster-ip-range={paths.SERVICE_CIDR}",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--service-account-issuer={paths.ISSUER}",
        f"--service-account-key-file={pki}/sa.key",
        f"--service-account-signing-key-file={pki}/sa.key",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki}/front-proxy.crt",
        f"--proxy-client-key-file={pki}/front-proxy.key",
        f"--kubelet-client-certificate={pki}/admin.crt",
        f"--kubelet-client-key={pki}/admin.key",
        "--kubelet-preferred-address-types=InternalIP",
    )


def _api_ready() -> bool:
    return probe.api("GET", "/readyz")[0] == 200


def node_ready() -> bool:
    status, node = probe.api("GET", f"/api/v1/nodes/{paths.NODE}")
    if status != 200:
        return False
    conditions = node["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def dns_ready() -> bool:
    """Through the Service address, so kube-proxy's rules are in place too."""
    name = "kubernetes.default.svc.cluster.local"
    return probe.resolve(name, paths.DNS_IP) == paths.API_SERVICE_IP


def default_account_ready() -> bool:
    return probe.api("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200


KUBECONFIG = f"--kubeconfig={paths.KUBECONFIG}"

ETCD = Component(
    "etcd",
    (f"--data-dir={paths.DATA}/etcd", "--unsafe-no-fsync", "--log-level=warn"),
    lambda: probe.http_ok(2379, "/health"),
)
CONTAINERD = Component(
    "containerd",
    (f"--config={paths.CONFIG}/containerd.toml", "--log-level=warn"),
    lambda: probe.accepts(str(paths.CONTAINERD_SOCKET)),
)
API_SERVER = Component("kube-apiserver", _api_server(), _api_ready)
CONTROLLERS = Component(
    "kube-controller-manager",
    (
        KUBECONFIG,
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        f"--root-ca-file={paths.PKI}/ca.crt",
        f"--service-account-private-key-file={paths.PKI}/sa.key",
    ),
    default_account_ready,
)
SCHEDULER = Component(
    "kube-scheduler",
    (KUBECONFIG, "--bind-address=127.0.0.1", "--leader-elect=false"),
    _api_ready,
)
PROXY = Component(
    "kube-proxy",
    (
        KUBECONFIG,
        "--proxy-mode=nftables",
        f"--cluster-cidr={paths.POD_CIDR}",
        # Pods share one bridge: without it, the answer of a Service's pod would bypass the node.
        "--masquerade-all",
        f"--hostname-override={paths.NODE}",
        "--conntrack-max-per-core=0",  # the limit belongs to the whole machine
        "--oom-score-adj=0",
    ),
    lambda: probe.http_ok(10256, "/livez"),
)
KUBELET = Component(
    "kubelet",
    (
        KUBECONFIG,
        f"--config={paths.CONFIG}/kubelet.json",
        f"--root-dir={paths.DATA}/kubelet",
        f"--hostname-override={paths.NODE}",
        f"--node-ip={paths.NODE_IP}",
    ),
    node_ready,
)
COREDNS = Component("coredns", (f"-conf={paths.CONFIG}/Corefile",), dns_ready)

# In the order in which they are listed to people.
ALL = (ETCD, API_SERVER, CONTROLLERS, SCHEDULER, CONTAINERD, KUBELET, PROXY, COREDNS)
BY_NAME = {component.name: component for component in ALL}
