"""Start and stop AMP's stand-in: Prometheus and the verifying proxy before it. See `up --help`.

All state is in one folder: certificates, Prometheus' data, logs, process numbers, and what tests
and people need to reach it:
    settings.json  endpoint, ca_file, region, access_key, secret_key, session_token, workspace,
                   control, prometheus
    env            the same as shell assignments (AWS_… and AMP_…)
A second `up` with the same folder takes the first one's settings where no option says otherwise, so
`down --only prometheus` and `up --only prometheus` stop and start Prometheus with its data.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amp import defaults
from amp.control import Amp, wait_until

HERE = Path(__file__).resolve().parent
PARTS = ("prometheus", "proxy")
READY_S = 60.0
STOP_S = 20.0
CONFIG = """\
global:
  scrape_interval: 15s
storage:
  tsdb:
    out_of_order_time_window: 1m
"""


def say(text: str) -> None:
    print(f"amp: {text}", file=sys.stderr)


def free_port(address: str) -> str:
    """The address with port 0 replaced by one that is free now."""
    host, _, port = address.rpartition(":")
    if port != "0":
        return address
    with socket.socket() as probe:
        probe.bind((host, 0))
        return f"{host}:{probe.getsockname()[1]}"


# Processes. A process file holds the number and the start time, so a number that the kernel gave
# to somebody else since is never taken for ours.


def start_time(pid: int) -> str | None:
    """Of a process that runs (a zombie does not)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def running(state: Path, part: str) -> int | None:
    """The part's process number, if it runs."""
    try:
        pid, started = (state / f"{part}.pid").read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if start_time(int(pid)) == started else None


def spawn(state: Path, part: str, command: list[str]) -> subprocess.Popen:
    with open(state / f"{part}.log", "ab") as log:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        except OSError as why:
            raise SystemExit(f"amp: {part} cannot be started: {why}") from why
    (state / f"{part}.pid").write_text(f"{process.pid} {start_time(process.pid)}\n")
    return process


def await_ready(
    state: Path, part: str, process: subprocess.Popen, probe: Callable[[], bool]
) -> None:
    def ended_or_ready() -> bool:
        return process.poll() is not None or probe()

    try:
        wait_until(ended_or_ready, READY_S, f"{part} is ready")
        if process.poll() is None:
            return
        why = f"ended with status {process.returncode}"
    except TimeoutError:
        why = f"is not ready within {READY_S:.0f} s"
    stop(state, part)
    tail = (state / f"{part}.log").read_text(errors="replace").splitlines()[-10:]
    raise SystemExit("\n".join([f"amp: {part} {why}; the end of its log:", *tail]))


def stop(state: Path, part: str) -> None:
    pid = running(state, part)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            end(pid)
        say(f"{part} stopped")
    (state / f"{part}.pid").unlink(missing_ok=True)


def end(pid: int) -> None:
    """SIGTERM, and SIGKILL if that has not helped within STOP_S."""
    with os.fdopen(os.pidfd_open(pid)) as watched:
        signal.pidfd_send_signal(watched.fileno(), signal.SIGTERM)
        if not select.select([watched], [], [], STOP_S)[0]:
            signal.pidfd_send_signal(watched.fileno(), signal.SIGKILL)
            select.select([watched], [], [])


# Certificates.


def openssl(*words: str) -> None:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"amp: openssl {words[0]} failed: {done.stderr.strip()}")


def certificates(state: Path) -> None:
    """A CA of our own and a leaf for every name the stand-in is reached by."""
    if all((state / n).exists() for n in ("ca.crt", "tls.crt", "tls.key")):
        return
    new = (
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "3650",
    )
    names = ",".join([f"DNS:{n}" for n in defaults.NAMES] + [f"IP:{a}" for a in defaults.ADDRESSES])
    ca, key = str(state / "ca.crt"), str(state / "ca.key")
    openssl(
        *new,
        "-subj",
        "/CN=AMP stand-in CA",
        "-keyout",
        key,
        "-out",
        ca,
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    )
    openssl(
        *new,
        "-subj",
        "/CN=amp.amp.svc",
        "-CA",
        ca,
        "-CAkey",
        key,
        "-keyout",
        str(state / "tls.key"),
        "-out",
        str(state / "tls.crt"),
        "-addext",
        f"subjectAltName={names}",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-addext",
        "extendedKeyUsage=serverAuth",
    )


# The parts.


def prometheus_ready(address: str) -> bool:
    line = http.client.HTTPConnection(address, timeout=5)
    with contextlib.closing(line), contextlib.suppress(OSError, http.client.HTTPException):
        line.request("GET", "/-/ready")
        return line.getresponse().status == 200
    return False


def start_prometheus(state: Path, settings: dict[str, Any]) -> None:
    address = settings["prometheus"] = free_port(settings["prometheus"])
    (state / "prometheus.yml").write_text(CONFIG)
    process = spawn(
        state,
        "prometheus",
        [
            settings["prometheus_binary"],
            f"--config.file={state / 'prometheus.yml'}",
            f"--storage.tsdb.path={state / 'data'}",
            f"--web.listen-address={address}",
            f"--storage.tsdb.retention.time={settings['retention']}",
            "--query.timeout=1m",
            "--web.enable-remote-write-receiver",
            "--log.level=warn",
        ],
    )
    await_ready(state, "prometheus", process, lambda: prometheus_ready(address))


def proxy_ready(state: Path) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return bool(Amp.at(state).listen())
    return False


def start_proxy(state: Path, settings: dict[str, Any]) -> None:
    certificates(state)
    save(state, settings)
    command = [
        sys.executable,
        str(HERE / "standin.py"),
        "--listen",
        settings["listen"],
        "--control",
        f"unix:{state / 'control.sock'}",
        "--prometheus",
        f"http://{settings['prometheus']}",
        "--cert",
        str(state / "tls.crt"),
        "--key",
        str(state / "tls.key"),
    ]
    if settings["control"]:
        command += ["--control", settings["control"]]
    given = ("region", "workspace", "access_key", "secret_key", "session_token")
    for name in (*given, "issuer", "jwks", "roles"):
        if settings[name]:
            command += [f"--{name.replace('_', '-')}", settings[name]]
    process = spawn(state, "proxy", command)
    await_ready(state, "proxy", process, lambda: proxy_ready(state))
    settings["listen"] = Amp.at(state).listen()


# Settings.


def save(state: Path, settings: dict[str, Any]) -> None:
    base = f"https://{settings['listen']}/workspaces/{settings['workspace']}"
    settings.update(endpoint=base, ca_file=str(state / "ca.crt"))
    (state / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")
    env = {
        "AWS_ACCESS_KEY_ID": settings["access_key"],
        "AWS_SECRET_ACCESS_KEY": settings["secret_key"],
        "AWS_REGION": settings["region"],
        "AMP_ENDPOINT": base,
        "AMP_CA_FILE": settings["ca_file"],
    }
    if settings["session_token"]:
        env["AWS_SESSION_TOKEN"] = settings["session_token"]
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in env.items()]
    (state / "env").write_text("".join(lines))


OPTIONS: dict[str, tuple[str | None, str]] = {
    "listen": (defaults.LISTEN, "HOST:PORT of the data plane; port 0 takes a free one"),
    "control": (None, "HOST:PORT of the control plane beside STATE/control.sock"),
    "prometheus": (defaults.PROMETHEUS, "HOST:PORT of Prometheus; port 0 takes a free one"),
    "prometheus-binary": ("prometheus", "Debian's, or another"),
    "retention": ("1d", "how long Prometheus keeps samples"),
    "region": (defaults.REGION, "AWS region it stands in for"),
    "workspace": (defaults.WORKSPACE, "AMP workspace it serves"),
    "access-key": (defaults.ACCESS_KEY, "accepted access key"),
    "secret-key": (defaults.SECRET_KEY, "its secret"),
    "session-token": (None, "session token clients must send"),
    "issuer": (None, "URL of the issuer whose tokens STS takes"),
    "jwks": (None, "file with the issuer's JWK set"),
    "roles": (None, "file with a JSON list of IAM roles (roles.py)"),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="amp", description="Start or stop AMP's stand-in.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("up", "down"):
        sub = verbs.add_parser(verb)
        sub.add_argument(
            "--state",
            required=True,
            type=lambda p: Path(p).resolve(),
            help="folder of this stand-in, made if absent",
        )
        sub.add_argument("--only", choices=PARTS, help="this part alone")
        for name, (default, text) in OPTIONS.items() if verb == "up" else ():
            sub.add_argument(f"--{name}", help=f"{text} (default {default})")
    return parser.parse_args()


def merged(state: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Options, else what an earlier `up` in this folder used, else the defaults."""
    settings = {n.replace("-", "_"): default for n, (default, _) in OPTIONS.items()}
    with contextlib.suppress(OSError, ValueError):
        settings.update(json.loads((state / "settings.json").read_text()))
    given = {n: v for n in settings if (v := getattr(args, n, None)) is not None}
    return {**settings, **given}


def up(args: argparse.Namespace) -> None:
    state: Path = args.state
    state.mkdir(parents=True, exist_ok=True)
    settings = merged(state, args)
    for part, start in (("prometheus", start_prometheus), ("proxy", start_proxy)):
        if args.only in (None, part) and running(state, part) is None:
            start(state, settings)
            save(state, settings)
            say(f"{part} is ready")
    print(settings["endpoint"])


def down(args: argparse.Namespace) -> None:
    for part in reversed(PARTS):
        if args.only in (None, part):
            stop(args.state, part)


def main() -> None:
    args = arguments()
    {"up": up, "down": down}[args.verb](args)


if __name__ == "__main__":
    main()
