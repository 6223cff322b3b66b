"""What the store does where Windows' rules for names and open files hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the stand-in is made of Linux")

BEGIN = """
import os
os.supports_dir_fd.clear()
import sys, threading
from pathlib import Path
root = Path(sys.argv[1])
sys.path.insert(0, sys.argv[2])
import windows_rules
import numpy as np
import pandas as pd
import tifffile
recordings = root / "recordings"
recordings.mkdir()
for name in "abc":
    tifffile.imwrite(recordings / f"{name}.tif", np.full((60, 16), ord(name), np.uint16))
windows_rules.impose(root)
from kymflow_zarr import ZarrDataset
dataset = ZarrDataset(root / "dataset.zarr")
ids = dataset.refresh_from_folder(recordings)
record = dataset.record(ids[0])
def rows(n):
    return pd.DataFrame({"image_id": ids, "n": [n] * len(ids)})
dataset.save_table("cells", rows(1))
"""

WHOLE_WORK = """
for n in range(2):
    record.save_json("note", {"n": n})
    record.save_array_artifact("scores", np.full(100, n))
    record.save_df_parquet("peaks", rows(n))
    record.save_df_csv_gz("peaks", rows(n))
dataset.replace_rows_for_image_id("cells", ids[0], rows(2)[:1])
dataset.delete_image(ids[1])
dataset.refresh_from_folder(recordings)
dataset.update_manifest()
assert dataset.repair() == []
for _ in range(2):
    report = dataset.export_legacy_folder(root / "exported")
assert report.files_written == 0
again = ZarrDataset(root / "again.zarr")
assert sorted(again.ingest_legacy_folder(root / "exported")) == dataset.list_image_ids()
assert again.record(ids[0]).load_array_artifact("scores").tolist() == [1] * 100
assert sorted(again.load_table("cells")["n"]) == [1, 2]
for one in (dataset, again):
    assert one.check(deep=True) == []
record.delete_analysis()
"""

HELD_A_WHILE = """
record.save_array_artifact("scores", np.zeros(100))
def in_use(key, call):
    with open(root / "dataset.zarr" / key, "rb"):
        windows_rules.REFUSED.clear()
        writer = threading.Thread(target=call)
        writer.start()
        assert windows_rules.REFUSED.wait(300)
    writer.join()
in_use("tables/cells.parquet", lambda: dataset.save_table("cells", rows(2)))
in_use(
    f"images/{ids[0]}/analysis_arrays/scores/zarr.json",
    lambda: record.save_array_artifact("scores", np.ones(100)),
)
in_use(f"images/{ids[1]}/zarr.json", lambda: dataset.delete_image(ids[1]))
assert dataset.load_table("cells")["n"].tolist() == [2, 2]
assert record.load_array_artifact("scores").tolist() == [1] * 100
assert dataset.check(deep=True) == []
"""

HELD_FOR_GOOD = """
record.save_array_artifact("scores", np.zeros(100))
for key, call in {
    "tables/cells.parquet": lambda: dataset.save_table("cells", rows(2)),
    f"images/{ids[0]}/analysis_arrays/scores/zarr.json": lambda: record.save_array_artifact(
        "scores", np.ones(100)
    ),
}.items():
    with open(root / "dataset.zarr" / key, "rb"):
        try:
            call()
        except PermissionError as error:
            print("refused:", error)
assert dataset.load_table("cells")["n"].tolist() == [1, 1, 1]
assert record.load_array_artifact("scores").tolist() == [0] * 100
assert dataset.check(deep=True) == []
"""


def run(root: Path, script: str) -> str:
    root.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", BEGIN + script, str(root), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_whole_work_keeps_to_them(tmp_path: Path) -> None:
    run(tmp_path, WHOLE_WORK)


def test_the_path_of_a_dataset_may_have_140_characters(tmp_path: Path) -> None:
    others = len(f"{tmp_path}//dataset.zarr")
    run(tmp_path / ("x" * (140 - others)), WHOLE_WORK)


def test_a_file_that_is_open_elsewhere_is_waited_for(tmp_path: Path) -> None:
    run(tmp_path, HELD_A_WHILE)


def test_a_file_that_stays_open_is_an_error_that_changes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, HELD_FOR_GOOD).count("refused:") == 2
