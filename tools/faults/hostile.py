"""A folder with bad input among good images, ingested by the command under a memory limit."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile

from faults.hostile_files import HARMLESS_LIE, bad_files, tiff_bytes
from kymflow_zarr import ZarrDataset

_MEMORY_BYTES = 3 * 2**30
_TIMEOUT_S = 600
_ODD_NAMES = (
    "\u202egnp.tif".encode(),
    b"red \x1b[31m.tif",
    b"two\nlines.tif",
    b"=cmd|' !A0.tif",
    b"<b>bold.tif",
    b"x" * 250 + b".tif",
)
_FORMULAS = (
    *("=1+1", "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", '="a"&"b"'),
    *('=HYPERLINK("http://a")', "-2+3+cmd|' /C calc'!D2", "=IMPORTXML(A1)", "+cmd|' /C calc'!A0"),
)


@dataclass(slots=True, kw_only=True)
class Hostile:
    """What came of it.

    Attributes:
        tried: How many bad inputs there were.
        good: How many good images.
        seconds: How long it took.
        peak_mib: The most memory that the command held, in MiB.
        wrong: Crashes, hangs, good images that did not come in, bad ones without a reason.
    """

    tried: int
    good: int
    seconds: float = 0.0
    peak_mib: int = 0
    wrong: list[str] = field(default_factory=list)


def hostile(root: Path, *, good: int, variants: int, bombs: bool, seed: int) -> Hostile:
    """Ingest a folder of good and bad files twice: the second time there must be nothing new.

    `variants` is how many there are of each kind of bad file; bombs take seconds to refuse.
    """
    folder, place = root / "recordings", root / "dataset.zarr"
    folder.mkdir(parents=True)
    for number in range(good):
        tifffile.imwrite(folder / f"good{number:03d}.tif", np.full((12, 6), number, np.uint16))
    for name in _ODD_NAMES:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(tiff_bytes())
    note = {"experiment_metadata": {"note": "\x1b[31m<script>alert(1)</script>"}, "rois": []}
    (folder / "good000.json").write_text(json.dumps(note), encoding="utf-8")
    bad = dict(bad_files(folder, variants=variants, bombs=bombs, seed=seed))
    done = Hostile(tried=len(bad), good=good)
    first = _run_command(["ingest", str(folder), str(place), "--json", "--workers", "1"], done)
    _judge(first, bad, place, done)
    again = _run_command(["ingest", str(folder), str(place), "--json", "--workers", "1"], done)
    if any(item.get("status") == "ok" for item in again):
        done.wrong.append("the second run took files in again")
    for verb in (["check", str(place), "--deep"], ["ls", str(place)], ["info", str(place)]):
        text = _run_command(verb, done, parse=False)
        if any("\x1b" in json.dumps(line, ensure_ascii=False) for line in text):
            done.wrong.append(f"{verb[0]} lets an escape sequence through to the terminal")
    _judge_cells(place, done)
    return done


def _judge_cells(place: Path, done: Hostile) -> None:
    """No cell of CSV may be one that a spreadsheet would run."""
    import pandas as pd

    ZarrDataset(place).save_table("cells", pd.DataFrame({"text": _FORMULAS}))
    done.tried += len(_FORMULAS)
    lines = _run_command(["table", str(place), "cells", "--csv"], done, parse=False)
    cells = list(csv.reader(io.StringIO("\n".join(str(line["line"]) for line in lines))))[1:]
    if len(cells) != len(_FORMULAS):
        done.wrong.append(f"{len(cells)} rows of CSV instead of {len(_FORMULAS)}")
    for row in cells:
        if row[0][:1] in set("=+-@\t\r\n"):
            done.wrong.append(f"a cell that a spreadsheet would run: {row[0]!r}")


def _run_command(
    arguments: list[str], done: Hostile, *, parse: bool = True
) -> list[dict[str, object]]:
    """Run the command with bounded memory; its JSON records, or its lines as records."""
    begun = time.monotonic()
    env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    process = subprocess.Popen(
        [sys.executable, "-m", "kymflow.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env | {"OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=_limit_memory,  # noqa: PLW1509 - nothing here has threads
    )
    try:
        out, error = process.communicate(timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        done.wrong.append(f"{arguments[0]} hangs")
        return []
    done.seconds = max(done.seconds, time.monotonic() - begun)
    done.peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    if process.returncode not in {0, 1} or b"Traceback" in error:
        done.wrong.append(f"{arguments[0]} ended with {process.returncode}: {error[-2000:]!r}")
    lines = out.decode("utf-8", "surrogateescape").splitlines()
    return [json.loads(line) if parse else {"line": line} for line in lines]


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def _judge(
    records: list[dict[str, object]], bad: dict[str, str], place: Path, done: Hostile
) -> None:
    reported = {Path(str(item["path"])).name: item for item in records if "path" in item}
    for number in range(done.good):
        name = f"good{number:03d}.tif"
        if reported.get(name, {}).get("status") != "ok":
            done.wrong.append(f"{name} did not come in: {reported.get(name)}")
    for name, why in bad.items():
        stem = name.removesuffix(".tif")
        item = next((one for path, one in reported.items() if path.startswith(stem)), None)
        if item is None:
            done.wrong.append(f"{name!r} ({why}) was passed over in silence")
        elif item.get("status") == "ok":
            # What lies beside an image never refuses it, but is left out and named.
            issues = item.get("issues")
            kinds = {issue["kind"] for issue in issues} if isinstance(issues, list) else set()
            if why != HARMLESS_LIE and not any(kind.endswith("_left_out") for kind in kinds):
                done.wrong.append(f"{name!r} ({why}) was ingested")
        elif not item.get("reason"):
            done.wrong.append(f"{name!r} ({why}) was refused without a reason: {item}")
    dataset = ZarrDataset(place, "r")
    ingested = sum(reported.get(name, {}).get("status") == "ok" for name in bad)
    expected = done.good + ingested + len(_ODD_NAMES)
    if len(dataset.list_image_ids()) != expected:
        done.wrong.append(f"{len(dataset.list_image_ids())} images instead of {expected}")
    done.wrong += [f"check: {problem}" for problem in dataset.check(deep=True)]
