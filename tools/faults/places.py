"""The datasets that the harness works on: small, with something of everything, made once."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray

from kymflow.core.analysis import run_analysis
from kymflow.core.analysis.velocity import VELOCITY, VelocityParams
from kymflow_zarr import ZarrDataset

_LINES, _PIXELS = 24, 10
_FLOW_LINES, _FLOW_PIXELS = 96, 32
VELOCITY_PARAMS: Final = VelocityParams(window_lines=16)
_FORMAT1_IDS = ("0a7f3c1e-1111-4222-8333-444455556666", "9b1d2e3f-1111-4222-8333-444455556666")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one trial happens.

    Attributes:
        root: Its folder.
        recordings: The folder with image files; shared by all trials, and only read.
        moved: Another folder with the same files; shared, and only read.
        exported: An export of the full dataset; shared, and only read.
    """

    root: Path
    recordings: Path
    moved: Path
    exported: Path

    @property
    def work(self) -> Path:
        """The folder in which faults are injected."""
        return self.root / "work"

    @property
    def dataset(self) -> Path:
        """The dataset."""
        return self.work / "dataset.zarr"

    @property
    def export(self) -> Path:
        """Where it is exported to."""
        return self.work / "export"


def pixels(seed: int) -> NDArray[np.uint16]:
    """Pixels ``(time, space)`` that no other seed makes."""
    return np.random.default_rng(seed).integers(0, 4096, (_LINES, _PIXELS)).astype(np.uint16)


def flowing(slope: float) -> NDArray[np.uint16]:
    """A kymograph ``(time, space)`` of cells that move by `slope` pixels per line."""
    lines, columns = np.mgrid[:_FLOW_LINES, :_FLOW_PIXELS]
    noise = np.random.default_rng(0).normal(0.0, 3.0, lines.shape)
    waves = 100.0 + 50.0 * np.sin((columns - slope * lines) / 3.0)
    image: NDArray[np.uint16] = np.clip(waves + noise, 0.0, None).astype(np.uint16)
    return image


def pixels_digest(image: NDArray[Any]) -> str:
    """The digest that a record of these pixels has."""
    little = np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("<"))
    return f"sha256:{hashlib.sha256(little.tobytes()).hexdigest()}"


class Templates:
    """Datasets that trials start from, made in a folder and copied for each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recordings = folder / "recordings"
        self.moved = folder / "moved"
        self.exported = folder / "exported"
        self._makers: dict[str, Callable[[Path], None]] = {
            "empty": _make_empty,
            "full": self._make_full,
            "noted": self._make_noted,
            "flow": _make_flow,
            "untidy": self._make_untidy,
            "format1": _make_format1,
        }

    def make(self, names: Collection[str] = ()) -> None:
        """Make those that are named; all if none is."""
        self.recordings.mkdir(parents=True)
        for number in range(3):
            _write_recording(self.recordings / f"a{number}.tif", seed=number)
            _write_recording(self.recordings / f"b{number}.tif", seed=10 + number)
        shutil.copytree(self.recordings, self.moved)
        for name, maker in self._makers.items():
            if names and name not in names:
                continue
            work = self.folder / name / "work"
            work.mkdir(parents=True)
            maker(work / "dataset.zarr")
        if names and "full" not in names:
            return
        ZarrDataset(self.folder / "full" / "work" / "dataset.zarr").export_legacy_folder(
            self.exported, table_format="parquet"
        )

    def copy(self, name: str, root: Path) -> Place:
        """A place with a copy of a template; what was there before goes."""
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.folder / name, root)
        return self.place(root)

    def place(self, root: Path) -> Place:
        """A place at a folder, as it is."""
        return Place(
            root=root, recordings=self.recordings, moved=self.moved, exported=self.exported
        )

    def _make_full(self, path: Path) -> None:
        import pandas as pd

        dataset = ZarrDataset(path)
        image_ids = sorted(dataset.refresh_from_folder(self.recordings, "a*.tif"))
        for number, image_id in enumerate(image_ids):
            record = dataset.record(image_id)
            trace = pd.DataFrame({"t": [0.0, 1.0], "v": [1.0 + number, 2.0 + number]})
            if image_id != image_ids[-1]:  # the last one has only what an ingest gave it
                record.save_json("flow/params", {"window": 16, "number": number})
                record.save_df_parquet("flow/trace", trace)
                record.save_df_csv_gz("legacy/trace", trace)
                record.save_array_artifact("scores", np.arange(6.0) + number)
            dataset.replace_rows_for_image_id(
                "kym_x", image_id, pd.DataFrame({"image_id": [image_id] * 2, "v": [number, 7]})
            )
        dataset.save_table("notes", pd.DataFrame({"image_id": image_ids, "text": ["a", "b", "c"]}))
        dataset.update_manifest()

    def _make_noted(self, path: Path) -> None:
        """So many images were ingested that the next batch brings their notes into the index."""
        self._make_full(path)
        (path / "index" / "recent_sources.txt").write_text(f"# {'0' * 2**20}\n", encoding="utf-8")

    def _make_untidy(self, path: Path) -> None:
        self._make_full(path)
        shutil.rmtree(path / "images" / ZarrDataset(path, "r").list_image_ids()[0])
        (path / "tables" / "sources.parquet").unlink()
        (path / "index" / "manifest.parquet").write_bytes(b"PAR1")
        for name in ("01" * 16, "23" * 16):
            leftover, half = path / "index" / "staging" / name, "45" * 16
            (leftover / half).mkdir(parents=True)
            (leftover / "writer.lock").touch()
            (leftover / half / "zarr.json").write_text("{", encoding="utf-8")


def _make_empty(path: Path) -> None:
    """Nothing: the dataset is made by the job."""
    path.parent.mkdir(exist_ok=True)


def _write_recording(path: Path, *, seed: int) -> None:
    tifffile.imwrite(path, pixels(seed))
    payload = {"rois": [], "experiment_metadata": {"animal": f"m{seed}"}}
    path.with_suffix(".json").write_text(json.dumps(payload), encoding="utf-8")
    path.with_suffix(".marks.csv").write_text(f"line,what\n{seed},a\n7,b\n", encoding="utf-8")


def _make_flow(path: Path) -> None:
    """Kymographs, one of them with results of other parameters than `VELOCITY_PARAMS`."""
    dataset = ZarrDataset(path)
    for slope in (0.4, 0.8, -0.6):
        dataset.add_image(flowing(slope), axes=("t", "x"))
    first = dataset.list_image_ids()[:1]
    longer = VelocityParams(window_lines=32)
    for outcome in run_analysis(dataset, VELOCITY, params=longer, image_ids=first):
        if outcome.error is not None:
            raise outcome.error


def _make_format1(path: Path) -> None:
    """A dataset as prototypes wrote it."""
    import pandas as pd
    import zarr

    root = zarr.create_group(path, zarr_format=2)
    root.attrs.update({"format": "kymflow_zarr_v1", "schema_version": 1})
    for number, image_id in enumerate(_FORMAT1_IDS):
        group = root.create_group(f"images/{image_id}")
        group.attrs.update({"axes": ["t", "x"], "created_utc": f"2025-01-0{number + 1}T00:00:00"})
        image = pixels(50 + number)
        array = group.create_array("data", shape=image.shape, chunks=(16, _PIXELS), dtype="u2")
        array[...] = image
        scores = group.create_array("analysis_arrays/scores", shape=(3,), chunks=(3,), dtype="f8")
        scores[...] = np.array([1.0, 2.0, 3.0])
        analysis = path / "images" / image_id / "analysis"
        analysis.mkdir()
        payload = {"version": "1.0", "rois": [], "header": {"shape": list(image.shape)}}
        (analysis / "metadata.json.gz").write_bytes(gzip.compress(json.dumps(payload).encode()))
        pd.DataFrame({"v": [number]}).to_parquet(analysis / "trace.parquet")
    tables = path / "tables"
    tables.mkdir()
    pd.DataFrame({"image_id": list(_FORMAT1_IDS), "v": [1, 2]}).to_parquet(tables / "kym_x.parquet")
    (path / "index").mkdir()
