#!/usr/bin/env python3
"""Prove that static libraries are pure: what they leave undefined is on the list below, no more.

    purity.py LIBRARY.a...

Pure code computes. A symbol that reads a clock, a file, a socket or the environment is not on the
list, so a core that starts to use one fails here whatever it includes.
"""

from __future__ import annotations

import re
import subprocess
import sys

# Memory, text, order, arithmetic; formatting in base/fmt.c, strtod in the "C" locale in base/num.c;
# libyaml's parser in base/yaml.c; the compressor of collector/outbox_request.c.
ALLOWED = set(
    """
    explicit_bzero memchr memcmp memcpy memmem memmove memrchr memset
    strchr strcmp strlen strncmp strnlen strrchr
    strspn strcspn strstr
    malloc calloc realloc free reallocarray qsort bsearch abort
    ceil floor fabs fmax fmin round trunc fmod ldexp frexp log log10 pow exp lround llround
    nextafter scalbn
    vsnprintf
    strtod_l newlocale
    yaml_parser_initialize yaml_parser_set_input_string yaml_parser_set_encoding
    yaml_parser_parse yaml_parser_delete yaml_event_delete
    snappy_compress snappy_max_compressed_length
    """.split()
)
# What the compiler and the sanitizers put in.
COMPILER = re.compile(
    r"__(asan|ubsan|sanitizer|sancov|stack_chk|popcount)"
    r"|__(memcpy|memset|explicit_bzero|vsnprintf)_chk"
    r"|_GLOBAL_OFFSET_TABLE_$|__errno_location$|__assert_fail$|__(mul|div|mod|udiv|umod)\w*[td]i"
)


def symbols(library: str, kind: str) -> set[str]:
    command = ["nm", "--format=just-symbols", f"--{kind}-only", library]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {line for line in out.split("\n") if line and not line.endswith(":")}


def impure(libraries: list[str]) -> dict[str, list[str]]:
    defined: set[str] = set().union(*(symbols(library, "defined") for library in libraries))
    found = {}
    for library in libraries:
        wanted = symbols(library, "undefined") - defined - ALLOWED
        bad = sorted(symbol for symbol in wanted if not COMPILER.match(symbol))
        if bad:
            found[library] = bad
    return found


def main(libraries: list[str]) -> int:
    found = impure(libraries)
    for library, bad in found.items():
        print(f"{library}: not pure, it needs {', '.join(bad)}", file=sys.stderr)
    print(f"purity: {len(libraries)} libraries, {len(found)} impure")
    return 1 if found or not libraries else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
