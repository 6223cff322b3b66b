"""Everything that the pages of pulse, cells, diameter and comparison show, in one run.

Run ``hatch run bench:measures``; ``--count`` and the recordings are handed on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cells
import comparison
import diameter
import pulse

import kymflow.core.analysis

ANALYSES = ("velocity", "pulse", "cells", "diameter", "flow")
"""Of each its module, or its package."""


def lines_of_code() -> str:
    """A table of the sizes of analyses: lines that are neither empty nor comments."""
    folder = Path(kymflow.core.analysis.__file__).parent
    rows = ["| analysis | files | lines of code |", "| --- | ---: | ---: |"]
    for name in ANALYSES:
        files = [*folder.glob(f"{name}/*.py"), *folder.glob(f"{name}*.py")]
        lines = [line.strip() for file in files for line in file.read_text("utf-8").splitlines()]
        code = [line for line in lines if line and not line.startswith("#")]
        rows.append(f"| {name} | {len(files)} | {len(code)} |")
    return "\n".join(rows)


def main() -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="measures", description=__doc__)
    parser.add_argument("--count", default="10", help="recordings of each kind")
    parser.add_argument("--recordings", help="a folder of real recordings, for pulse")
    options = parser.parse_args()
    count = ["--count", options.count]
    real = ["--recordings", options.recordings] if options.recordings else []
    for title, run, arguments in (
        ("Comparison", comparison.main, []),
        ("Cells", cells.main, count),
        ("Diameter", diameter.main, count),
        ("Pulse", pulse.main, [*count, *real]),
    ):
        print(f"\n{title}\n")
        run(arguments)
    print(f"\n{lines_of_code()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
