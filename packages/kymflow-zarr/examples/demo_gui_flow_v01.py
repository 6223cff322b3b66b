"""What a program with a window does: list a folder, open an image, edit it, ingest it, reopen it.

Run it without arguments: it makes its own recordings in a temporary folder and removes them again.
"""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import tifffile

from kymflow_zarr import MetadataNotFoundError, ZarrDataset
from kymflow_zarr.experimental_stores import AcqImageListV01, AcqImageV01


def record_two_channels(folder: Path, name: str, clock: datetime, seed: int) -> None:
    """Write a recording as a microscope does: one file per channel, and a header as text."""
    rng = np.random.default_rng(seed)
    for channel in (1, 2):
        pixels = rng.integers(0, 4096, (300, 40)).astype(np.uint16)
        tifffile.imwrite(folder / f"{name}_c{channel}.tif", pixels)
    header = (
        f'"[General]"\r\n"Date"\t"{clock:%m/%d/%Y %I:%M:%S.000 %p}"\r\n"Scan Mode"\t"XT"\r\n'
        '"[Image]"\r\n"Primary Dimensions"\t"X * T"\r\n"Image Size"\t"40 * 300 [pixel]"\r\n'
        '"Image Size(Unit Converted)"\t"20.000 [um] * 600.000 [ms]"\r\n'
        '"[Dimensions]"\r\n"X Dimension"\t"40, 0.0 - 20.000 [um], 0.500 [um/pixel]"\r\n'
    )
    (folder / f"{name}_c1.txt").write_bytes(header.encode("ascii"))


def clock_of(image: AcqImageV01) -> str:
    """When an image was recorded, as the microscope's clock showed it."""
    time_ns = image.acquired_local_epoch_ns
    if time_ns is None:
        return "unknown"
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S}"


def main() -> None:
    """List a folder, open one image, edit its metadata, ingest it, reopen by acquisition time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "recordings"
        folder.mkdir()
        for day, seed in ((22, 0), (3, 1), (14, 2)):
            clock = datetime(2025, 7, day, 12, 13, 14, tzinfo=UTC)
            record_two_channels(folder, f"vessel_{seed}", clock, seed)

        images = AcqImageListV01(folder)
        print(f"{len(images)} images in the folder:")
        for image in images.sorted_by_acquisition_time():
            print(f"  {image.display_name}  {clock_of(image)}")

        image = images.sorted_by_acquisition_time()[0]
        pixels = image.get_channel(2)
        print(f"opened {image.display_name}: channels {image.channels_available()}")
        print(f"  bounds {image.get_image_bounds()}, channel 2 has a mean of {pixels.mean():.1f}")

        try:
            payload = image.load_metadata_payload()
        except MetadataNotFoundError:
            payload = {"experiment_metadata": {}, "rois": []}
        payload["experiment_metadata"] = {"species": "mouse", "note": "oldest one"}
        payload["rois"] = [
            {"id": 1, "name": "lumen", "dim0_start": 0, "dim0_stop": 300, "dim1_start": 5}
        ]
        image.save_metadata_payload(payload)
        print(f"saved its metadata in {Path(image.source_key).with_suffix('.json').name}")

        dataset = ZarrDataset(Path(name) / "lab.zarr")
        record = image.ingest_into_dataset(dataset)
        print(f"ingested it: axes {record.get_axes()}, shape {record.shape}")
        dataset.refresh_from_folder(folder)
        print(f"and the rest of the folder: {len(dataset.list_image_ids())} images")

        reopened = AcqImageListV01(dataset).sorted_by_acquisition_time()[0]
        if reopened.source_key != record.image_id:
            raise SystemExit("the oldest image is another one than before")
        if not np.array_equal(reopened.get_channel(2), pixels):
            raise SystemExit("channel 2 has other pixels than before")
        print(f"reopened the oldest image of the dataset, {clock_of(reopened)}:")
        print(f"  {json.dumps(reopened.load_metadata_payload()['experiment_metadata'])}")


if __name__ == "__main__":
    main()
