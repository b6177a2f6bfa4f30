#!/usr/bin/env python3
"""Change decide() and its helpers one token at a time and see whether the unit tests notice.

    mutate.py [--jobs N] [--only FILE] [--list] [--needed PERCENT]

Each mutant is one source with one operator, constant, condition or statement changed, compiled
into a shared library under the test programs. It is killed when a test fails, crashes or runs too
long; what no compiler takes does not count. Survivors are printed with their place; each has its
reason in test/sim/README.md. Exit 1 when fewer than --needed (95) per cent were killed. Everything
is made in a temporary directory; the tree is only read.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MUTATED = ("scaler/decide.c", "scaler/pace.c", "scaler/memory_json.c")
LIBRARY = (*MUTATED, "scaler/decide_text.c")
TESTS = ("test_pace", "test_memory_json", "test_decide")
SHARED = ("golden.c", "decide_cases.c")
FLAGS = (
    "-std=gnu17 -O1 -w -fPIC -ffp-contract=off -fno-strict-aliasing -D_GNU_SOURCE"
    " -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all"
).split()
INCLUDES = [f"-I{ROOT / 'common'}", f"-I{ROOT}"]
GOLDEN = f'-DGOLDEN_DIR="{ROOT / "test/golden"}"'
TEST_SECONDS = 60

# What becomes what. Groups: only the first is replaced.
SWAPS: tuple[tuple[str, str], ...] = (
    (r" (<) ", "<="),
    (r" (<=) ", "<"),
    (r" (>) ", ">="),
    (r" (>=) ", ">"),
    (r" (==) ", "!="),
    (r" (!=) ", "=="),
    (r" (&&)(?: |$)", "||"),
    (r" (\|\|)(?: |$)", "&&"),
    (r"(?<=[\w)\]]) (\+)(?: |$)", "-"),
    (r"(?<=[\w)\]]) (-)(?: |$)", "+"),
    (r"(?<=[\w)\]]) (\*) ", "/"),
    (r"(?<=[\w)\]]) (/) ", "*"),
    (r" (\+=) ", "-="),
    (r"(!)(?=[a-z(])", ""),
    (r"\b(max32)\(", "min32"),
    (r"\b(min32)\(", "max32"),
    (r"\b(true)\b", "false"),
    (r"\b(false)\b", "true"),
    (r"(?<![\w.])(0)(?![\w.])", "1"),
    (r"(?<![\w.])(1)(?![\w.])", "0"),
    (r"(?<![\w.])([2-9]|\d{2,})(?![\w.])", "PLUS_ONE"),
    (r"\b(ceil)\(", "round"),
    (r"\b(1e-9)\b", "1e-3"),
)
DECLARES = r"return|break|continue|case|const|struct|enum|static|bool|double|size_t|u?int\d+_t"
STATEMENT = re.compile(
    rf"^\s+(?=\S)(?!(?:{DECLARES})\b)"
    r"(?:(?:\(void\))?[\w>.*\[\]() -]+ (?:=|\+=|\|=) .*;|[\w.>-]+\(.*\);)$"
)
CONDITION = re.compile(r"^\s+(?:\} else )?if \((.*)\) \{$")
TERNARY = re.compile(r" \? ([\w.>()\[\] *,&+-]+?) : ([\w.>()\[\] *,&+-]+?)(?=[;,)]|$)")


@dataclass(frozen=True)
class Mutant:
    path: str
    line: int
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.was.strip()}  →  {self.now.strip() or '(nothing)'}"


def code_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines within functions, without those that hold a comment or a preprocessor directive."""
    inside = comment = False
    for number, line in enumerate(text.splitlines(), 1):
        if line == "{":
            inside = True
        elif line == "}":
            inside = False
        starts = "/*" in line
        if inside and not comment and not starts and not line.startswith("#"):
            yield number, line
        if starts or comment:
            comment = "*/" not in line


def mask_strings(line: str) -> str:
    return re.sub(r'"(?:[^"\\]|\\.)*"', lambda m: '"' + "_" * (len(m[0]) - 2) + '"', line)


def variants(line: str) -> Iterator[str]:
    masked = mask_strings(line)
    for pattern, replacement in SWAPS:
        for match in re.finditer(pattern, masked):
            token = match[1]
            new = str(int(token) + 1) if replacement == "PLUS_ONE" else replacement
            yield line[: match.start(1)] + new + line[match.end(1) :]
    if condition := CONDITION.match(masked):
        start, end = condition.span(1)
        yield f"{line[:start]}!({line[start:end]}){line[end:]}"
    for match in TERNARY.finditer(masked):
        (a, b), (c, d) = match.span(1), match.span(2)
        yield line[:a] + line[c:d] + line[b:c] + line[a:b] + line[d:]
    if STATEMENT.match(masked):
        yield ""


def mutants_of(path: str) -> Iterator[Mutant]:
    for number, line in code_lines((ROOT / path).read_text()):
        for now in dict.fromkeys(variants(line)):
            yield Mutant(path, number, line, now)


class Bench:
    """What is compiled once, and each mutant's library beside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lines = {path: (ROOT / path).read_text().splitlines() for path in MUTATED}
        self.objects = {
            path: self.compile(ROOT / path, directory / f"{Path(path).stem}.o") for path in LIBRARY
        }
        base = [
            self.compile(source, directory / f"base_{source.stem}.o")
            for source in sorted((ROOT / "common/base").glob("*.c"))
        ]
        shared = [
            self.compile(ROOT / "test/unit" / name, directory / f"unit_{name}.o", GOLDEN)
            for name in SHARED
        ]
        original = directory / "original"
        self.link_library(original, list(self.objects.values()))
        for test in TESTS:
            source = ROOT / f"test/unit/{test}.c"
            main = self.compile(source, directory / f"{test}.o", GOLDEN)
            self.run(
                "gcc",
                *FLAGS,
                "-rdynamic",
                main,
                *shared,
                *base,
                f"-L{original}",
                "-ldecide",
                "-lcmocka",
                "-lyaml",
                "-lm",
                "-o",
                directory / test,
            )

    @staticmethod
    def run(*command: object) -> None:
        subprocess.run([str(word) for word in command], check=True, capture_output=True)

    def compile(self, source: Path, out: Path, *flags: str) -> Path:
        local = ["-I" + str(ROOT / "test/unit")]
        self.run("gcc", *FLAGS, *INCLUDES, *local, *flags, "-c", source, "-o", out)
        return out

    def link_library(self, directory: Path, objects: list[Path]) -> None:
        directory.mkdir(exist_ok=True)
        self.run("gcc", *FLAGS, "-shared", *objects, "-o", directory / "libdecide.so")

    def kills(self, number: int, mutant: Mutant) -> bool | None:
        """True: some test failed. None: it does not compile, or into the same code."""
        directory = self.directory / f"mutant{number}"
        directory.mkdir()
        lines = list(self.lines[mutant.path])
        lines[mutant.line - 1] = mutant.now
        source = directory / Path(mutant.path).name
        source.write_text("\n".join(lines) + "\n")
        try:
            made = self.compile(source, directory / "mutant.o")
        except subprocess.CalledProcessError:
            return None
        objects = [
            made if path == mutant.path else made_before
            for path, made_before in self.objects.items()
        ]
        self.link_library(directory, objects)
        killed = any(not self.passes(test, directory) for test in TESTS)
        for file in directory.iterdir():
            file.unlink()
        return killed

    def passes(self, test: str, library: Path) -> bool:
        environment = dict(
            os.environ,
            LD_LIBRARY_PATH=str(library),
            ASAN_OPTIONS="detect_leaks=0",
            CMOCKA_TEST_ABORT="1",
        )
        try:
            done = subprocess.run(
                [self.directory / test],
                env=environment,
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=TEST_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="files whose path contains this")
    parser.add_argument("--list", action="store_true", help="print the mutants, run nothing")
    parser.add_argument("--needed", type=float, default=95.0)
    options = parser.parse_args()
    mutants = [m for path in MUTATED if options.only in path for m in mutants_of(path)]
    if options.list:
        print(*mutants, sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="mutate-") as name:
        bench = Bench(Path(name))
        broken = [t for t in TESTS if not bench.passes(t, Path(name) / "original")]
        if broken:
            print(f"mutate: {', '.join(broken)} fails as it is", file=sys.stderr)
            return 1
        with ThreadPoolExecutor(options.jobs) as pool:
            verdicts = list(pool.map(bench.kills, range(len(mutants)), mutants))
    survivors = [m for m, killed in zip(mutants, verdicts, strict=True) if killed is False]
    total = sum(killed is not None for killed in verdicts)
    print(*(f"survived {mutant}" for mutant in survivors), sep="\n")
    share = 100.0 * (total - len(survivors)) / max(total, 1)
    print(
        f"{total} mutants, {total - len(survivors)} killed ({share:.1f} %), "
        f"{len(survivors)} survived"
    )
    return 0 if share >= options.needed else 1


if __name__ == "__main__":
    sys.exit(main())
