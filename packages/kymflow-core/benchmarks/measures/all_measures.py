"""Everything that the pages of pulse, cells, diameter and comparison show, in one run.

Run ``hatch run bench:measures``, with ``--recordings FOLDER`` for those of real recordings. It
takes about seven minutes of processor time.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import cells
import comparison
import diameter
import pulse

import kymflow.core.analysis

ANALYSES = ("velocity", "pulse", "cells", "diameter", "flow")
"""Of each its package."""
PARTS = (
    ("Comparison", comparison.main, 500),
    ("Cells", cells.main, 10),
    ("Diameter", diameter.main, 100),
    ("Pulse", pulse.main, 100),
)
"""Titles, what prints the tables, and how many recordings or studies of each kind they take."""
_ON_REAL_ONES = ("Cells", "Pulse")


def lines_of_code() -> str:
    """A table of the sizes of analyses, and of the files outside of them that name them.

    Lines are those that are neither empty nor comments; of the files, tests and benchmarks are left
    out.
    """
    folder = Path(kymflow.core.analysis.__file__).parent
    root = Path(__file__).parents[4]
    others = [
        *root.glob("packages/*/src/**/*.py"),
        *root.glob("packages/*/pyproject.toml"),
        *root.glob("packages/*/docs/*.md"),
        root / "tools/docs/index.md",
        root / "hatch.toml",
    ]
    rows = [
        "| analysis | files | lines of code | other files that name it |",
        "| --- | ---: | ---: | --- |",
    ]
    for name in ANALYSES:
        files = [*folder.glob(f"{name}/*.py")]
        lines = [line.strip() for file in files for line in file.read_text("utf-8").splitlines()]
        code = [line for line in lines if line and not line.startswith("#")]
        names = re.compile(rf"core\.analysis\.{name}\b|\b{name}\.(md|py)\b")
        outside = sorted(
            file.relative_to(root).as_posix()
            for file in others
            if folder / name not in file.parents and names.search(file.read_text("utf-8"))
        )
        rows.append(f"| {name} | {len(files)} | {len(code)} | {', '.join(outside)} |")
    return "\n".join(rows)


def main() -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="measures", description=__doc__)
    parser.add_argument("--recordings", help="a folder of real recordings")
    options = parser.parse_args()
    print(lines_of_code())
    for title, run, count in PARTS:
        real = ["--recordings", options.recordings] if options.recordings else []
        print(f"\n{title}, {count} of each kind\n", flush=True)
        run(["--count", str(count), *(real if title in _ON_REAL_ONES else [])])
    return 0


if __name__ == "__main__":
    sys.exit(main())
