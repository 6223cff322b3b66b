"""On a disk that ignores upper and lower case, a path that is typed otherwise is the same path.

The disk of the tests where it is such a one, as on Windows and macOS; else exFAT in a file, where
it can be mounted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from kymflow_zarr import SourceFolderError, ZarrDataset


def ignores_case(folder: Path) -> bool:
    (folder / "Letters").touch()
    return (folder / "letters").exists()


@pytest.fixture
def disk_without_case(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that ignores case."""
    if ignores_case(tmp_path):
        yield tmp_path
        return
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if not shutil.which("mkfs.exfat", path=path) or not shutil.which("mount.exfat-fuse", path=path):
        pytest.skip("the disk tells upper from lower case, and exfat-fuse is not installed")
    image, top = tmp_path / "exfat", tmp_path / "mounted"
    image.touch()
    os.truncate(image, 32 * 2**20)
    top.mkdir()
    env = os.environ | {"PATH": path}
    subprocess.run(["mkfs.exfat", image], env=env, check=True, capture_output=True)
    mount = ["mount", "-t", "exfat-fuse", "-o", "loop", str(image), str(top)]
    if subprocess.run(mount, env=env, check=False, capture_output=True).returncode:
        pytest.skip("exFAT cannot be mounted here")
    try:
        yield top
    finally:
        subprocess.run(["umount", "--lazy", top], env=env, check=True)


@pytest.fixture
def recordings(disk_without_case: Path) -> Path:
    """Three recordings in the folder ``Mouse/Day``."""
    folder = disk_without_case / "Mouse" / "Day"
    folder.mkdir(parents=True)
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 999, (40, 12)).astype(np.uint16)
        tifffile.imwrite(folder / f"Scan{number}.tif", pixels)
    return folder.resolve()


def typed_otherwise(path: Path) -> Path:
    """The last two parts in lower case."""
    return path.parents[1] / path.parent.name.lower() / path.name.lower()


def test_recordings_are_ingested_once_however_their_folder_is_typed(
    recordings: Path, disk_without_case: Path
) -> None:
    dataset = ZarrDataset(disk_without_case / "D.zarr")
    assert len(dataset.refresh_from_folder(typed_otherwise(recordings))) == 3
    assert dataset.refresh_from_folder(recordings) == []
    assert dataset.plan_refresh(recordings.parent / "DAY").new == ()
    again = ZarrDataset(disk_without_case / "d.zarr", mode="r")
    assert len(again) == 3
    paths = set(again.load_sources_index()["source_primary_path"])
    assert paths == {str(recordings / f"Scan{number}.tif") for number in range(3)}


def test_a_file_is_ingested_however_it_is_typed(recordings: Path, disk_without_case: Path) -> None:
    dataset = ZarrDataset(disk_without_case / "d.zarr")
    dataset.ingest_image(typed_otherwise(recordings / "Scan1.tif"))
    (path,) = dataset.load_sources_index()["source_primary_path"]
    assert path == str(recordings / "Scan1.tif")
    assert len(dataset.refresh_from_folder(recordings)) == 2


def test_a_file_whose_name_gets_capitals_is_the_same_file(
    recordings: Path, disk_without_case: Path
) -> None:
    dataset = ZarrDataset(disk_without_case / "d.zarr")
    dataset.refresh_from_folder(recordings)
    (recordings / "Scan0.tif").rename(recordings / "between")
    (recordings / "between").rename(recordings / "SCAN0.TIF")
    outcomes = list(dataset.iter_refresh(recordings))
    assert [(one.status, one.path.name) for one in outcomes] == [("renewed", "SCAN0.TIF")]
    assert len(dataset) == 3


def test_an_export_among_recordings_is_refused_however_it_is_typed(
    recordings: Path, disk_without_case: Path
) -> None:
    dataset = ZarrDataset(disk_without_case / "d.zarr")
    dataset.refresh_from_folder(recordings)
    with pytest.raises(SourceFolderError):
        dataset.export_legacy_folder(typed_otherwise(recordings) / "export")


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="the disk may ignore case there")
def test_names_that_differ_in_case_are_two_files_where_the_disk_says_so(tmp_path: Path) -> None:
    if ignores_case(tmp_path):
        pytest.skip("the disk ignores case")
    dataset = ZarrDataset(tmp_path / "d.zarr")
    for folder in ("Day", "day"):
        (tmp_path / folder).mkdir()
        for number, name in enumerate(("Scan.tif", "scan.tif")):
            pixels = np.full((40, 12), number + 2 * (folder == "Day"), np.uint16)
            tifffile.imwrite(tmp_path / folder / name, pixels)
    assert len(dataset.refresh_from_folder(tmp_path / "Day")) == 2
    assert len(dataset.refresh_from_folder(tmp_path / "day")) == 2
