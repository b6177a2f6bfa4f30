"""Every rule of the tree is seen to fail on a bad example, and to pass on a good one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import ceilings
import globals as globals_rule
import hardened
import purity
import pytest

BODY = "    x();\n"


def c_function(lines: int) -> str:
    return "static int f(int a,\n             int b)\n{\n" + BODY * (lines - 4) + "}\n"


# rule, path, a text it must complain about (line, or 0 for none), the text
CASES = [
    ("file_lines", "a/x.c", 0, "int x;\n" * 600),
    ("file_lines", "a/x.c", 601, "int x;\n" * 601),
    ("line_columns", "a/x.py", 0, "é" * 100),
    ("line_columns", "a/x.py", 2, "\n" + "x" * 101),
    ("line_columns", "a/CMakeLists.txt", 1, "x" * 101),
    ("function_lines", "a/x.c", 0, "/* about\n * it */\n" + c_function(70)),
    ("function_lines", "a/x.c", 3, "int y;\n\n" + c_function(71)),
    ("function_lines", "a/x.c", 0, "struct x {\n" + "    int a;\n" * 90 + "};\n"),
    ("function_lines", "a/x.py", 0, "def f():\n" + "    x()\n" * 69),
    ("function_lines", "a/x.py", 2, "class A:\n    def f():\n" + "        x()\n" * 70),
    ("function_lines", "a/x.sh", 0, "f() {\n" + BODY * 68 + "}\n"),
    ("function_lines", "a/x.sh", 1, "f() {\n" + BODY * 69 + "}\n"),
    ("banned", "a/x.c", 1, "int y = atoi(s);"),
    ("banned", "a/x.c", 1, "double y = strtod (s, 0);"),
    ("banned", "a/x.c", 0, '/* atoi(s) */ x("sprintf(a)"); my_atoi(s); s->gets(1);'),
    ("banned", "a/x.py", 0, "atoi(s)"),
    ("typedef", "a/x.h", 1, "typedef struct x { int a; } x;"),
    ("typedef", "a/x.h", 1, "typedef enum { A } x;"),
    ("typedef", "a/x.h", 0, "typedef void done_fn(struct x *x);"),
    ("default", "a/x.c", 2, "switch (x) {\ndefault: return;\n}"),
    ("default", "a/x.c", 0, "switch (x) {\ndefault: /* any other byte */ return;\n}"),
    ("default", "a/x.c", 0, "switch (x) {\n/* any other byte */\ndefault: return;\n}"),
    ("todo", "a/x.sh", 1, "# TO" + "DO: later"),
    ("todo", "a/x.sh", 0, "# todos are fine in words"),
]


def tree_of(tmp_path: Path, files: dict[str, str]) -> ceilings.Tree:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return ceilings.load(tmp_path)


@pytest.mark.parametrize(("rule", "path", "line", "text"), CASES)
def test_text_rules(tmp_path: Path, rule: str, path: str, line: int, text: str) -> None:
    tree = tree_of(tmp_path, {path: text})
    found = list(getattr(ceilings, f"rule_{rule}")(tree.by_path[path]))
    assert [finding.line for finding in found] == ([line] if line else [])


BASE = {
    "common/base/str.h": "",
    "common/net/http.h": "",
    "scaler/CMakeLists.txt": "ampscale_core(scaler_core\n    decide.c\n)\n",
    "scaler/decide.h": '#include "base/str.h"\n',
    "scaler/decide.c": '#include "scaler/decide.h"\n#include <string.h>\n',
    "scaler/main.c": '#include "net/http.h"\n#include "scaler/decide.h"\n#include <stdio.h>\n',
    "scaler/io.h": "",
    "webhook/main.c": '#include "scaler/decide.h"\n',
    "test/unit/test_x.c": '#include <stdio.h>\n#include "base/str.h"\n#include "golden.h"\n',
    "test/unit/golden.h": "",
    "test/component/test_y.c": '#include "net/http.h"\n#include <sys/socket.h>\n',
}

# file, its text, the rule that complains
LAYER_CASES = [
    ("common/base/err.c", '#include "net/http.h"\n', "layers"),
    ("common/base/err.c", '#include "scaler/decide.h"\n', "layers"),
    ("common/net/http.c", '#include "webhook/x.h"\n', "layers"),
    ("scaler/decide.c", '#include "net/http.h"\n', "layers"),
    ("scaler/decide.h", '#include "net/http.h"\n', "layers"),
    ("webhook/main.c", '#include "scaler/io.h"\n', "layers"),
    ("scaler/main.c", '#include "test/unit/golden.h"\n', "layers"),
    ("test/unit/test_x.c", '#include "net/http.h"\n', "layers"),
    ("test/fuzz/fuzz_x.c", '#include "net/http.h"\n', "layers"),
    ("common/base/err.c", "#include <stdio.h>\n", "purity"),
    ("common/base/err.h", "#include <time.h>\n", "purity"),
    ("common/base/err.c", "#include <sys/socket.h>\n", "purity"),
    ("scaler/decide.c", "#include <curl/curl.h>\n", "purity"),
    ("scaler/decide.h", "#include <unistd.h>\n", "purity"),
    ("test/unit/test_x.c", "#include <openssl/evp.h>\n", "purity"),
]


def complaints(tree: ceilings.Tree) -> set[tuple[str, str]]:
    rules = {"layers": ceilings.rule_layers, "purity": ceilings.rule_purity}
    return {
        (file.path, name) for file in tree.files for name, rule in rules.items() for _ in rule(file)
    }


def test_layers_good(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, BASE)
    assert complaints(tree) == set()
    assert tree.pure == {"common/base/str.h", "scaler/decide.h", "scaler/decide.c"}


@pytest.mark.parametrize(("path", "text", "rule"), LAYER_CASES)
def test_layers_bad(tmp_path: Path, path: str, text: str, rule: str) -> None:
    tree = tree_of(tmp_path, BASE | {"webhook/x.h": ""} | {path: text})
    assert complaints(tree) == {(path, rule)}


def test_a_core_is_pure_down_to_its_last_header(tmp_path: Path) -> None:
    extra = {"scaler/decide.h": '#include "scaler/io.h"\n', "scaler/io.h": "#include <time.h>\n"}
    assert complaints(tree_of(tmp_path, BASE | extra)) == {("scaler/io.h", "purity")}


def test_every_rule_has_a_case() -> None:
    tested = {case[0] for case in CASES} | {case[2] for case in LAYER_CASES}
    assert tested == {rule.__name__.removeprefix("rule_") for rule in ceilings.RULES}


def compile_c(tmp_path: Path, text: str) -> Path:
    source, target = tmp_path / "x.c", tmp_path / "x.o"
    source.write_text(text)
    options = ["-fPIC", "-fsanitize=address", "-fno-common"]
    subprocess.run(["gcc", *options, "-c", str(source), "-o", str(target)], check=True)
    return target


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('static const char *const N[] = {"a"}; const char *f(int i) { return N[i]; }', []),
        ("int count = 3;", ["count"]),
        ("int f(void) { static int calls; return calls++; }", ["calls"]),
        ('const char *name = "a";', ["name"]),
        ("static _Thread_local int t; int *f(void) { return &t; }", ["t"]),
    ],
)
def test_globals(tmp_path: Path, text: str, names: list[str]) -> None:
    target = compile_c(tmp_path, text)
    assert [name.split(".")[0] for name in globals_rule.mutable(target)] == names
    command = f"gcc -o {target.name} -c x.c"
    listing = [{"directory": str(tmp_path), "command": command, "file": "x.c"}]
    (tmp_path / "compile_commands.json").write_text(json.dumps(listing))
    assert globals_rule.main(tmp_path) == (1 if names else 0)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("#include <string.h>\nint f(const char *s) { return (int)strlen(s); }", []),
        ("#include <time.h>\nlong f(void) { return time(0); }", ["time"]),
        ('#include <stdio.h>\nvoid f(void) { puts("x"); }', ["puts"]),
        ('#include <stdlib.h>\nchar *f(void) { return getenv("x"); }', ["getenv"]),
    ],
)
def test_purity(tmp_path: Path, text: str, names: list[str]) -> None:
    library = tmp_path / "libx.a"
    subprocess.run(["ar", "rc", str(library), str(compile_c(tmp_path, text))], check=True)
    assert purity.impure([str(library)]) == ({str(library): names} if names else {})
    assert purity.main([str(library)]) == (1 if names else 0)


HARDENED = (
    "-O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fcf-protection=full -fPIE -pie "
    "-Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,-z,shstk"
).split()
PROGRAM = """#include <stdio.h>
#include <string.h>
int main(int c, char **v)
{
    char b[64];
    memcpy(b, v[0], strlen(v[0]) % 64);
    return printf("%s%d", b, c) > 3;
}
"""


# a flag to leave out, flags to add, what is complained about
HARDENED_CASES = [
    ("", "", None),
    ("-pie", "-no-pie -fno-pie", "lacks position independent"),
    ("-Wl,-z,relro,-z,now", "-Wl,-z,relro,-z,lazy", "lacks bindings at start"),
    ("-Wl,-z,relro,-z,now", "-Wl,-z,norelro,-z,now", "lacks RELRO"),
    ("-Wl,-z,noexecstack", "-Wl,-z,execstack", "lacks a stack that is not executable"),
    ("-Wl,-z,shstk", "", "lacks CET's shadow stack"),
    ("-fstack-protector-strong", "", "lacks stack protector"),
    ("-D_FORTIFY_SOURCE=3", "", "lacks fortified calls"),
    ("", "-Wl,-rpath,/opt", "has run path"),
    ("", "-fsanitize=undefined", "has sanitizer"),
]


@pytest.mark.parametrize(("less", "more", "complaint"), HARDENED_CASES)
def test_hardened(tmp_path: Path, less: str, more: str, complaint: str | None) -> None:
    source, target = tmp_path / "x.c", tmp_path / "x"
    source.write_text(PROGRAM)
    flags = [flag for flag in HARDENED if flag != less] + more.split()
    subprocess.run(["gcc", *flags, str(source), "-o", str(target)], check=True)
    assert hardened.complaints(target) == ([complaint] if complaint else [])


def test_hardened_sees_a_path(tmp_path: Path) -> None:
    source, target = tmp_path / "x.c", tmp_path / "x"
    source.write_text(
        PROGRAM.replace("> 3", "> (int)sizeof(__FILE__)").replace('"%s%d"', "__FILE__")
    )
    subprocess.run(["gcc", "-w", *HARDENED, str(source), "-o", str(target)], check=True)
    assert f"names {tmp_path}" in hardened.complaints(target, tmp_path)
