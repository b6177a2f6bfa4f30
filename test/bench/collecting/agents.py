"""The three agents, each as a plain process that scrapes one target and writes to one receiver.

Each is configured as for AMP: the form that AMP takes (remote write 1.0), signed and over TLS
unless plain is asked for, two labels beside job and instance, everything else its default.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SHOWN_LINES = 15
STOP_S = 20.0
REGION = "eu-west-1"
# Made up, as everything that would need a real one is on loopback.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}
IMAGE = {"GNUTLS_NO_IMPLICIT_INIT": "1"}  # what the Dockerfile sets


class Failed(RuntimeError):
    """An agent ended, or did not do its part; the text carries the end of its log."""


@dataclass
class Place:
    """Where one agent works."""

    folder: Path
    target: int  # port on loopback
    sink: int
    interval_s: int
    authorities: Path | None  # who may vouch for the receiver; None: plain HTTP, no signature

    @property
    def url(self) -> str:
        scheme = "https" if self.authorities else "http"
        return f"{scheme}://127.0.0.1:{self.sink}/workspaces/ws-bench/api/v1/remote_write"


@dataclass(frozen=True)
class Kind:
    name: str  # as on the command line
    title: str
    module: str  # of test/cluster/mod; "": ours
    command: Callable[[Path, Place], list[str]]


class Agent:
    def __init__(self, kind: Kind, program: Path, place: Place) -> None:
        self.kind = kind
        self._log = place.folder / "log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *kind.command(program, place)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=place.folder,
                env=os.environ | CREDENTIALS | ({} if kind.module else IMAGE),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        code = self._process.poll()
        if code is not None:
            lines = self._log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
            shown = "\n".join(line[:300] for line in lines)
            raise Failed(f"{self.kind.title} ended ({code}):\n{shown}")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ours(program: Path, place: Place) -> list[str]:
    command = [
        str(program),
        f"--target=http://127.0.0.1:{place.target}/metrics",
        f"--interval={place.interval_s}s",
        f"--remote-write-url={place.url}",
        f"--region={REGION}",
        f"--sigv4={'on' if place.authorities else 'off'}",
        *("--label=job=bench", "--label=namespace=bench", "--label=pod=bench-0"),
    ]
    if place.authorities:
        command.append(f"--ca-file={place.authorities}")
    return command


SCRAPE = """
global:
  scrape_interval: {interval}s
  scrape_timeout: {timeout}s
scrape_configs:
  - job_name: bench
    static_configs:
      - targets: ["127.0.0.1:{target}"]
        labels: {{namespace: bench, pod: bench-0}}
"""


def scrape_config(place: Place) -> str:
    timeout = min(10, place.interval_s)
    return SCRAPE.format(interval=place.interval_s, timeout=timeout, target=place.target)


def vmagent(program: Path, place: Place) -> list[str]:
    config = place.folder / "scrape.yaml"
    config.write_text(scrape_config(place))
    command = [
        str(program),
        f"-promscrape.config={config}",
        f"-httpListenAddr=127.0.0.1:{free_port()}",
        f"-remoteWrite.tmpDataPath={place.folder}/queue",
        f"-remoteWrite.url={place.url}",
        "-remoteWrite.forcePromProto",
    ]
    if place.authorities:
        command += [
            f"-remoteWrite.tlsCAFile={place.authorities}",
            "-remoteWrite.aws.useSigv4",
            f"-remoteWrite.aws.region={REGION}",
            "-remoteWrite.aws.service=aps",
        ]
    return command


# After ADOT's own configuration for AMP (aws-otel-collector, config/ecs/ecs-amp-prometheus.yaml),
# with its memory_limiter and batch; disable_scope_info and one writer keep what is sent in order.
COLLECTOR = """
extensions:
  health_check: {{endpoint: "127.0.0.1:{health}"}}
{sigv4}
receivers:
  prometheus:
    config:
{scrape}
processors:
  memory_limiter: {{check_interval: 1s, limit_mib: 1024, spike_limit_mib: 200}}
  batch: {{}}
exporters:
  prometheusremotewrite:
    endpoint: "{url}"
    resource_to_telemetry_conversion: {{enabled: true}}
    disable_scope_info: true
    max_batch_request_parallelism: 1
    remote_write_queue: {{num_consumers: 1}}
{auth}
service:
  telemetry:
    metrics: {{level: none}}
  extensions: [{extensions}]
  pipelines:
    metrics:
      receivers: [prometheus]
      processors: [memory_limiter, batch]
      exporters: [prometheusremotewrite]
"""
SIGV4 = f"  sigv4auth: {{region: {REGION}, service: aps}}"
AUTH = '    auth: {{authenticator: sigv4auth}}\n    tls: {{ca_file: "{authorities}"}}'


def otelcollector(program: Path, place: Place) -> list[str]:
    config = place.folder / "collector.yaml"
    signed = place.authorities is not None
    indented = "\n".join(" " * 6 + line for line in scrape_config(place).strip().splitlines())
    config.write_text(
        COLLECTOR.format(
            health=free_port(),
            sigv4=SIGV4 if signed else "",
            scrape=indented,
            url=place.url,
            auth=AUTH.format(authorities=place.authorities) if signed else "",
            extensions="health_check, sigv4auth" if signed else "health_check",
        )
    )
    return [str(program), f"--config={config}"]


KINDS = (
    Kind("ours", "ampscale-collector", "", ours),
    Kind("vmagent", "vmagent", "vmagent", vmagent),
    Kind("otel", "OpenTelemetry Collector", "otelcollector", otelcollector),
)
