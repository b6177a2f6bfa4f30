"""ampscale-scaler as a process against pretendkube, and what a test asks of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pretendkube
from pretendkube import Object, World, Write
from waiting import free_port

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD_DIR", ROOT / "build" / "dev"))
PROGRAM = BUILD / "bin" / "ampscale-scaler"
SANITIZER = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")


class Scaler:
    """One process; `name` is its bearer token, by which the API server knows it."""

    def __init__(self, name: str, directory: Path, port: int, *flags: str) -> None:
        self.name = name
        self.port = free_port()
        self.log_file = directory / f"{name}.log"
        config = directory / f"{name}.kubeconfig"
        config.write_text(
            json.dumps(
                {
                    "current-context": "c",
                    "contexts": [
                        {"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "sys"}}
                    ],
                    "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                    "users": [{"name": "u", "user": {"token": name}}],
                }
            )
        )
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [
                    str(PROGRAM),
                    f"--kubeconfig={config}",
                    f"--endpoint=http://127.0.0.1:{port}/prom/main",
                    f"--metrics-listen=127.0.0.1:{self.port}",
                    *flags,
                ],
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def metric(self, series: str) -> float | None:
        """Value of a series as it is printed, with its labels."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(series + " "):
                return float(line.rsplit(" ", 1)[1])
        return None

    def leads(self, namespace: str = "shop") -> bool:
        return self.metric(f'ampscale_scaler_leader{{namespace="{namespace}"}}') == 1

    def logged(self, message: str) -> list[dict[str, Any]]:
        lines = self.log_file.read_text().splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [one for one in entries if one["msg"] == message]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def close(self) -> None:
        """End it, and see that it had nothing to complain about on the way."""
        if self.process.poll() is None:
            assert self.terminate() == 0, self.log_file.read_text()
        text = self.log_file.read_text()
        assert not any(word in text for word in SANITIZER), text


class Stage:
    """The API server with namespace shop, and the scalers of one test."""

    def __init__(self, world: World, port: int, directory: Path) -> None:
        self.world, self.port, self.directory = world, port, directory
        self.scalers: list[Scaler] = []

    def scaler(self, name: str, *flags: str) -> Scaler:
        flags = flags or ("--namespace=shop",)
        self.scalers.append(Scaler(name, self.directory, self.port, *flags))
        return self.scalers[-1]

    def put(self, kind: str, thing: Object) -> Object:
        with self.world.changed:
            return self.world.put(kind, thing)

    def deployment(
        self, name: str, namespace: str = "shop", replicas: int = 1, **annotations: str
    ) -> None:
        """One that asks each second; further annotations with _ for -."""
        texts = {"query": f"load of {name}", "threshold": "10", "polling-interval": "1s"}
        texts |= {key.replace("_", "-"): value for key, value in annotations.items()}
        self.put(
            "deployments",
            {
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "annotations": {f"scale.amp/{k}": v for k, v in texts.items()},
                },
                "spec": {"replicas": replicas},
                "status": {"conditions": [{"type": "Available", "status": "True"}]},
            },
        )

    def change(self, kind: str, name: str, change: Callable[[Object], None]) -> None:
        with self.world.changed:
            thing = json.loads(json.dumps(self.world.get(kind, "shop", name)))
            change(thing)
            self.world.put(kind, thing)

    def delete(self, kind: str, name: str) -> None:
        with self.world.changed:
            self.world.put(kind, self.world.get(kind, "shop", name), "DELETED")

    def empty_lease(self, namespace: str = "shop") -> None:
        labels = {"app.kubernetes.io/managed-by": "Helm"}
        metadata = {"name": "ampscale-scaler", "namespace": namespace, "labels": labels}
        self.put("leases", {"metadata": metadata})

    def holder(self, namespace: str = "shop") -> str:
        with self.world.changed:
            lease = self.world.get("leases", namespace, "ampscale-scaler")
            return str(lease.get("spec", {}).get("holderIdentity", ""))

    def replicas(self, name: str, namespace: str = "shop") -> int:
        with self.world.changed:
            return int(self.world.get("deployments", namespace, name)["spec"]["replicas"])

    def conditions(self, name: str) -> dict[str, Object]:
        with self.world.changed:
            thing = self.world.get("deployments", "shop", name)
            ours = [c for c in thing["status"]["conditions"] if c["type"].startswith("scale.amp/")]
            return {one["type"].removeprefix("scale.amp/"): dict(one) for one in ours}

    def writes(self, part: str, who: str | None = None) -> list[Write]:
        """Writes whose path has this part, in order."""
        with self.world.changed:
            all_of_them = list(self.world.writes)
        return [w for w in all_of_them if part in w.path and who in (None, w.who)]

    def events(self, reason: str) -> list[Object]:
        with self.world.changed:
            every = [o for k, o in self.world.objects.items() if k.kind == "events"]
        return [one for one in every if one["reason"] == reason]

    def close(self) -> None:
        for one in self.scalers:
            one.close()


__all__ = ["Scaler", "Stage", "pretendkube"]
