"""KEDA's operator and metrics adapter as processes on the node, installed by its own manifests.

They run with KEDA's flags and the rights of its ServiceAccount. Certificates are ours, as with
cert-manager (--enable-cert-rotation=false). Its validating webhook takes no part in scaling and is
left out. The HPA's controller is the node's kube-controller-manager with its defaults.
"""

from __future__ import annotations

import base64
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

from node import cache, control

from scaling import account, backend
from scaling.kube import Api, ApiError, wait_until
from scaling.processes import Process
from scaling.workloads import NAMESPACE, Rules, Workload

KEDA = "keda"
ACCOUNT = "keda-operator"
ADAPTER_PORT = 16443
GRPC_PORT = 9666
PROBE = "127.0.0.1:18081"
OBJECTS = f"/apis/keda.sh/v1alpha1/namespaces/{NAMESPACE}/scaledobjects"
HPAS = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers"
API_SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io"
MANIFESTS = (
    "general/namespace.yaml",
    "crd/bases",
    "service_account/service_account.yaml",
    "rbac/role.yaml",
    "rbac/role_binding.yaml",
    "metrics-server/role.yaml",
    "metrics-server/role_binding.yaml",
    "metrics-server/service.yaml",
    "metrics-server/api_service.yaml",
)
NAMES = (
    "DNS:keda-metrics-apiserver.keda.svc",
    "DNS:keda-operator.keda.svc.cluster.local",
    "IP:127.0.0.1",
)
READY_S = 90.0


def _certificates(folder: Path) -> None:
    """One authority, and one certificate that both use as server and as client."""
    folder.mkdir()
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    new += ["-nodes", "-days", "2"]
    authority = ["-subj", "/CN=keda-ca", "-keyout", "ca.key", "-out", "ca.crt"]
    leaf = [
        *("-subj", "/CN=keda", "-addext", "extendedKeyUsage=serverAuth,clientAuth"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-addext", f"subjectAltName={','.join(NAMES)}"),
        *("-CA", "ca.crt", "-CAkey", "ca.key", "-keyout", "tls.key", "-out", "tls.crt"),
    ]
    for words in (authority, leaf):
        subprocess.run([*new, *words], cwd=folder, check=True, capture_output=True)


class Keda:
    def __init__(
        self, api: Api, module: cache.Module, rules: Rules, folder: Path, qps: int = 0
    ) -> None:
        """qps: the requests a second that its client of the API server allows itself, of each
        program; 0 leaves KEDA's default of 20, at which 2,000 objects take over half an hour."""
        self.api = api
        self.programs = module.entry()
        self.title = f"KEDA {module.version()}" + (f", {qps} qps" if qps else "")
        self.rules = rules
        self.folder = folder
        self.qps = [f"--kube-api-qps={qps}", f"--kube-api-burst={qps * 3 // 2}"] if qps else []
        self.processes: dict[str, Process] = {}

    def start(self) -> None:
        self._install()
        certificates = self.folder / "keda-certificates"
        _certificates(certificates)
        bundle = base64.b64encode((certificates / "ca.crt").read_bytes()).decode()
        self.api.patch(API_SERVICE, {"spec": {"caBundle": bundle}})
        config = self.folder / "keda.kubeconfig"
        account.kubeconfig(self.api, KEDA, ACCOUNT, config)
        environment = {
            "KUBECONFIG": str(config),
            "POD_NAMESPACE": KEDA,
            "KEDA_CLUSTER_OBJECT_NAMESPACE": KEDA,
            "WATCH_NAMESPACE": "",
        }
        self._start("operator", environment, self._operator(certificates))
        wait_until(self._operator_ready, READY_S, "KEDA's operator is ready")
        self._start("adapter", environment, self._adapter(certificates, config))
        wait_until(self._adapter_ready, READY_S, "external.metrics.k8s.io is Available")

    def _install(self) -> None:
        files = [word for name in MANIFESTS for word in ("-f", f"{self.programs}/config/{name}")]
        done = subprocess.run(
            ["kubectl", "apply", "--server-side", "--force-conflicts", *files],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ApiError(f"KEDA's manifests: {done.stderr.strip()}")
        name = "keda-metrics-apiserver"
        # Its Service selects pods; here it leads to the process on the node.
        self.api.patch(f"/api/v1/namespaces/{KEDA}/services/{name}", {"spec": {"selector": None}})
        slice_path, slice_body = control.node_service(name, KEDA, 443, ADAPTER_PORT)[1]
        slice_body["ports"][0]["name"] = "https"
        self.api.apply(slice_path, slice_body)

    @staticmethod
    def _operator(certificates: Path) -> list[str]:
        return [
            "--leader-elect",
            "--zap-log-level=info",
            "--zap-encoder=console",
            "--zap-time-encoding=rfc3339",
            "--enable-cert-rotation=false",
            f"--cert-dir={certificates}",
            "--metrics-bind-address=127.0.0.1:18082",
            f"--health-probe-bind-address={PROBE}",
            f"--metrics-service-bind-address=127.0.0.1:{GRPC_PORT}",
        ]

    @staticmethod
    def _adapter(certificates: Path, config: Path) -> list[str]:
        return [
            f"--secure-port={ADAPTER_PORT}",
            "--port=18083",
            "--zap-log-level=error",
            f"--client-ca-file={certificates}/ca.crt",
            f"--tls-cert-file={certificates}/tls.crt",
            f"--tls-private-key-file={certificates}/tls.key",
            f"--cert-dir={certificates}",
            f"--metrics-service-address=127.0.0.1:{GRPC_PORT}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            f"--lister-kubeconfig={config}",
        ]

    def _start(self, name: str, environment: dict[str, str], words: list[str]) -> None:
        command = [str(self.programs / name), *words, *self.qps]
        log = self.folder / f"keda-{name}.log"
        self.processes[name] = Process(f"KEDA's {name}", command, log, environment)

    def check(self) -> None:
        for process in self.processes.values():
            process.check()

    def _operator_ready(self) -> bool:
        self.check()
        try:
            with urllib.request.urlopen(f"http://{PROBE}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def _adapter_ready(self) -> bool:
        self.check()
        conditions = self.api.call("GET", API_SERVICE).get("status", {}).get("conditions", [])
        return any(c["type"] == "Available" and c["status"] == "True" for c in conditions)

    def register(self, all_: list[Workload]) -> None:
        for w in all_:
            metadata = {"serverAddress": backend.URL, "query": w.query, "threshold": w.threshold}
            spec = {
                "scaleTargetRef": {"name": w.name},
                "pollingInterval": self.rules.interval_s,
                "minReplicaCount": self.rules.min_replicas,
                "maxReplicaCount": 100,
                "triggers": [{"type": "prometheus", "metadata": metadata}],
            }
            head = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject"}
            self.api.call("POST", OBJECTS, head | {"metadata": {"name": w.name}, "spec": spec})

    def settled(self, count: int) -> bool:
        """Whether each has an HPA that has read its metric."""
        active = 0
        for hpa in self.api.items(HPAS):
            conditions = hpa.get("status", {}).get("conditions", [])
            active += any(
                c["type"] == "ScalingActive" and c["status"] == "True" for c in conditions
            )
        return active == count

    def lateness(self) -> Callable[[], float | None]:
        return lambda: None

    def stop(self) -> None:
        for process in reversed(self.processes.values()):
            process.stop()
