"""Our own image: small, the same bytes twice, and telling what it consists of."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from released import HERE, OURS, ROOT, SPDX, Released, archive, make, run
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

UNPACKED_BYTES = 30_000_000
COMPRESSED_BYTES = 12_000_000
ARCHIVE = re.compile(r"/usr/lib/\S+\.a\b")  # in build.ninja: of Debian, linked into a program


def files(root: Path) -> dict[str, Path]:
    """All regular files, by their paths in the image."""
    paths = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(root)): path for path in paths}


def largest(root: Path) -> str:
    sizes = sorted(((p.stat().st_size, name) for name, p in files(root).items()), reverse=True)
    return ", ".join(f"{name} {size:,}" for size, name in sizes[:10])


def test_budgets(released: Released) -> None:
    unpacked = sum(path.stat().st_size for path in files(released.root).values())
    compressed = len(gzip.compress(released.tar.read_bytes(), 6))
    print(f"{unpacked:,} bytes unpacked, {compressed:,} compressed")
    assert unpacked <= UNPACKED_BYTES, f"{unpacked:,} bytes: {largest(released.root)}"
    assert compressed <= COMPRESSED_BYTES, f"{compressed:,} bytes: {largest(released.root)}"


def test_twice_the_same(released: Released, tmp_path: Path) -> None:
    again = tmp_path / "again.tar"
    previous = os.umask(0o077)
    try:
        make(HERE / "make", "ampscale:dev", again, *reversed(released.programs))
    finally:
        os.umask(previous)
    assert released.tar.read_bytes() == again.read_bytes()


def sections(program: Path) -> str:
    return run("readelf", "-SW", program).stdout


def build_id(program: Path) -> str:
    found = re.search(r"Build ID: (\w+)", run("readelf", "-n", program).stdout)
    assert found, program
    return found[1]


def test_programs_are_stripped_and_can_be_told_by_their_ids(released: Released) -> None:
    assert sorted(os.listdir(released.root / "usr/bin")) == list(OURS)
    for program in released.programs:
        shipped = released.root / "usr/bin" / program.name
        assert ".debug_info" in sections(program)
        assert not re.search(r"\.debug_|\.symtab", sections(shipped))
        assert build_id(shipped) == build_id(program)


def test_bill_is_valid(released: Released) -> None:
    """SPDX' own tools find nothing to complain about."""
    document = parse_file(str(released.root / SPDX))
    assert [m.validation_message for m in validate_full_spdx_document(document)] == []


def related(bill: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    """Names of packages and files that are so related."""
    names = {one["SPDXID"]: one.get("name") or one["fileName"][2:] for one in elements(bill)}
    rows = [r for r in bill["relationships"] if r["relationshipType"] == kind]
    return [
        (names.get(r["spdxElementId"], "document"), names[r["relatedSpdxElement"]]) for r in rows
    ]


def elements(bill: dict[str, Any]) -> list[dict[str, Any]]:
    return [*bill["packages"], *bill["files"]]


def test_bill_names_every_file(released: Released) -> None:
    told = {
        file["fileName"][2:]: {c["algorithm"]: c["checksumValue"] for c in file["checksums"]}
        for file in released.bill["files"]
    }
    there = files(released.root)
    assert set(there) - set(told) == {SPDX}
    for name, sums in told.items():
        data = there[name].read_bytes()
        assert sums["SHA256"] == hashlib.sha256(data).hexdigest(), name
    holders = [file for _, file in related(released.bill, "CONTAINS") if file in told]
    assert sorted(holders) == sorted(told), "each file is of one package"


def installed(name: str) -> str:
    return run("dpkg-query", "-W", "-f", "${Version}\n", name).stdout.split("\n")[0]


def test_bill_names_each_library_s_package(released: Released) -> None:
    """By what dpkg has installed there, asked the other way round: what files a package lists."""
    bill = released.bill
    versions = {one["name"]: one["versionInfo"] for one in bill["packages"]}
    owner = {file: package for package, file in related(bill, "CONTAINS")}
    libraries = [name for name in files(released.root) if name.startswith("usr/lib/")]
    assert len(libraries) > 20
    for name in libraries:
        package = owner[name]
        listed = run("dpkg-query", "-L", package).stdout.splitlines()
        assert Path(os.path.realpath(f"/{name}")).name in {Path(p).name for p in listed}, name
        assert versions[package] == installed(package)
    declared = [one["licenseDeclared"] for one in bill["packages"][1:]]
    assert "NOASSERTION" not in declared


def test_bill_names_what_is_compiled_in(released: Released) -> None:
    """The archives that the linker was given, by the build's own record."""
    ninja = released.programs[0].parent.parent / "build.ninja"
    given = set(ARCHIVE.findall(ninja.read_text()))
    assert any(path.endswith("/libsnappy.a") for path in given)
    wanted = {run("dpkg-query", "-S", os.path.realpath(p)).stdout.split(":")[0] for p in given}
    told = {package for us, package in related(released.bill, "STATIC_LINK") if us == "ampscale"}
    assert told >= wanted


def test_dpkg_reads_what_scanners_read(released: Released, tmp_path: Path) -> None:
    """The entries make a database of dpkg's own, with the versions that are installed here."""
    entries = released.root / "var/lib/dpkg/status.d"
    names = [path.name for path in entries.iterdir() if path.suffix != ".md5sums"]
    (tmp_path / "status").write_text("\n".join((entries / n).read_text() for n in names))
    form = "${Package} ${Version} ${db:Status-Status}\n"
    seen = run("dpkg-query", f"--admindir={tmp_path}", "-W", "-f", form).stdout.splitlines()
    assert sorted(seen) == sorted(f"{name} {installed(name)} installed" for name in names)
    assert set(names) == {one["name"] for one in released.bill["packages"][2:]}
    sums = run("md5sum", "--check", entries / "libssl3.md5sums", cwd=released.root)
    assert sums.returncode == 0, sums.stdout
    assert 'VERSION_ID="12"' in (released.root / "etc/os-release").read_text()


def test_licences_are_there(released: Released) -> None:
    documents = released.root / "usr/share/doc"
    for one in released.bill["packages"][1:]:
        assert (documents / one["name"] / "copyright").stat().st_size > 500, one["name"]
    common = released.root / "usr/share/common-licenses"
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in (common / "LGPL-2.1").read_text()
    assert (common / "GPL").samefile(common / "GPL-3")


def test_date_is_told_in_the_bill_alone(released: Released, tmp_path: Path) -> None:
    make(HERE / "rootfs", tmp_path / "root", *released.programs)
    done = run(
        HERE / "sbom", tmp_path / "root", env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    )
    assert done.returncode == 0, done.stderr
    assert {path.lstat().st_mtime for path in (tmp_path / "root").rglob("*")} == {0}
    text = (tmp_path / "root" / SPDX).read_text()
    assert '"created": "2023-11-14T22:13:20Z"' in text
    assert (
        text.replace("2023-11-14T22:13:20Z", "1970-01-01T00:00:00Z")
        == (released.root / SPDX).read_text()
    )


@pytest.fixture
def described(tmp_path: Path) -> Any:
    """described(ROOT's change): what sbom says of a changed copy of a root file system."""

    def describe(program: str, *, library: str = "", table: str = "") -> str:
        tree, root = tmp_path / "tree", tmp_path / "root"
        shutil.copytree(HERE, tree / "image", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "LICENSE", tree)
        make(HERE / "rootfs", root, program)
        if library:
            with next(root.glob(f"usr/lib/*/{library}")).open("ab") as sink:
                sink.write(b"changed")
        if table:
            known = tree / "image/licences.txt"
            known.write_text(re.sub(f"^{table} .*\n", "", known.read_text(), flags=re.M))
        done = run(tree / "image/sbom", root)
        assert done.returncode == 1
        return done.stderr

    return describe


def test_nothing_is_guessed(described: Any, programs: tuple[Path, ...], tmp_path: Path) -> None:
    scaler = str(programs[1])
    assert "libssl.so.3 of the image is not the one" in described(scaler, library="libssl.so.3")
    shutil.rmtree(tmp_path / "tree")
    shutil.rmtree(tmp_path / "root")
    assert "does not know openssl, of which is libssl3" in described(scaler, table="openssl")


def test_an_image_without_a_program_of_ours_is_refused(described: Any) -> None:
    assert "no program of ours is in it" in described("/usr/bin/openssl")


def stages() -> list[list[tuple[str, str]]]:
    """The Dockerfile's instructions, by stage."""
    text = (ROOT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found: list[list[tuple[str, str]]] = [[]]
    for line in filter(None, joined.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append((word, " ".join(rest.split())))
    return found


def test_dockerfile_s_last_stage_is_this_image(released: Released) -> None:
    before, build, last = stages()
    assert before == [("ARG", "BASE=debian:12")]
    assert build[0] == ("FROM", "${BASE} AS build")
    assert last[0] == ("FROM", "scratch")
    by_word = dict(last)
    assert set(by_word) == {"FROM", "COPY", "LABEL", "ENV", "USER"}
    config = archive(released.tar)[1]["config"]
    assert by_word["COPY"] == "--from=build /rootfs /"
    assert [by_word["ENV"]] == config["Env"]
    assert by_word["USER"] == config["User"] == "65532:65532"


def test_dockerfile_s_build_stage_can_do_what_it_says() -> None:
    """Its packages are Debian's, its scripts are there, and its programs are all of ours.
    image/soak_image.py runs the commands."""
    runs = [rest for word, rest in stages()[1] if word == "RUN"]
    listed = re.search(r"\$\((sed .*?)\)", runs[0])
    assert listed
    packages = subprocess.run(
        shlex.split(listed[1]), cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    known = run("apt-cache", "policy", *packages).stdout
    assert set(packages) <= set(re.findall(r"^(\S+):$", known, re.M))
    assert {"cmake", "gcc", "ninja-build", "python3"} <= set(packages)
    steps = [step.strip() for step in runs[1].split("&&")]
    assert set(steps[1].partition("--target ")[2].split()) == set(OURS)
    assert steps[2:] == ["image/rootfs /rootfs build/release/bin/*", "image/sbom /rootfs"]
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert "build/" in ignored and ".git" not in ignored
