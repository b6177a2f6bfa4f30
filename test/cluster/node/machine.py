"""Turn fresh network, mount and pid namespaces into a machine of its own for the node.

Runs as pid 1 of the node. All of it vanishes with the namespaces; nothing of the host is changed:
what the node's programs write below /run, /var/lib and /var/log stays in the node's own tmpfs, and
kubelet finds the kernel tunables it would otherwise set for the whole machine.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

from node import paths
from node.cgroups import Missing

MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
LIBC = ctypes.CDLL(None, use_errno=True)
TMPFS_SIZE = "size=75%,mode=0755"
# Files laid over single ones of the host are not on DATA: kubelet would take one of those mounts
# for the file system that it measures.
OWN = Path("/run/own")
WRITABLE = ("/var/lib", "/var/log")

# kubelet sets these unless it finds them so.
TUNABLES = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def _mount(source: str, target: str | Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    arguments = (source.encode(), str(target).encode(), kind.encode(), flags, data.encode())
    if LIBC.mount(*arguments) != 0:
        error = os.strerror(ctypes.get_errno())
        raise Missing(f"mount of {kind or source} on {target}: {error}")


def _bind(source: str | Path, target: str | Path) -> None:
    _mount(str(source), target, flags=MS_BIND | MS_REC)


def _run(feature: str, *command: str, stdin: str = "") -> None:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing(f"{feature}: {' '.join(command)}: {done.stderr.strip()}")


def _own_run() -> None:
    """An empty /run, so that sockets of the host's daemons and of ours never meet."""
    ours = os.open(paths.RUN, os.O_PATH | os.O_DIRECTORY)
    _mount("tmpfs", "/run", "tmpfs", data=TMPFS_SIZE)
    paths.RUN.mkdir(parents=True)
    OWN.mkdir()
    _bind(f"/proc/self/fd/{ours}", paths.RUN)
    os.close(ours)


def _own_files() -> None:
    paths.DATA.mkdir(exist_ok=True)
    _mount("tmpfs", paths.DATA, "tmpfs", data=TMPFS_SIZE)
    for folder in WRITABLE:
        upper = paths.DATA / "own" / folder.strip("/").replace("/", "-")
        work = upper.with_suffix(".work")
        upper.mkdir(parents=True)
        work.mkdir()
        layers = f"lowerdir={folder},upperdir={upper},workdir={work}"
        _mount("overlay", folder, "overlay", data=layers)


def _own_tunables() -> None:
    for name, value in TUNABLES.items():
        target = Path("/proc/sys") / name
        if target.exists():
            source = OWN / name
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_text(f"{value}\n")
            _bind(source, target)


def _own_resolver() -> None:
    """Programs on the node find Services by name, as pods do."""
    text = f"nameserver {paths.DNS_IP}\nsearch svc.cluster.local cluster.local\noptions ndots:5\n"
    target = Path("/etc/resolv.conf").resolve()
    if target.is_relative_to("/run"):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    elif target.exists():
        source = OWN / "resolv.conf"
        source.write_text(text)
        _bind(source, target)


def _network() -> None:
    bridge = paths.BRIDGE
    prefix = paths.POD_CIDR.partition("/")[2]
    _run("loopback", "ip", "link", "set", "lo", "up")
    _run("bridge devices", "ip", "link", "add", bridge, "type", "bridge")
    _run("addresses", "ip", "address", "add", f"{paths.NODE_IP}/{prefix}", "dev", bridge)
    _run("bridge devices", "ip", "link", "set", bridge, "up")
    _run("routes", "ip", "route", "add", "default", "dev", bridge)
    _run("veth devices", "ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1")
    _run("veth devices", "ip", "link", "delete", "probe0")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    rules = """
table ip probe {
    chain nat {
        type nat hook postrouting priority srcnat;
        masquerade
        numgen random mod 2 vmap { 0 : accept, 1 : accept }
        fib daddr type local accept
    }
}
delete table ip probe
"""
    _run("nftables with NAT", "nft", "-f", "-", stdin=rules)


def prepare() -> None:
    """Make the machine; Missing names the first feature that this kernel or sandbox lacks."""
    _mount("none", "/", flags=MS_REC | MS_PRIVATE)
    _own_run()
    _own_files()
    _own_tunables()
    _own_resolver()
    _network()
