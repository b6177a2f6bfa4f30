"""The configuration files of containerd, kubelet, the CNI plugins and CoreDNS."""

from __future__ import annotations

import json
from pathlib import Path

from node import paths

CRI = "plugins.'io.containerd.cri.v1"


def _containerd(programs: Path) -> str:
    return f"""version = 3
root = '{paths.DATA}/containerd'
state = '{paths.DATA}/containerd-state'

[grpc]
address = '{paths.CONTAINERD_SOCKET}'

[{CRI}.runtime']
# Lowering oom_score_adj is refused in a sandboxed machine.
restrict_oom_score_adj = true
# A profile would stay loaded in the host's kernel.
disable_apparmor = true

[{CRI}.runtime'.cni]
bin_dirs = ['{paths.CNI_PLUGINS}']
conf_dir = '{paths.CONFIG}/cni'

[{CRI}.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[{CRI}.runtime'.containerd.runtimes.runc.options]
BinaryName = '{programs}/runc'
SystemdCgroup = false

[{CRI}.images'.pinned_images]
sandbox = 'local/{paths.PAUSE_IMAGE}'

[{CRI}.images'.registry]
config_path = '{paths.REGISTRIES}'
"""


def registry(host: str, authority: Path) -> None:
    """Let containerd pull from that host, whose certificate the authority signed."""
    folder = paths.REGISTRIES / host
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts.toml").write_text(
        f"""server = 'https://{host}'

[host.'https://{host}']
capabilities = ['pull', 'resolve']
ca = '{authority}'
"""
    )


def _cni() -> str:
    bridge = {
        "type": "bridge",
        "bridge": paths.BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": f"{paths.DATA}/cni",
            "ranges": [[{"subnet": paths.POD_CIDR, "gateway": paths.NODE_IP}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}, indent=2)


def _kubelet() -> str:
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": f"{paths.PKI}/ca.crt"},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{paths.CGROUP}",
        "clusterDNS": [paths.DNS_IP],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{paths.CONTAINERD_SOCKET}",
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "maxPods": 500,
        "oomScoreAdj": 0,
        "podLogsDir": f"{paths.DATA}/pod-logs",
        "resolvConf": "",
    }
    return json.dumps(config, indent=2)


def _corefile() -> str:
    # Nothing is forwarded: the node has no way out, and an honest NXDOMAIN beats a time-out.
    return f""".:53 {{
    bind {paths.NODE_IP}
    errors
    hosts {paths.HOSTS} {{
        ttl 1
        reload 1s
        fallthrough
    }}
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {paths.KUBECONFIG}
        ttl 1
    }}
    file {paths.CONFIG}/root.zone . {{
        reload 0
    }}
}}
"""


ROOT_ZONE = ". 1 IN SOA ns. admin. 1 3600 600 86400 1\n. 1 IN NS ns.\n"


def create(programs: Path) -> None:
    """Write all configuration below CONFIG. ``programs`` is the directory of the binaries."""
    (paths.CONFIG / "cni").mkdir(parents=True, exist_ok=True)
    paths.REGISTRIES.mkdir(exist_ok=True)
    (paths.CONFIG / "containerd.toml").write_text(_containerd(programs))
    (paths.CONFIG / "cni" / "10-pods.conflist").write_text(_cni())
    (paths.CONFIG / "kubelet.json").write_text(_kubelet())
    (paths.CONFIG / "Corefile").write_text(_corefile())
    (paths.CONFIG / "root.zone").write_text(ROOT_ZONE)
    paths.HOSTS.touch()
