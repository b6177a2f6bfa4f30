#!/usr/bin/env python3
"""Check the ceilings and rules of this tree, one finding a line, exit 1 when there is any.

    ceilings.py [--root DIR] [--rules]

Every rule is one function below; --rules prints their texts. Sizes: file <= 600 lines, function
<= 70, line <= 100. C: banned functions, no typedef'd struct, no bare default:, includes only
downward, and pure files include nothing that reads the world. The layers come from the paths and
from `ampscale_core(...)` in each program's CMakeLists.txt.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

FILE_LINES = 600
FUNCTION_LINES = 70
LINE_COLUMNS = 100

# Why each is banned is said once: these read or write without a bound, follow the locale, or hide
# a failure. base/num.h, base/buf.h and base/fmt.h are what to use.
BANNED = (
    "atoi atol atoll atof strtod strtof strtold strtol strtoll strtoul strtoull strtoimax "
    "strtoumax sscanf fscanf scanf setlocale strtok strtok_r sprintf vsprintf strcpy strcat "
    "strncpy strncat stpcpy gets alloca system popen sleep usleep"
).split()

# All that a pure file may include of the system. Not here: a clock, a file, a socket, a locale.
PURE_HEADERS = (
    "assert errno float inttypes limits math stdalign stdarg stdbool stddef stdint stdlib string"
).split()
# The one file that each of these is let into.
PURE_EXCEPTIONS = {
    "stdio.h": "common/base/fmt.c",  # vsnprintf
    "locale.h": "common/base/num.c",  # strtod_l in the "C" locale
    "yaml.h": "common/base/yaml.c",
    "snappy-c.h": "collector/outbox_request.c",
}
# What tests and fuzz targets may use beyond that: cmocka, and files with cases.
PURE_TEST_HEADERS = ("cmocka", "dirent", "setjmp", "snappy-c", "stdio", "sys/stat", "time")


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass
class File:
    path: str  # from the root
    text: str
    language: str  # "c", "python", "shell", "cmake"
    tree: Tree = field(repr=False)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def code(self) -> list[str]:
        """C without comments and without what strings hold; line numbers stay."""
        return blank_c(self.text).splitlines()

    def found(self, line: int, text: str) -> Finding:
        return Finding(self.path, line, text)


@dataclass
class Tree:
    root: Path
    files: list[File] = field(default_factory=list)

    @cached_property
    def by_path(self) -> dict[str, File]:
        return {file.path: file for file in self.files}

    @cached_property
    def cores(self) -> set[str]:
        """Pure sources of the programs, as their CMakeLists.txt name them."""
        found = set()
        for listing in self.root.glob("*/CMakeLists.txt"):
            for body in re.findall(r"ampscale_core\(\s*\w+([^)]*)\)", listing.read_text()):
                found |= {f"{listing.parent.name}/{name}" for name in body.split()}
        return found

    @cached_property
    def pure(self) -> set[str]:
        """Pure files: base, the cores, and every header of ours that those reach."""
        seen: set[str] = set()
        todo = [path for path in self.by_path if path.startswith("common/base/")]
        todo += [path for path in self.cores if path in self.by_path]
        todo += [f"{path[:-2]}.h" for path in self.cores if f"{path[:-2]}.h" in self.by_path]
        while todo:
            path = todo.pop()
            if path in seen or path.startswith("common/net/"):
                continue
            seen.add(path)
            todo += [target for _, target in self.includes(self.by_path[path]) if target]
        return seen

    def includes(self, file: File) -> list[tuple[int, str | None]]:
        """Line and path of each of our headers that a file includes (None: not one of ours)."""
        found = []
        for number, name, quoted in include_lines(file):
            here = f"{Path(file.path).parent}/{name}"
            places = [f"common/{name}", name, here] if quoted else []
            target = next((place for place in places if place in self.by_path), None)
            found.append((number, target))
        return found


def include_lines(file: File) -> Iterator[tuple[int, str, bool]]:
    for number, line in enumerate(file.lines, 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match[2], match[1] == '"'


def blank_c(text: str) -> str:
    """Replace comments and the inside of literals by blanks; newlines stay."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match[0])

    return re.sub(pattern, blank, text, flags=re.DOTALL)


# --- sizes


def rule_file_lines(file: File) -> Iterator[Finding]:
    """a file has at most 600 lines"""
    if len(file.lines) > FILE_LINES:
        yield file.found(len(file.lines), f"file of {len(file.lines)} lines (at most {FILE_LINES})")


def rule_line_columns(file: File) -> Iterator[Finding]:
    """a line has at most 100 columns"""
    for number, line in enumerate(file.lines, 1):
        if len(line) > LINE_COLUMNS:
            yield file.found(number, f"line of {len(line)} columns (at most {LINE_COLUMNS})")


def c_functions(file: File) -> Iterator[tuple[int, int]]:
    """First and last line of each function: clang-format puts its braces alone in column 0."""
    body = 0
    for number, line in enumerate(file.code, 1):
        if line.rstrip() == "{":
            body = number
        elif body and line.startswith("}"):
            yield signature(file.code, body), number
            body = 0


def signature(code: list[str], body: int) -> int:
    """Line where the signature of the body that opens on line `body` starts."""
    start = body
    while start > 1:
        above = code[start - 2].rstrip()
        if not above or above.endswith(";") or above.startswith(("#", "}")):
            break
        start -= 1
    return start


def shell_functions(file: File) -> Iterator[tuple[int, int]]:
    start = 0
    for number, line in enumerate(file.lines, 1):
        if re.match(r"(function\s+)?\w+\s*\(\)\s*[{(]\s*$", line):
            start = number
        elif start and re.match(r"[})]", line):
            yield start, number
            start = 0


def python_functions(file: File) -> Iterator[tuple[int, int]]:
    for node in ast.walk(ast.parse(file.text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.end_lineno or node.lineno


def rule_function_lines(file: File) -> Iterator[Finding]:
    """a function has at most 70 lines (C, Python, shell)"""
    parsers = {"c": c_functions, "python": python_functions, "shell": shell_functions}
    if file.language not in parsers:
        return
    for first, last in parsers[file.language](file):
        if last - first + 1 > FUNCTION_LINES:
            length = last - first + 1
            yield file.found(first, f"function of {length} lines (at most {FUNCTION_LINES})")


# --- C


def rule_banned(file: File) -> Iterator[Finding]:
    """no function that is unbounded, follows the locale, or waits by sleeping (C)"""
    if file.language != "c":
        return
    pattern = re.compile(rf"(?<![\w.>])({'|'.join(BANNED)})\s*\(")
    for number, line in enumerate(file.code, 1):
        for match in pattern.finditer(line):
            yield file.found(number, f"{match[1]}() is banned")


def rule_typedef(file: File) -> Iterator[Finding]:
    """a struct, union or enum is not typedef'd (C)"""
    if file.language != "c":
        return
    for number, line in enumerate(file.code, 1):
        if re.search(r"\btypedef\s+(struct|union|enum)\b", line):
            yield file.found(number, "typedef'd struct, union or enum")


def rule_default(file: File) -> Iterator[Finding]:
    """a `default:` has a comment, on its line or above, that says what is left to it (C)"""
    if file.language != "c":
        return
    for number, line in enumerate(file.code, 1):
        if re.search(r"\bdefault\s*:", line):
            above = file.lines[number - 2].rstrip() if number > 1 else ""
            if "/* " not in file.lines[number - 1] and not above.endswith("*/"):
                yield file.found(number, "default: without its reason; name an enum's cases")


def rule_todo(file: File) -> Iterator[Finding]:
    """nothing is left to do: no marker of unfinished work"""
    marker = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    for number, line in enumerate(file.lines, 1):
        if marker.search(line):
            yield file.found(number, "a marker of unfinished work")


# --- layers


def layer(path: str) -> str:
    """ "base", "net", "test", or the directory of a program"""
    parts = path.split("/")
    return parts[1] if parts[0] == "common" else parts[0]


def pure_test(path: str) -> bool:
    return path.startswith(("test/unit/", "test/fuzz/"))


def rule_layers(file: File) -> Iterator[Finding]:
    """includes go downward: base <- cores <- programs; net is for programs (C)"""
    if file.language != "c":
        return
    tree, own = file.tree, layer(file.path)
    for number, target in tree.includes(file):
        if target is None:
            continue
        theirs = layer(target)
        if own in ("base", "net") and theirs not in ("base", own):
            yield file.found(number, f"{target}: common/{own} knows nothing above it")
        elif own != "test" and theirs == "test":
            yield file.found(number, f"{target}: only tests include test/")
        elif (file.path in tree.pure or pure_test(file.path)) and theirs == "net":
            yield file.found(number, f"{target}: pure code does not include net")
        elif theirs not in (own, "base", "net") and own != "test" and target not in tree.pure:
            yield file.found(number, f"{target}: of another program only its core may be used")


def rule_purity(file: File) -> Iterator[Finding]:
    """a pure file includes no header that reads the world (C)"""
    test = pure_test(file.path)
    if file.language != "c" or not (test or file.path in file.tree.pure):
        return
    allowed = {f"{name}.h" for name in PURE_HEADERS + (list(PURE_TEST_HEADERS) if test else [])}
    for number, name, quoted in include_lines(file):
        excused = PURE_EXCEPTIONS.get(name) == file.path
        if not quoted and name not in allowed and not excused:
            yield file.found(number, f"<{name}> in a pure file")


RULES: tuple[Callable[[File], Iterator[Finding]], ...] = (
    rule_file_lines,
    rule_line_columns,
    rule_function_lines,
    rule_banned,
    rule_typedef,
    rule_default,
    rule_todo,
    rule_layers,
    rule_purity,
)


# --- the tree


def language_of(path: Path) -> str | None:
    endings = {".c": "c", ".h": "c", ".py": "python", ".sh": "shell", ".cmake": "cmake"}
    if path.suffix in endings or path.name == "CMakeLists.txt":
        return endings.get(path.suffix, "cmake")
    if path.suffix:
        return None
    with path.open("rb") as file:
        first = file.read(64).split(b"\n")[0]
    if first.startswith(b"#!"):
        return "python" if b"python" in first else "shell" if b"sh" in first else None
    return None


def tree_paths(root: Path) -> list[str]:
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others"]
    done = subprocess.run([*command, "--exclude-standard"], capture_output=True, text=True)
    if done.returncode == 0:
        return sorted({path for path in done.stdout.split("\0") if path})
    skip = {"build", ".git", "__pycache__"}
    found = (path.relative_to(root) for path in root.rglob("*"))
    return sorted(str(path) for path in found if not skip & set(path.parts))


def load(root: Path) -> Tree:
    tree = Tree(root)
    for name in tree_paths(root):
        path = root / name
        if not path.is_file() or name.startswith(("test/fuzz/corpus/", "test/golden/")):
            continue
        language = language_of(path)
        if language:
            tree.files.append(File(name, path.read_text(), language, tree))
    return tree


def check(tree: Tree) -> list[Finding]:
    return [finding for file in tree.files for rule in RULES for finding in rule(file)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--rules", action="store_true", help="print what is checked")
    options = parser.parse_args()
    if options.rules:
        print("\n".join(str(rule.__doc__) for rule in RULES))
        return 0
    tree = load(options.root)
    findings = check(tree)
    for finding in findings:
        print(finding)
    print(f"ceilings: {len(tree.files)} files, {len(RULES)} rules, {len(findings)} findings")
    return 1 if findings or not tree.files else 0


if __name__ == "__main__":
    sys.exit(main())
