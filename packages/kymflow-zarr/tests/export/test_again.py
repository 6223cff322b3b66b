"""Exporting again: equal files stay, unwanted ones are removed, an interrupted run continues."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from kymflow_zarr import (
    AlreadyExistsError,
    ExportError,
    IngestError,
    LockedError,
    UnreadableImageError,
    ZarrDataset,
)
from kymflow_zarr._storage.seal import BLANK_SEAL, sealed_bytes

ReadFiles = Callable[[Path], dict[str, bytes]]


def stamps(top: Path) -> dict[Path, tuple[int, int]]:
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in top.rglob("*")
        if path.is_file() and ".kymflow_export" not in path.parts
    }


def test_a_second_run_touches_nothing(full: ZarrDataset, tmp_path: Path) -> None:
    first = full.export_legacy_folder(tmp_path)
    before = stamps(tmp_path)
    second = full.export_legacy_folder(tmp_path)
    assert stamps(tmp_path) == before
    assert (second.files_written, second.files_removed) == (0, 0)
    assert second.files_unchanged == first.files_written


def test_progress_is_reported_image_by_image(pair: ZarrDataset, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    pair.export_legacy_folder(tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(0, 2), (1, 2), (2, 2)]
    calls.clear()
    one = pair.list_image_ids()[:1]
    pair.export_legacy_folder(
        tmp_path, image_ids=one, progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(0, 1), (1, 1)]


def test_two_exports_hold_the_same_bytes(
    full: ZarrDataset, tmp_path: Path, files: ReadFiles
) -> None:
    full.export_legacy_folder(tmp_path / "one")
    full.export_legacy_folder(tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_only_what_changed_is_written(pair: ZarrDataset, tmp_path: Path) -> None:
    top = tmp_path / "export"
    pair.export_legacy_folder(top)
    before = stamps(top)
    image_id = pair.list_image_ids()[0]
    pair.record(image_id).save_json("params", {"seed": 99})
    pair.export_legacy_folder(top)
    folder = top / "images" / image_id
    after = stamps(top)
    assert {path for path in after if after[path] != before[path]} == {
        folder / "params.json",
        folder / "_files.json",
        top / "kymflow_export.json",
    }


def test_a_new_calibration_makes_a_new_tiff(pair: ZarrDataset, tmp_path: Path) -> None:
    pair.export_legacy_folder(tmp_path)
    record = next(iter(pair.iter_records()))
    path = tmp_path / "images" / record.image_id / "image.tif"
    before = path.read_bytes()
    record.save_metadata_payload({"header": {"scale": {"t": 0.5}, "unit": {"t": "s"}}})
    pair.export_legacy_folder(tmp_path)
    assert path.read_bytes() != before
    assert b"finterval=0.5\n" in path.read_bytes()


def test_a_damaged_file_is_written_again(
    pair: ZarrDataset, tmp_path: Path, files: ReadFiles
) -> None:
    pair.export_legacy_folder(tmp_path / "export")
    good = files(tmp_path / "export")
    for name in ("image.tif", "params.json"):
        path = next((tmp_path / "export").rglob(name))
        data = bytearray(path.read_bytes())
        data[-3] ^= 1
        path.write_bytes(data)
    pair.export_legacy_folder(tmp_path / "export")
    assert files(tmp_path / "export") == good


def test_what_is_gone_from_the_dataset_goes(pair: ZarrDataset, tmp_path: Path) -> None:
    pair.export_legacy_folder(tmp_path)
    gone, kept = pair.list_image_ids()
    pair.delete_image(gone)
    pair.delete_table("kym_n")
    pair.record(kept).delete_analysis()
    report = pair.export_legacy_folder(tmp_path)
    assert not (tmp_path / "images" / gone).exists()
    assert not (tmp_path / "tables").exists()
    assert not (tmp_path / "images" / kept / "params.json").exists()
    assert report.image_ids == (kept,)
    assert report.files_kept == ()


def test_what_others_put_there_stays(pair: ZarrDataset, tmp_path: Path) -> None:
    pair.export_legacy_folder(tmp_path)
    gone = pair.list_image_ids()[0]
    folder = tmp_path / "images" / gone
    (folder / "my notes.txt").write_text("mine", encoding="utf-8")
    (folder / "params.json").write_text("edited", encoding="utf-8")
    (tmp_path / "README").write_text("mine", encoding="utf-8")
    pair.delete_image(gone)
    report = pair.export_legacy_folder(tmp_path)
    assert report.files_kept == (f"images/{gone}/params.json",)
    assert sorted(path.name for path in folder.iterdir()) == ["my notes.txt", "params.json"]
    assert (tmp_path / "README").exists()


def test_choices_decide_what_is_there(pair: ZarrDataset, tmp_path: Path, files: ReadFiles) -> None:
    pair.export_legacy_folder(tmp_path)
    everything = files(tmp_path)
    pair.export_legacy_folder(tmp_path, include_tiff=False, include_tables=False)
    assert not [path for path in files(tmp_path) if path.endswith((".tif", ".csv"))]
    pair.export_legacy_folder(tmp_path)
    assert files(tmp_path) == everything


def test_a_folder_with_something_else_is_refused(pair: ZarrDataset, tmp_path: Path) -> None:
    (tmp_path / "a/images").mkdir(parents=True)
    with pytest.raises(AlreadyExistsError, match="images"):
        pair.export_legacy_folder(tmp_path / "a")
    other = ZarrDataset(tmp_path / "other.zarr")
    other.add_image(np.zeros((2, 2), np.uint8), axes=("t", "x"))
    other.export_legacy_folder(tmp_path / "b")
    before = stamps(tmp_path / "b")
    with pytest.raises(AlreadyExistsError, match="kymflow_export"):
        pair.export_legacy_folder(tmp_path / "b")
    assert stamps(tmp_path / "b") == before


def test_damage_costs_what_is_damaged(pair: ZarrDataset, tmp_path: Path) -> None:
    first, second = pair.list_image_ids()
    root = Path(pair.location)
    chunk = next((root / f"images/{first}/data").glob("c.*"))
    chunk.write_bytes(b"x" * chunk.stat().st_size)
    (root / f"images/{second}/analysis/params.json").write_text("{", encoding="utf-8")
    with pytest.raises(ExportError) as caught:
        pair.export_legacy_folder(tmp_path / "export")
    assert len(caught.value.failures) == 2
    assert any(first in key and "/data/" in key for key in caught.value.failures)
    assert f"images/{second}/analysis/params.json" in caught.value.failures
    assert (tmp_path / f"export/images/{first}/params.json").exists()
    assert (tmp_path / f"export/images/{second}/image.tif").exists()
    # The image with its pixels comes back, the other one is reported.
    other = ZarrDataset(tmp_path / "other.zarr")
    with pytest.raises(IngestError, match="holds no pixels") as refused:
        other.ingest_legacy_folder(tmp_path / "export")
    assert refused.value.image_ids == (second,)
    assert other.load_table("kym_n")["image_id"].tolist() == [second]


def test_a_good_copy_outlives_the_damage(pair: ZarrDataset, tmp_path: Path) -> None:
    pair.export_legacy_folder(tmp_path / "export")
    reference = ZarrDataset(tmp_path / "reference.zarr")
    reference.ingest_legacy_folder(tmp_path / "export")
    first, second = pair.list_image_ids()
    root = Path(pair.location)
    (root / f"images/{first}/zarr.json").write_text("{}", encoding="utf-8")
    chunk = next((root / f"images/{second}/data").glob("c.*"))
    chunk.unlink()
    (root / "tables/kym_n.parquet").write_bytes(b"PAR1")
    with pytest.raises(ExportError) as caught:
        pair.export_legacy_folder(tmp_path / "export")
    # The TIFF holds the pixels whose chunk is gone: they are not missed.
    assert set(caught.value.failures) == {f"images/{first}/zarr.json", "tables/kym_n.parquet"}
    rescued = ZarrDataset(tmp_path / "rescued.zarr")
    rescued.ingest_legacy_folder(tmp_path / "export")
    for record in reference.iter_records():
        same = rescued.record(record.image_id)
        np.testing.assert_array_equal(same.load_array(), record.load_array())
    pd.testing.assert_frame_equal(rescued.load_table("kym_n"), reference.load_table("kym_n"))


def test_artifacts_and_pixels_that_were_exported_outlive_their_damage(
    pair: ZarrDataset, tmp_path: Path
) -> None:
    first, second = pair.list_image_ids()
    pair.record(first).save_df_parquet("trace", pd.DataFrame({"v": [1, 2]}))
    pair.export_legacy_folder(tmp_path / "export")
    params = pair.record(first).load_json("params")
    pixels = pair.record(second).load_array()
    root = Path(pair.location)
    for name in ("params.json", "trace.parquet"):
        (root / f"images/{first}/analysis" / name).write_bytes(b"PAR1 or not")
    # With another calibration the TIFF would be rewritten, but the pixels are gone.
    pair.record(second).save_metadata_payload({"header": {"scale": {"t": 1}, "unit": {"t": "s"}}})
    next((root / f"images/{second}/data").glob("c.*")).unlink()
    with pytest.raises(ExportError) as caught:
        pair.export_legacy_folder(tmp_path / "export")
    assert len(caught.value.failures) == 3
    rescued = ZarrDataset(tmp_path / "rescued.zarr")
    rescued.ingest_legacy_folder(tmp_path / "export")
    assert rescued.record(first).load_json("params") == params
    assert rescued.record(first).load_df_parquet("trace")["v"].tolist() == [1, 2]
    np.testing.assert_array_equal(rescued.record(second).load_array(), pixels)


def test_pixels_that_only_the_digest_betrays_are_not_exported(
    pair: ZarrDataset, tmp_path: Path
) -> None:
    """A whole chunk of another image, with the checksum that the array's document names."""
    first, second = pair.list_image_ids()
    digest = pair.record(first).pixels_digest
    root = Path(pair.location)
    theirs, own = (root / f"images/{name}/data" for name in (second, first))
    shutil.rmtree(own)
    shutil.copytree(theirs, own)
    document = json.loads((own / "zarr.json").read_text("utf-8"))
    document["attributes"]["kymflow_zarr"] |= {"digest": digest, "seal": BLANK_SEAL}
    (own / "zarr.json").write_bytes(sealed_bytes(document))
    with pytest.raises(ExportError, match="digest over all its elements differs") as caught:
        pair.export_legacy_folder(tmp_path / "export")
    assert set(caught.value.failures) == {f"images/{first}/data"}


def test_cut_off_at_any_step(
    pair: ZarrDataset, tmp_path: Path, files: ReadFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up at the n-th file, for each n; the next run makes it good."""
    pair.export_legacy_folder(tmp_path / "whole")
    whole = files(tmp_path / "whole")
    replace = os.replace
    for allowed in range(40):
        target = tmp_path / f"cut {allowed}"
        left = [allowed]

        def limited(
            old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int, left: list[int] = left
        ) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            replace(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", limited)
            try:
                pair.export_legacy_folder(target)
                break
            except OSError:
                pass
        fresh = ZarrDataset(tmp_path / f"fresh {allowed}.zarr")
        if (target / "kymflow_export.json").exists():
            with pytest.raises(UnreadableImageError, match="interrupted"):
                fresh.ingest_legacy_folder(target)
        assert fresh.list_image_ids() == []
        pair.export_legacy_folder(target)
        assert files(target) == whole
    else:
        pytest.fail("the export never came to its end")
    assert allowed > 8


def test_killed_in_the_middle(
    disk: ZarrDataset,
    tmp_path: Path,
    files: ReadFiles,
    kymograph: Callable[..., NDArray[np.uint16]],
) -> None:
    for seed in range(3):
        disk.add_image(kymograph(seed, (3000, 400)), axes=("t", "x"))
    script = textwrap.dedent("""
        import os, sys
        from kymflow_zarr import ZarrDataset
        def killed(done, total):
            if done == 1:
                os._exit(9)
        ZarrDataset(sys.argv[1], "r").export_legacy_folder(sys.argv[2], progress=killed)
    """)
    target = tmp_path / "export"
    killed = subprocess.run([sys.executable, "-c", script, disk.location, str(target)], check=False)
    assert killed.returncode == 9
    manifest = json.loads((target / "kymflow_export.json").read_text("utf-8"))
    assert manifest["complete"] is False
    disk.export_legacy_folder(target)
    disk.export_legacy_folder(tmp_path / "whole")
    assert files(target) == files(tmp_path / "whole")
    left = {
        path.relative_to(target / ".kymflow_export")
        for path in target.rglob(".kymflow_export/**/*")
    }
    assert {path.as_posix() for path in left} == {"export.lock", "staging"}


def test_one_export_into_a_folder_at_a_time(pair: ZarrDataset, tmp_path: Path) -> None:
    refused: list[str] = []

    def export_at_the_same_time(done: int, total: int) -> None:
        if done == 1:
            other = ZarrDataset(pair.location, "r", lock_timeout_s=0)
            with pytest.raises(LockedError) as caught:
                other.export_legacy_folder(tmp_path / "export")
            refused.append(str(caught.value))

    report = pair.export_legacy_folder(tmp_path / "export", progress=export_at_the_same_time)
    assert len(report.image_ids) == 2
    assert "export into" in refused[0]
