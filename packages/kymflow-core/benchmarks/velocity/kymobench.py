"""KymoBench-1: radon, shear and shear tracked side by side on kymographs of known velocity.

Run ``python kymobench.py --help``. Needs kymflow-core[fast,radon] and matplotlib.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

# Figures are per thread. Must be set before NumPy loads its linear algebra.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

_DOCS = Path(__file__).resolve().parents[2] / "docs"
_BEGIN, _END = "<!-- kymobench begin -->", "<!-- kymobench end -->"
_GEOMETRIES = ((38, 16), (38, 64), (19, 16), (7, 16))


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if ``--check`` is given and a target is missed."""
    parser = argparse.ArgumentParser(prog="kymobench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer windows, no off-grid scenarios")
    parser.add_argument("--output", type=Path, default=Path("benchmark-results/velocity"))
    parser.add_argument("--update-docs", action="store_true", help="put table and figure into docs")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    options = parser.parse_args(arguments)

    from kymobench_measure import measure_accuracy, measure_speed
    from kymobench_report import draw_figure, markdown, targets
    from kymobench_scenarios import SCENARIOS

    scenarios = list(SCENARIOS)
    if not options.quick:
        scenarios += [s.off_grid for s in SCENARIOS if s.speeds]
    accuracy = []
    for scenario in scenarios:
        print(f"scenario {scenario.name}: {scenario.title}", file=sys.stderr)
        windows = (6 if options.quick else 40) * (1 if scenario.speeds else 20)
        lines = 2000 if options.quick else 6000
        accuracy += measure_accuracy(scenario, lines=lines, windows_per_recording=windows)
    print("speed", file=sys.stderr)
    speed = [
        measure_speed(n, w, lines=30_000, radon_windows=20 if options.quick else 60)
        for n, w in _GEOMETRIES
    ]

    mode = "quick" if options.quick else "full"
    table = markdown(accuracy, speed, _machine(), mode)
    kept = targets(accuracy, speed)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "kymobench.md").write_text(table, encoding="utf-8")
    document = {
        "benchmark": "KymoBench-1",
        "mode": mode,
        "machine": _machine(),
        "accuracy": [asdict(a) for a in accuracy],
        "microseconds_per_window": [asdict(s) for s in speed],
        "targets": [{**asdict(t), "met": t.met} for t in kept],
    }
    (options.output / "kymobench.json").write_text(
        json.dumps(document, indent=2) + "\n", encoding="utf-8"
    )
    draw_figure(accuracy, options.output / "kymobench.png")
    if options.update_docs:
        _update_docs(table)
        draw_figure(accuracy, _DOCS / "velocity-kymobench.png")
    print(table)
    return int(options.check and any(t.met is False for t in kept))


def _machine() -> str:
    import numpy as np

    return (
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}"
    )


def _update_docs(table: str) -> None:
    page = _DOCS / "velocity.md"
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    page.write_text(f"{before}{_BEGIN}\n{table}{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
