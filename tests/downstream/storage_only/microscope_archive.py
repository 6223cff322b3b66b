"""Keeps camera frames of a microscope: stores, reads, refreshes from a folder, exports."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kymflow_zarr import ExportReport, ImageNotFoundError, ZarrDataset, ZarrImageRecord
from kymflow_zarr.readers import ArrayImage, Facts, FolderListing, Rank, ReadLimits


class FrameReader:
    """Reads frames that the camera's software saves with NumPy."""

    name = "frames"
    suffixes = (".npy",)

    def claims(self, listing: FolderListing) -> list[str]:
        """All files with the suffix."""
        return listing.with_suffix(self.suffixes)

    def open(self, path: Path, *, limits: ReadLimits) -> ArrayImage:  # noqa: ARG002
        """Read a frame ``(y, x)``; the camera has 12 bits."""
        facts = Facts(source="camera", rank=Rank.GENERIC, axes=("y", "x"), bits_per_pixel=12)
        return ArrayImage(np.load(path, allow_pickle=False), facts=(facts,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What was done in one run."""

    stored: str
    brightest: int
    refreshed: list[str]
    refreshed_again: list[str]
    missing: str
    exported: list[str]


def store(archive: ZarrDataset, frame: NDArray[np.uint16]) -> ZarrImageRecord:
    """Keep a frame ``(y, x)`` with a note of how bright it is."""
    record = archive.add_image(frame, axes=("y", "x"))
    record.save_json("quality/brightness", {"max": int(frame.max())})
    return record


def brightest(record: ZarrImageRecord) -> int:
    """Read a note back, and hold it against the pixels."""
    note = record.load_json("quality/brightness")
    if not isinstance(note, dict) or note["max"] != record.load_array().max():
        raise ValueError(f"the note of {record.image_id!r} is not that of its pixels; store again")
    return int(record.load_array().max())


def look_for(archive: ZarrDataset, image_id: str) -> str:
    """The id of an image, or which one is not there."""
    try:
        return archive.record(image_id).image_id
    except ImageNotFoundError as error:
        return f"missing: {error.image_id}"


def visit(folder: Path, place: Path) -> Visit:
    """Do all of it once."""
    archive = ZarrDataset(place / "archive.zarr")
    frame = np.arange(200, dtype=np.uint16).reshape(10, 20)
    record = store(archive, frame)
    refreshed = archive.refresh_from_folder(folder)
    again = archive.refresh_from_folder(folder)
    report: ExportReport = archive.export_legacy_folder(place / "plain")
    reader = ZarrDataset(place / "archive.zarr", mode="r")
    return Visit(
        stored=record.image_id,
        brightest=brightest(reader.record(record.image_id)),
        refreshed=refreshed,
        refreshed_again=again,
        missing=look_for(reader, "no-such-image"),
        exported=list(report.image_ids),
    )


def main() -> None:
    """Visit the folders that the command line names; prints JSON."""
    folder, place = map(Path, sys.argv[1:])
    json.dump(asdict(visit(folder, place)), sys.stdout)
