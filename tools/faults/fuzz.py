"""The store's fuzz tests, run for as long as asked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

# Each microscope's recordings are fuzzed apart, as each takes its time.
_TESTS = ("packages/kymflow-zarr/tests/test_fuzz.py", "-k", "not recordings")
_KINDS = 3
_SPARE_S = 300


def fuzz(workspace: Path, *, seconds: float, seed: int) -> tuple[int, list[str]]:
    """Damage headers, sidecars and datasets of format 1 for a while, and take them in.

    Returns:
        How many inputs were tried, and what went wrong.
    """
    env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *_TESTS],
            cwd=workspace,
            env=env
            | {"KYMFLOW_FUZZ_SECONDS": str(seconds / _KINDS), "KYMFLOW_FUZZ_SEED": str(seed)},
            capture_output=True,
            text=True,
            timeout=seconds + _SPARE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 0, ["an input hangs"]
    tried = sum(int(count) for count in re.findall(r"(\d+) damaged inputs", done.stdout))
    return tried, [done.stdout[-2000:]] if done.returncode else []
