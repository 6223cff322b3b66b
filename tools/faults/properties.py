"""Properties that pytest checks, each with as many examples as asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

_TESTS = "packages/kymflow-zarr/tests"
PROPERTIES = {
    "links": (f"{_TESTS}/test_links.py",),
    "interleavings": ("tests/test_interleavings.py",),
    "objects": (f"{_TESTS}/object_stores",),
    "bounds": (
        f"{_TESTS}/test_format1_bombs.py",
        f"{_TESTS}/test_forged.py",
        f"{_TESTS}/test_tables.py",
        f"{_TESTS}/readers/test_hostile_tiffs.py",
        f"{_TESTS}/storage/test_gunzip.py",
        "packages/kymflow-cli/tests/test_query.py",
    ),
}
_LONGEST_S = 3600


def check_properties(
    workspace: Path, root: Path, part: str, *, examples: int
) -> tuple[int, list[str], str]:
    """Run the tests of one of `PROPERTIES`, with so many examples for each.

    Returns:
        How many tests ran, what went wrong, and what was skipped.
    """
    found = root / "found.xml"
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in {"LD_PRELOAD", "FAULTS_SHIM"}
    }
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", f"--basetemp={root / 'tests'}"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, f"--junitxml={found}", *PROPERTIES[part]],
            cwd=workspace,
            env=env | {"KYMFLOW_EXAMPLES": str(examples)},
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 0, [f"{part}: a test hangs"], ""
    if not found.exists():
        return 0, [done.stdout[-2000:]], ""
    cases = list(ElementTree.parse(found).iter("testcase"))  # noqa: S314 - pytest has written it
    wrong = [
        f"{part}: {case.get('name')}: {said.get('message')}"
        for case in cases
        for said in [*case.findall("failure"), *case.findall("error")]
    ]
    skipped = [said.get("message", "") for case in cases for said in case.findall("skipped")]
    note = (
        f"tests with {examples} examples; {len(skipped)} skipped: {skipped[0]}" if skipped else ""
    )
    return len(cases) - len(skipped), wrong, note or f"tests with {examples} examples"
