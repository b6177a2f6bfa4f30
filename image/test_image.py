"""The images: the same bytes twice, complete libraries, and nothing that was not asked for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from released import HERE, Released, archive, make, run

USER = "--userspec=65532:65532"
PROGRAMS = ["/usr/bin/curl", "/usr/bin/openssl"]


def inside(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return run("chroot", USER, root, *command)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image") / "rootfs"
    make(HERE / "rootfs", folder, *PROGRAMS)
    return folder


def listing(root: Path) -> list[tuple[object, ...]]:
    """Name, kind and mode, time, and content of everything."""
    rows: list[tuple[object, ...]] = []
    for path in sorted([root, *root.rglob("*")]):
        seen = path.lstat()
        content = (
            os.readlink(path)
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else ""
        )
        rows.append((str(path.relative_to(root)), oct(seen.st_mode), seen.st_mtime_ns, content))
    return rows


def test_twice_the_same(root: Path, tmp_path: Path) -> None:
    previous = os.umask(0o077)
    try:
        make(HERE / "rootfs", tmp_path / "again", *reversed(PROGRAMS))
    finally:
        os.umask(previous)
    rows = listing(root)
    assert rows == listing(tmp_path / "again")
    assert {r[2] for r in rows} == {0}


def test_no_shell_and_no_stranger(root: Path) -> None:
    assert sorted(os.listdir(root)) == ["bin", "etc", "lib", "lib64", "tmp", "usr"]
    assert sorted(os.listdir(root / "usr/bin")) == ["curl", "openssl"]
    assert sorted(os.listdir(root / "etc")) == ["group", "nsswitch.conf", "passwd", "ssl"]
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert not [p for p in root.rglob("*") if p.lstat().st_mode & 0o6000]


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_runs_there(root: Path, program: str) -> None:
    done = inside(root, program, "version" if "openssl" in program else "--version")
    assert done.returncode == 0, done.stderr


def test_libraries_are_complete(root: Path) -> None:
    """The root's own loader finds every library of every file within the root."""
    loader = next((root / "usr/lib64").iterdir()).name
    for path in [*root.glob("usr/bin/*"), *root.glob("usr/lib/*/*.so*")]:
        if path.name == loader:
            continue
        done = inside(root, f"/lib64/{loader}", "--list", f"/{path.relative_to(root)}")
        assert done.returncode == 0, f"{path.name}: {done.stderr}"
        assert "not found" not in done.stdout


def test_certificates_are_the_distribution_s(root: Path) -> None:
    bundle = (root / "etc/ssl/certs/ca-certificates.crt").read_text()
    mine = list(Path("/usr/share/ca-certificates/mozilla").glob("*.crt"))
    assert bundle.count("BEGIN CERTIFICATE") == len(mine) > 100
    done = inside(
        root,
        "/usr/bin/openssl",
        "storeutl",
        "-noout",
        "-certs",
        "/etc/ssl/certs/ca-certificates.crt",
    )
    assert f"Total found: {len(mine)}" in done.stdout


class Hello(BaseHTTPRequestHandler):
    """Answers any GET."""

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name != "do_GET":
            raise AttributeError(name)
        return self.answer

    def answer(self) -> None:
        self.send_response_only(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def answer_names(sock: socket.socket) -> None:
    """Serve DNS until an empty datagram comes: 127.0.0.1 to each A query, no record to others."""
    while True:
        asked, peer = sock.recvfrom(512)
        if not asked:
            return
        end = asked.index(b"\0", 12) + 5
        a_record = asked[end - 4 : end - 2] == b"\0\1"
        head = asked[:2] + b"\x81\x80\0\1" + (b"\0\1" if a_record else b"\0\0") + b"\0\0\0\0"
        record = b"\xc0\x0c\0\1\0\1\0\0\0\x05\0\x04\x7f\0\0\1" if a_record else b""
        sock.sendto(head + asked[12:end] + record, peer)


@pytest.fixture
def nameserver() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.153", 53))
        thread = threading.Thread(target=answer_names, args=(sock,), daemon=True)
        thread.start()
        yield sock.getsockname()[0]
        sock.sendto(b"", sock.getsockname())
        thread.join()


def test_names_resolve_by_file_and_by_dns(
    root: Path, tmp_path: Path, port: int, nameserver: str
) -> None:
    """As in a pod, where the kubelet gives /etc/hosts and /etc/resolv.conf."""
    pod = tmp_path / "pod"
    shutil.copytree(root, pod, symlinks=True)
    (pod / "etc/hosts").write_text("127.0.0.1 by-file.test\n")
    (pod / "etc/resolv.conf").write_text(f"nameserver {nameserver}\n")
    for name in ("by-file.test", "by-dns.test"):
        done = inside(pod, "/usr/bin/curl", "-sS", "--noproxy", "*", f"http://{name}:{port}/")
        assert (done.stdout, done.stderr) == ("hello", ""), name


def test_sanitized_program_runs(tmp_path: Path) -> None:
    """A sanitizer is one more library. It reads /proc, as it can in a pod."""
    source = tmp_path / "probe.c"
    source.write_text(
        "#include <stdlib.h>\nint main(int n, char **v)\n"
        "{ char *p = malloc(1); return v[0][0] == p[n] ? 3 : 0; }\n"
    )
    make("gcc", "-g", "-fsanitize=address,undefined", "-o", tmp_path / "probe", source)
    pod = tmp_path / "pod"
    make(HERE / "rootfs", pod, tmp_path / "probe")
    (pod / "proc").mkdir()
    assert ".debug_info" in run("readelf", "-SW", pod / "usr/bin/probe").stdout
    done = run(
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount -t proc proc "$0/proc" && chroot --userspec=65532:65532 "$0" /usr/bin/probe',
        str(pod),
    )
    assert "AddressSanitizer: heap-buffer-overflow" in done.stderr


@pytest.mark.parametrize(
    ("programs", "complaint"),
    [(["/nonexistent"], "/nonexistent is not a program"), ([], "usage: image/rootfs")],
)
def test_refusals(tmp_path: Path, programs: list[str], complaint: str) -> None:
    done = run(HERE / "rootfs", tmp_path / "out", *programs)
    assert (done.returncode, complaint in done.stderr) == (1, True)


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    assert run(HERE / "rootfs", tmp_path, *PROGRAMS).returncode == 1
    assert os.listdir(tmp_path) == ["precious"]


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    (tmp_path / "lib.c").write_text("int f(void) { return 0; }\n")
    (tmp_path / "main.c").write_text("int f(void); int main(void) { return f(); }\n")
    make("gcc", "-shared", "-fPIC", "-o", tmp_path / "libgone.so", tmp_path / "lib.c")
    make("gcc", "-o", tmp_path / "main", tmp_path / "main.c", f"-L{tmp_path}", "-lgone")
    (tmp_path / "libgone.so").unlink()
    done = run(HERE / "rootfs", tmp_path / "out", tmp_path / "main")
    assert done.returncode == 1
    assert "libgone.so => not found" in done.stderr


def test_archive(released: Released) -> None:
    image, config = archive(released.tar)
    assert image["RepoTags"] == ["local/ampscale:dev"]
    assert config["config"]["User"] == "65532:65532"
    assert not config["config"]["Entrypoint"]


def test_nginx_serves(tmp_path: Path) -> None:
    make(HERE / "nginx", tmp_path / "nginx.tar")
    image, config = archive(tmp_path / "nginx.tar")
    assert image["RepoTags"] == ["local/nginx:1"]
    root = unpacked(tmp_path, tmp_path / "nginx.tar", image["Layers"][0])
    done = inside(root, *config["config"]["Entrypoint"], "-t")
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr


def test_ho11y_serves_and_leaves(tmp_path: Path) -> None:
    """The example app as its pod runs it: no folder that it may write, a chain of two, SIGTERM."""
    for out in ("ho11y.tar", "again.tar"):
        make(HERE / "ho11y", tmp_path / out)
    assert (tmp_path / "ho11y.tar").read_bytes() == (tmp_path / "again.tar").read_bytes()
    image, config = archive(tmp_path / "ho11y.tar")
    assert image["RepoTags"] == ["local/ho11y:1"]
    root = unpacked(tmp_path, tmp_path / "ho11y.tar", image["Layers"][0])
    entry = config["config"]["Entrypoint"]
    with serving(root, entry, DOWNSTREAM="DUMMY:1kB:1ms") as called:
        with serving(root, entry, DOWNSTREAM=f"http://127.0.0.1:{called}/") as caller:
            url = f"http://127.0.0.1:{caller}"
            done = inside(root, "/usr/bin/curl", "-sS", url)
            assert (done.stdout, done.stderr) == ('{"status": 200}\n', "")
            text = inside(root, "/usr/bin/curl", "-sS", f"http://127.0.0.1:{called}/metrics")
            assert 'ho11y_total{http_status_code="200"} 1\n' in text.stdout
            assert "process_resident_memory_bytes" in text.stdout
        with serving(root, entry, DOWNSTREAM="http://127.0.0.1:9/") as alone:
            assert (
                "502" in inside(root, "/usr/bin/curl", "-sS", f"http://127.0.0.1:{alone}/").stdout
            )
        with serving(root, entry, HO11Y_INJECT_FAILURE="100") as failing:
            done = inside(root, "/usr/bin/curl", "-sSf", f"http://127.0.0.1:{failing}/")
            assert done.returncode == 22


@contextlib.contextmanager
def serving(root: Path, entry: list[str], **environment: str) -> Iterator[int]:
    """The app in there, on the port that it says; ended by SIGTERM, with exit code 0."""
    enter = f'mount -t proc proc "$0/proc" && exec chroot {USER} "$0" "$@"'
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", enter, str(root), *entry],
        env=os.environ | {"HO11Y_PORT": "0"} | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(re.search(r"listens on port (\d+)", process.stdout.readline())[1])
    finally:
        process.terminate()
        code = process.wait(timeout=30)
        process.stdout.close()
    assert code == 0


def unpacked(tmp_path: Path, tar_file: Path, layer: str) -> Path:
    root = tmp_path / "root"
    (root / "proc").mkdir(parents=True)
    make("tar", "-C", tmp_path, "-xf", tar_file, layer)
    make("tar", "-C", root, "-xf", tmp_path / layer)
    return root
