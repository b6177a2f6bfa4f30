"""The real aws CLI, loaded once: it takes a second to load, and the walkthrough calls it often.

    cli_stand.py SOCKET      runs in the environment of test/eks/requirements.txt
    aws ARGUMENT...          what write_client() writes: has that process run the command

Each command runs in a fork with the caller's stdin, stdout, stderr and environment. It ends when
its own stdin does.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from pathlib import Path

CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect({path!r})
    socket.send_fds(s, [b"-"], [0, 1, 2])
    s.sendall(json.dumps([sys.argv[1:], dict(os.environ)]).encode())
    s.shutdown(socket.SHUT_WR)
    sys.exit(int(s.recv(16) or b"255"))
"""


def write_client(file: Path, path: Path) -> None:
    file.write_text(CLIENT.format(python=sys.executable, path=str(path)))
    file.chmod(0o755)


def run(connection: socket.socket) -> None:
    """In the fork: the command, and its exit code to the caller."""
    from awscli.clidriver import main as cli

    _, handles, _, _ = socket.recv_fds(connection, 1, 3)
    text = b"".join(iter(lambda: connection.recv(65536), b""))
    words, environment = json.loads(text)
    for number, handle in enumerate(handles):
        os.dup2(handle, number)
    models = os.environ["AWS_DATA_PATH"]  # the CLI's own doing as it loads
    os.environ.clear()
    os.environ.update(environment, AWS_DATA_PATH=models)
    sys.argv = ["aws", *words]
    try:
        status = cli()
    except SystemExit as end:
        status = int(end.code or 0)
    sys.stdout.flush()
    connection.sendall(str(status).encode())


def main() -> None:
    import awscli.clidriver

    awscli.clidriver.create_clidriver()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(8)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, 0], [], [])
            if 0 in ready:
                return
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                run(connection)
                os._exit(0)
            connection.close()


if __name__ == "__main__":
    main()
