"""Certificates and kubeconfigs of the node, made anew at each start by openssl."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

from node import paths

DAYS = "30"
EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
SERVER_NAMES = (
    f"IP:{paths.NODE_IP}",
    f"IP:{paths.API_SERVICE_IP}",
    "IP:127.0.0.1",
    "DNS:localhost",
    "DNS:kubernetes",
    "DNS:kubernetes.default",
    "DNS:kubernetes.default.svc",
    "DNS:kubernetes.default.svc.cluster.local",
)


def _openssl(*arguments: str | Path) -> None:
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def _authority(name: str) -> None:
    key, cert = paths.PKI / f"{name}.key", paths.PKI / f"{name}.crt"
    usage = "keyUsage=critical,keyCertSign,cRLSign"
    _openssl(
        *("req", "-x509", *EC_KEY, "-days", DAYS, "-subj", f"/CN={name}"),
        *("-addext", usage, "-keyout", key, "-out", cert),
    )


def _leaf(name: str, authority: str, subject: str, usage: str, names: str = "") -> None:
    key, cert = paths.PKI / f"{name}.key", paths.PKI / f"{name}.crt"
    extensions = ["-addext", f"extendedKeyUsage={usage}"]
    extensions += ["-addext", "basicConstraints=critical,CA:FALSE"]
    if names:
        extensions += ["-addext", f"subjectAltName={names}"]
    _openssl(
        *("req", "-x509", *EC_KEY, "-days", DAYS, "-subj", subject, *extensions),
        *("-CA", paths.PKI / f"{authority}.crt", "-CAkey", paths.PKI / f"{authority}.key"),
        *("-keyout", key, "-out", cert),
    )


def _kubeconfig(server: str, client: str) -> str:
    def data(name: str) -> str:
        return base64.b64encode((paths.PKI / name).read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": data("ca.crt")}
    user = {
        "client-certificate-data": data(f"{client}.crt"),
        "client-key-data": data(f"{client}.key"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "ampscale", "cluster": cluster}],
        "users": [{"name": client, "user": user}],
        "contexts": [{"name": "ampscale", "context": {"cluster": "ampscale", "user": client}}],
        "current-context": "ampscale",
    }
    return json.dumps(config, indent=2) + "\n"  # JSON is YAML


def create() -> None:
    """Fill PKI and write the administrator's kubeconfig."""
    paths.PKI.mkdir(mode=0o700, exist_ok=True)
    _authority("ca")
    _authority("front-proxy-ca")
    _leaf("apiserver", "ca", "/CN=kube-apiserver", "serverAuth", ",".join(SERVER_NAMES))
    _leaf("admin", "ca", "/O=system:masters/CN=admin", "clientAuth")
    _leaf("front-proxy", "front-proxy-ca", "/CN=front-proxy", "clientAuth")
    # RSA, as EKS signs ServiceAccount tokens with RS256.
    _openssl("genrsa", "-out", paths.PKI / "sa.key", "2048")
    paths.KUBECONFIG.touch(mode=0o600)
    paths.KUBECONFIG.write_text(_kubeconfig(paths.API_SERVER, "admin"))


def registry(host: str) -> tuple[Path, Path, Path]:
    """Authority, certificate and key of a container registry on the node."""
    _leaf("registry", "ca", f"/CN={host}", "serverAuth", f"DNS:{host}")
    return paths.PKI / "ca.crt", paths.PKI / "registry.crt", paths.PKI / "registry.key"
