"""A folder becomes a dataset, grows, is written as plain files, and comes back from them.

Run it without arguments: it makes its own recordings in a temporary folder and removes them again.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from kymflow_zarr import ZarrDataset


def record_kymograph(path: Path, seed: int) -> None:
    """Write a line-scan recording: 400 lines of 48 pixels, 2 ms per line, 0.5 µm per pixel."""
    rng = np.random.default_rng(seed)
    lines, width = 400, 48
    time, space = np.mgrid[0:lines, 0:width]
    stripes = np.sin(2 * np.pi * (space - 0.3 * (seed + 1) * time) / 12)
    pixels = rng.poisson(900 + 600 * stripes).astype(np.uint16)
    tifffile.imwrite(
        path,
        pixels,
        imagej=True,
        resolution=(2, 2),
        metadata={"unit": "um", "axes": "YX"},
    )
    notes = f'{{"experiment_metadata": {{"species": "mouse", "note": "run {seed}"}}, "rois": []}}\n'
    path.with_suffix(".json").write_text(notes, encoding="utf-8")


def main() -> None:
    """Ingest, refresh, export, ingest again."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        folder = top / "recordings"
        folder.mkdir()
        for seed in range(3):
            record_kymograph(folder / f"vessel_{seed}.tif", seed)

        dataset = ZarrDataset(top / "lab.zarr")
        new = dataset.ingest_legacy_folder(folder)
        print(f"ingested {len(new)} recordings into {Path(dataset.location).name}")

        record_kymograph(folder / "vessel_3.tif", 3)
        print(f"refreshed: {len(dataset.refresh_from_folder(folder))} new recording")
        print(f"refreshed again: {len(dataset.refresh_from_folder(folder))} new recordings")

        rows = []
        for record in dataset.iter_records():
            mean = float(record.load_array().mean())
            record.save_json("brightness/result", {"mean": mean})
            rows.append({"image_id": record.image_id, "mean": mean})
        dataset.save_table("brightness", pd.DataFrame(rows))
        print(f"analyzed {len(rows)} recordings")

        export = top / "plain files"
        report = dataset.export_legacy_folder(export)
        print(f"exported {len(report.image_ids)} images: {report.files_written} files")
        again = dataset.export_legacy_folder(export)
        print(f"exported again: {again.files_written} files written")
        first = report.image_ids[0]
        for path in sorted((export / "images" / first).rglob("*")):
            if path.is_file():
                print(f"  images/<image_id>/{path.relative_to(export / 'images' / first)}")
        for path in sorted((export / "tables").iterdir()):
            print(f"  tables/{path.name}")

        twin = ZarrDataset(top / "twin.zarr")
        twin.ingest_legacy_folder(export)
        for record in dataset.iter_records():
            same = twin.record(record.image_id)
            if not np.array_equal(same.load_array(), record.load_array()):
                raise SystemExit(f"the pixels of {record.image_id} differ")
            if same.load_json("brightness/result") != record.load_json("brightness/result"):
                raise SystemExit(f"the result of {record.image_id} differs")
        pd.testing.assert_frame_equal(
            twin.load_table("brightness"), dataset.load_table("brightness")
        )
        print(f"ingested the export: {len(twin.list_image_ids())} images, all equal")


if __name__ == "__main__":
    main()
