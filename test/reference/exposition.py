"""Feed bodies to the collector's parser and to Prometheus' own, and report where they differ.

    ./run compare exposition [--bodies N] [--seed N] [--expose FILE] [--show N]

The bodies: test/golden/exposition, the corpus of fuzz_exposition, then N more made of those by
seeded mutation. Prometheus' parser is the Go program in textparse/, built once into
~/.cache/ampscale (half a minute). Ours is `expose` of the dev build, so under ASan and UBSan. A
difference that no row of INTENDED explains is printed, the exit code is 1. Each row is seen to
differ on its example in every run. 100,000 bodies take about half a minute.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "test" / "cluster"))
from node import cache  # noqa: E402

BATCH = 5000
TEXT, OPENMETRICS = "text", "openmetrics"
GO_MODULE = HERE / "textparse"


@dataclass(frozen=True)
class Body:
    format: str
    data: bytes


@dataclass(frozen=True)
class Result:
    """The samples as printed, or the complaint."""

    samples: tuple[str, ...] = ()
    error: str | None = None

    def same(self, other: Result) -> bool:
        """Both refuse, or both have these samples; labels in any order."""
        if self.error is not None or other.error is not None:
            return self.error is not None and other.error is not None
        return [sorted_labels(s) for s in self.samples] == [sorted_labels(s) for s in other.samples]


def label_names(sample: str) -> list[str]:
    return [bytes.fromhex(label.split("=")[0]).decode() for label in sample.split(" ")[4:]]


def sorted_labels(sample: str) -> tuple[str, ...]:
    head, labels = sample.split(" ")[:4], sample.split(" ")[4:]
    return (*head, *sorted(labels))


# --- where we differ on purpose


@dataclass(frozen=True)
class Intended:
    """A difference is this one if our message has `ours` (and a sample of theirs is as `theirs`
    says), or if it is gone once both sides' results went through `results`, or once `body` rewrote
    what both get."""

    reason: str
    example: Body
    ours: str = ""
    theirs: Callable[[list[str]], bool] | None = None  # gets the names of a sample's labels
    results: Callable[[Result], Result] | None = None
    body: Callable[[Body], Body] | None = None


def plain_bounds(result: Result) -> Result:
    """le and quantile as numbers."""

    def plain(match: re.Match[str]) -> str:
        text = bytes.fromhex(match[2]).decode(errors="replace")
        try:
            return f"{match[1]}={float(text)!r}" if text.isascii() else match[0]
        except ValueError:
            return match[0]

    names = f"{b'le'.hex()}|{b'quantile'.hex()}"
    return Result(
        tuple(re.sub(rf"(?<= )({names})=([0-9a-f]*)", plain, s) for s in result.samples),
        result.error,
    )


def without_indent(body: Body) -> Body:
    return Body(body.format, re.sub(rb"(?m)^[ \t]+", b"", body.data))


def without_nul(body: Body) -> Body:
    return Body(body.format, body.data.replace(b"\0", b""))


def escaped_newlines(body: Body) -> Body:
    r"""A newline inside quotes as \n; in what is no comment, or in a name that HELP or TYPE has."""
    out, quoted, comment, at = bytearray(), False, False, 0
    while at < len(body.data):
        c = body.data[at : at + 1]
        if not out or out[-1:] == b"\n":
            line = body.data[at : body.data.find(b"\n", at) + 1 or None]
            comment = re.match(rb'[ \t]*#(?![ \t]+(HELP|TYPE|UNIT)[ \t]+")', line) is not None
        if quoted and c == b"\\":
            out += body.data[at : at + 2]
            at += 2
            continue
        quoted ^= c == b'"' and not comment
        out += b"\\n" if quoted and c == b"\n" else c
        at += 1
    return Body(body.format, bytes(out))


END = b"\n# EOF\n"
INTENDED = {
    "bounds as written": Intended(
        "le and quantile are sent as the app wrote them, so that series keep their names of before "
        "Prometheus 3, and remote write's compliance suite asks for it",
        Body(TEXT, b'# TYPE h histogram\nh_bucket{le="1"} 1\n'),
        results=plain_bounds,
    ),
    "indented": Intended(
        "leading blanks are no part of the metric's name; Prometheus takes them for one",
        Body(TEXT, b"  m 1\n"),
        body=without_indent,
    ),
    "NUL": Intended(
        "NUL is an ordinary byte of values, help and comments and wrong elsewhere; Prometheus "
        "takes one at a line's start, or after '#', for the end of the body, and skips some",
        Body(TEXT, b"a 1\n\0\nb 1\n"),
        body=without_nul,
    ),
    "newline in quotes": Intended(
        r"a line ends at its newline: both formats want \n inside quotes",
        Body(TEXT, b'm{a="x\ny"} 1\n'),
        body=escaped_newlines,
    ),
    "long exemplar": Intended(
        "OpenMetrics allows an exemplar 128 characters; Prometheus drops a longer one later",
        Body(OPENMETRICS, b'c_total 1 # {a="' + b"x" * 128 + b'"} 1' + END),
        ours="expected at most 128 characters",
    ),
    "large timestamp": Intended(
        "seconds that do not fit into 64 bits of milliseconds become any time in Prometheus",
        Body(OPENMETRICS, b"m 1 1e30" + END),
        ours="expected a finite time in seconds below 9e15",
    ),
    "one name after escaping": Intended(
        "names are escaped here, not by the app: two that become one cannot both be sent",
        Body(TEXT, b'm{"a.b"="1",a_b="2"} 1\n'),
        ours="expected each label name once",
        theirs=lambda names: len(set(names)) < len(names) or "__name__" in names,
    ),
    "many labels": Intended(
        "more than 160 labels are told from a parse error, and AMP takes 150",
        Body(TEXT, b"m{" + b"".join(b'l%d="",' % i for i in range(161)) + b"} 1\n"),
        ours=" labels (at most 160)",
        theirs=lambda names: len(names) > 160,
    ),
}


# --- running both


class Crashed(Exception):
    pass


def run(program: Path, bodies: Sequence[Body]) -> list[Result]:
    sent = b"".join(b"%s %d\n%s" % (b.format.encode(), len(b.data), b.data) for b in bodies)
    done = subprocess.run([program], input=sent, capture_output=True, check=False)
    results: list[Result] = []
    samples: list[str] = []
    for line in done.stdout.decode().splitlines():
        word, _, rest = line.partition(" ")
        if word == "s":
            samples.append(line)
            continue
        error = bytes.fromhex(rest).decode(errors="replace") if word == "error" else None
        results.append(Result(tuple(samples), error))
        samples = []
    if done.returncode != 0 or len(results) != len(bodies):
        tail = done.stderr.decode(errors="replace")[-3000:]
        raise Crashed(f"{program.name} ended with {done.returncode} in this batch:\n{tail}")
    return results


@dataclass(frozen=True)
class Pair:
    ours: Path
    theirs: Path

    def run(self, bodies: Sequence[Body]) -> list[tuple[Result, Result]]:
        return list(zip(run(self.ours, bodies), run(self.theirs, bodies), strict=True))


def explained_by(row: Intended, pair: Pair, body: Body, ours: Result, theirs: Result) -> bool:
    if row.ours:
        said = theirs.error is None and row.ours in (ours.error or "")
        return said and (
            row.theirs is None or any(map(row.theirs, map(label_names, theirs.samples)))
        )
    if row.results:
        return row.results(ours).same(row.results(theirs))
    assert row.body
    rewritten = row.body(body)
    if rewritten == body:
        return False
    again = pair.run([rewritten])[0]
    return plain_bounds(again[0]).same(plain_bounds(again[1]))


def explanation(pair: Pair, body: Body, ours: Result, theirs: Result) -> str | None:
    """The row that explains a difference; "several" if it takes more than one rewriting."""
    for name, row in INTENDED.items():
        if explained_by(row, pair, body, ours, theirs):
            return name
    rewritten = body
    for row in [*INTENDED.values()] * 2:  # a NUL may hide an indent
        rewritten = row.body(rewritten) if row.body else rewritten
    again = pair.run([rewritten])[0]
    if rewritten == body:
        return None
    if plain_bounds(again[0]).same(plain_bounds(again[1])):
        return "several"
    said = any(row.ours and row.ours in (again[0].error or "") for row in INTENDED.values())
    return "several" if said and again[1].error is None else None


def check_table(pair: Pair) -> list[str]:
    """Rows whose example does not differ, or not for their reason."""
    wrong = []
    for name, row in INTENDED.items():
        ours, theirs = pair.run([row.example])[0]
        if ours.same(theirs) or not explained_by(row, pair, row.example, ours, theirs):
            wrong.append(name)
    return wrong


# --- bodies


def unescape(field: bytes) -> bytes:
    return re.sub(rb"%([0-9a-f]{2})", lambda m: bytes.fromhex(m[1].decode()), field)


def seeds() -> list[Body]:
    golden = ROOT / "test" / "golden" / "exposition"
    found = []
    for table in (golden / "accept.txt", golden / "refuse.txt"):
        for line in table.read_bytes().split(b"\n"):
            if line and not line.startswith(b"#"):
                fields = line.split(b"\t")
                found.append(Body(fields[1].decode(), unescape(fields[2])))
    for file in sorted(golden.glob("*.txt")):
        if file.name not in ("accept.txt", "refuse.txt"):
            openmetrics = ".openmetrics." in file.name
            found.append(Body(OPENMETRICS if openmetrics else TEXT, file.read_bytes()))
    for file in sorted((ROOT / "test" / "fuzz" / "corpus" / "exposition").iterdir()):
        data = file.read_bytes()
        found.append(Body(OPENMETRICS if data[:1] == b"o" else TEXT, data[2:]))
    return found


PIECES = (
    *rb'{ } " , = \ \\ \" \n # : . _ - + e E 0 1 9 a le nan inf EOF HELP TYPE UNIT 1e5 0x1'.split(),
    *(b" ", b"  ", b"\t", b"\n", b"\r", b"\0", b"\xff", b"\xc3\xa4", b"\xe2\x82", b"# "),
    *(b'{"a.b"', b'="x"', b'"} 1', b" 1.5", b" 1700000000123", b' # {a="b"} 1'),
    *(b"\n# EOF\n", b"# TYPE m gauge\n", b',a="1"', b'"q.r"="2"'),
)
NUMBERS = (
    b"1 -0 +1 .5 5. 1e3 1E-3 1e400 1e-400 9007199254740993 123456789012345678901234567890 0.1 1e22 "
    b"0.30000000000000004 7.424100000000001e-05 4.9e-324 2.2250738585072011e-308 1e23 1e308 nAn "
    b"+Inf -inf Infinity infinit 00012 1_0 0x1p1 1e 1e+ --1 . 17976931348623159e292"
).split()


def mutate_bytes(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    match chance.randrange(6):
        case 0 | 1:
            return data[:at] + chance.choice(PIECES) + data[at:]
        case 2:
            return data[:at] + data[at + chance.choice((1, 1, 1, 2, 5, 20)) :]
        case 3:
            return data[:at] + chance.choice(PIECES) + data[at + 1 :]
        case 4:
            other = chance.randrange(len(data) + 1)
            low, high = min(at, other), min(max(at, other), min(at, other) + 40)
            return data[:high] + data[low:]
        case _:
            number = chance.choice(NUMBERS)
            found = list(re.finditer(rb"(?<=[ }])[-+0-9.eE]+", data))
            if not found:
                return data + b" " + number
            place = chance.choice(found)
            return data[: place.start()] + number + data[place.end() :]


def mutate(base: Body, others: Sequence[Body], chance: random.Random) -> Body:
    lines = base.data.split(b"\n")
    if len(lines) > 6:  # a few lines of a large body, its end kept
        start = chance.randrange(len(lines) - 4)
        tail = [b"# EOF", b""] if base.format == OPENMETRICS else [b""]
        lines = lines[start : start + chance.randrange(1, 4)] + tail
    if chance.random() < 0.2:
        other = chance.choice(others).data.split(b"\n")
        lines.insert(chance.randrange(len(lines)), chance.choice(other))
    data = b"\n".join(lines)
    for _ in range(chance.choice((0, 0, 1, 1, 1, 2, 3, 6))):
        data = mutate_bytes(data, chance)
    flip = chance.random() < 0.03
    return Body({TEXT: OPENMETRICS, OPENMETRICS: TEXT}[base.format] if flip else base.format, data)


def batches(count: int, seed: int) -> Iterator[list[Body]]:
    known = seeds()
    yield known
    chance = random.Random(seed)
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        yield [mutate(chance.choice(known), known, chance) for _ in range(size)]


# --- the door


def find_go() -> str:
    places = (shutil.which("go"), "/usr/local/go/bin/go", cache.cache_root() / "venv-go/bin/go")
    for place in places:
        if place and Path(place).exists():
            return str(place)
    raise SystemExit("compare: no Go here; test/cluster/build brings one")


def build_theirs() -> Path:
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum", "main.go"):
        digest.update((GO_MODULE / name).read_bytes())
    program = cache.cache_root() / f"textparse-{digest.hexdigest()[:16]}" / "textparse"
    if not program.exists():
        print("compare: building Prometheus' parser", flush=True)
        program.parent.mkdir(parents=True, exist_ok=True)
        part = program.with_suffix(f".{os.getpid()}")
        command = [find_go(), "build", "-mod=readonly", "-trimpath", "-buildvcs=false"]
        environment = {k: v for k, v in os.environ.items() if k not in ("GOFLAGS", "GOWORK")}
        environment |= {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
        done = subprocess.run(
            ["nice", "-n", "10", *command, "-o", str(part), "."], cwd=GO_MODULE, env=environment
        )
        if done.returncode != 0:
            raise SystemExit("compare: Prometheus' parser cannot be built")
        part.rename(program)
    return program


def show(body: Body, ours: Result, theirs: Result) -> None:
    print(f"\n{body.format} {body.data!r}")
    for name, result in (("ours", ours), ("theirs", theirs)):
        if result.error is not None:
            print(f"  {name}: refused: {result.error}")
        else:
            print(f"  {name}: {[readable(s) for s in result.samples]}")


def readable(sample: str) -> str:
    def text(hexadecimal: str) -> str:
        return repr(bytes.fromhex(hexadecimal))[1:]

    _, value, time, name, *labels = sample.split(" ")
    pairs = ("=".join(map(text, label.split("="))) for label in labels)
    return f"{text(name)} {{{', '.join(pairs)}}} {value} {time}"


def compare(pair: Pair, options: argparse.Namespace) -> int:
    seen, accepted, unexplained = 0, 0, 0
    reasons: Counter[str] = Counter()
    for bodies in batches(options.bodies, options.seed):
        for body, (ours, theirs) in zip(bodies, pair.run(bodies), strict=True):
            seen += 1
            accepted += ours.error is None
            if ours.same(theirs):
                continue
            reason = explanation(pair, body, ours, theirs)
            if reason:
                reasons[reason] += 1
                continue
            unexplained += 1
            if unexplained <= options.show:
                show(body, ours, theirs)
    for reason, count in reasons.most_common():
        print(f"intended, {reason}: {count}")
    print(f"{seen} bodies, {accepted} of them accepted, {unexplained} unintended differences")
    return unexplained


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        "compare exposition",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bodies", type=int, default=20000, help="how many by mutation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--expose", type=Path, help="our program; default: the dev build's, built")
    parser.add_argument("--show", type=int, default=20, help="how many differences to print")
    options = parser.parse_args(arguments)
    if options.expose is None:
        subprocess.run([ROOT / "scripts/build.sh", "dev"], check=True)
        options.expose = ROOT / "build/dev/test/reference/expose"
    pair = Pair(options.expose, build_theirs())
    try:
        stale = check_table(pair)
        unexplained = compare(pair, options)
    except Crashed as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    for name in stale:
        print(f'compare: the example of "{name}" does not differ as its row says')
    return 1 if unexplained or stale else 0
