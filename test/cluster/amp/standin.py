#!/usr/bin/env python3
"""Run AMP's stand-in in the foreground: see server.py, and --help."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    runpy.run_module("amp.server", run_name="__main__")
