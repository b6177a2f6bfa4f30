"""AMP's stand-in: AMP's shape over HTTPS, with SigV4 verified, in front of a real Prometheus.

The data plane is dataplane.py, and STS beside it sts.py. What came is kept (ledger.py), and a
control plane on sockets of its own (controlplane.py) reads and sets all of it. launch.py starts
this with a Prometheus and certificates.
"""

from __future__ import annotations

import argparse
import json
import signal
import ssl
import threading
from pathlib import Path

from amp import defaults
from amp.controlplane import control_server
from amp.dataplane import DataServer
from amp.sigv4 import Key, Verifier
from amp.stand import Stand, host_port
from amp.webtoken import Issuer


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    add("--listen", default=defaults.LISTEN, help="HOST:PORT of the data plane (port 0: any free)")
    add(
        "--control",
        action="append",
        help="HOST:PORT or unix:PATH of the control plane, repeatable"
        f" (default {defaults.CONTROL})",
    )
    add("--prometheus", default=f"http://{defaults.PROMETHEUS}", help="base URL")
    add("--cert", required=True, help="PEM file: leaf, then intermediates")
    add("--key", required=True, help="PEM file")
    add("--region", default=defaults.REGION)
    add("--workspace", action="append", help=f"repeatable (default {defaults.WORKSPACE})")
    add("--access-key", default=defaults.ACCESS_KEY)
    add("--secret-key", default=defaults.SECRET_KEY)
    add("--session-token", help="required of clients when given")
    add("--issuer", help="URL of the issuer whose tokens STS takes")
    add("--jwks", type=Path, help="file with the issuer's JWK set")
    add("--roles", type=Path, help="file with a JSON list of roles (roles.py)")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    verifier = Verifier(args.region, defaults.SERVICE)
    verifier.add(Key(args.access_key, args.secret_key, args.session_token))
    stand = Stand(verifier, set(args.workspace or [defaults.WORKSPACE]), args.prometheus)
    if args.issuer:
        stand.issuer = Issuer(args.issuer, json.loads(args.jwks.read_text()))
    for row in json.loads(args.roles.read_text()) if args.roles else []:
        stand.roles.set(row)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(args.cert, args.key)
    tls.set_alpn_protocols(["http/1.1"])
    data = DataServer(host_port(args.listen), stand, tls)
    servers = [data] + [
        control_server(where, stand, data.server_address)
        for where in args.control or [defaults.CONTROL]
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.sigwait(stop)


if __name__ == "__main__":
    main()
