"""What the command says of files that change, wait, fail, move or have bad company."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kymflow_zarr import ZarrDataset

Kymflow = Callable[..., tuple[int, str, str]]
KymflowJson = Callable[..., tuple[int, list[dict[str, Any]]]]


def statuses(records: list[dict[str, Any]]) -> dict[str, str]:
    """File name → status."""
    return {
        Path(record["path"]).name: record["status"]
        for record in records
        if record["type"] == "file"
    }


def test_bad_sidecars_are_one_line_each_kind_and_again_in_status(
    folder: Path, tmp_path: Path, kymflow: Kymflow, kymflow_json: KymflowJson
) -> None:
    for name in ("a", "b"):
        (folder / f"{name}.fit.json").write_text("{", encoding="utf-8")
    (folder / "c.json").write_text("[1]", encoding="utf-8")
    place = str(tmp_path / "k.zarr")
    code, out, err = kymflow("ingest", folder, place)
    assert (code, out) == (0, f"3 new images in {place}\n")
    (results,) = [line for line in err.splitlines() if "results left out" in line]
    assert results.startswith("2 results left out: a.fit.json: it is not strict JSON")
    assert "b.fit.json" in results
    assert "1 header left out: c.json: " in err
    _, out, err = kymflow("status", place)
    assert results in err.splitlines()
    code, records = kymflow_json("status", place)
    issues = [record for record in records if record["type"] == "issue"]
    assert {(Path(issue["path"]).name, issue["kind"]) for issue in issues} == {
        ("a.fit.json", "sidecar_left_out"),
        ("b.fit.json", "sidecar_left_out"),
        ("c.json", "header_left_out"),
    }
    assert records[-1]["issues"] == 3


def test_strict_refuses_images_with_bad_sidecars(
    folder: Path, tmp_path: Path, kymflow: Kymflow
) -> None:
    (folder / "a.fit.json").write_text("{", encoding="utf-8")
    code, out, err = kymflow("ingest", folder, tmp_path / "k.zarr", "--strict")
    assert (code, out) == (1, f"2 new images in {tmp_path / 'k.zarr'}, 1 failed\n")
    assert "a.fit.json" in err


def test_changed_files_are_named_by_every_refresh(
    folder: Path, dataset: str, write_tiff: Callable[..., Path], kymflow: Kymflow
) -> None:
    write_tiff(folder / "a.tif", lines=90, seed=9)
    for _ in range(2):
        code, out, err = kymflow("refresh", dataset)
        assert (code, out) == (0, f"0 new images in {dataset}, 2 unchanged, 1 changed\n")
        assert "changed since they were ingested: a.tif\n" in err
        assert "--changed" in err
    for verb in ("status", "update"):
        _, _, err = kymflow(verb, dataset)
        (hint,) = [line for line in err.splitlines() if "kymflow refresh " in line]
        assert hint.endswith(" --changed")


def test_a_header_that_serves_many_images_is_named_once(
    folder: Path, tmp_path: Path, kymflow: Kymflow
) -> None:
    (folder / ".kymflow.toml").write_text("seconds_per_lin = 0.001\n", encoding="utf-8")
    _, _, err = kymflow("ingest", folder, tmp_path / "k.zarr")
    assert "3 headers left out: .kymflow.toml: " in err
    assert err.count("seconds_per_lin'") == 1


def test_results_that_come_later_are_added(
    folder: Path, dataset: str, kymflow_json: KymflowJson
) -> None:
    (folder / "a.fit.json").write_text('{"slope": 2}', encoding="utf-8")
    _, records = kymflow_json("refresh", dataset, "--changed")
    assert statuses(records) == {"a.tif": "extended"}
    assert records[-1]["extended"] == 1
    record = ZarrDataset(dataset, "r").record(records[0]["image_id"])
    assert record.load_json("fit") == {"slope": 2}


def test_files_that_are_being_written_wait(
    folder: Path, tmp_path: Path, kymflow: Kymflow, kymflow_json: KymflowJson
) -> None:
    data = (folder / "a.tif").read_bytes()
    (folder / "a.tif").write_bytes(data[: len(data) // 2])
    place = str(tmp_path / "k.zarr")
    code, out, err = kymflow("ingest", folder, place)
    assert (code, out) == (0, f"2 new images in {place}, 1 waiting\n")
    assert "still being written, for the next run: a.tif" in err
    (folder / "a.tif").write_bytes(data)
    _, records = kymflow_json("refresh", place, "--settle", "3600")
    assert statuses(records) == {"a.tif": "waiting"}
    _, records = kymflow_json("refresh", place)
    assert statuses(records) == {"a.tif": "ok"}


def test_failures_are_remembered_until_asked_for(
    folder: Path, tmp_path: Path, kymflow_json: KymflowJson
) -> None:
    sound = (folder / "a.tif").read_bytes()
    (folder / "a.tif").write_bytes(bytes(len(sound)))
    facts = (folder / "a.tif").stat()
    place = str(tmp_path / "k.zarr")
    kymflow_json("ingest", folder, place)
    (folder / "a.tif").write_bytes(sound)
    os.utime(folder / "a.tif", ns=(facts.st_atime_ns, facts.st_mtime_ns))

    code, records = kymflow_json("refresh", place)
    assert (code, statuses(records)) == (1, {"a.tif": "failed"})
    _, records = kymflow_json("status", place)
    (failed,) = [record for record in records if record["type"] == "file"]
    assert (failed["state"], records[-1]["failed"]) == ("failed", 1)
    assert "not a TIFF" in failed["reason"]
    code, records = kymflow_json("refresh", place, "--retry")
    assert (code, statuses(records)) == (0, {"a.tif": "ok"})


def test_a_folder_that_moved_is_noticed_or_can_be_given(
    folder: Path, dataset: str, tmp_path: Path, kymflow: Kymflow
) -> None:
    before = ZarrDataset(dataset, "r").list_image_ids()
    kymflow("ingest", folder, dataset)  # so that the folder is remembered
    archive = folder.rename(tmp_path / "archive")
    code, out, _ = kymflow("refresh", dataset, archive)
    assert (code, out) == (0, f"0 new images in {dataset}, 3 renewed\n")
    assert str(folder) not in kymflow("refresh", dataset)[2]

    again = archive.rename(tmp_path / "again")
    code, _, err = kymflow("refresh", dataset)
    assert (code, "if it has moved: kymflow relocate" in err) == (2, True)
    assert kymflow("relocate", dataset, archive, again) == (
        0,
        f"3 images of {dataset} relocated to {again}\n",
        "",
    )
    code, out, err = kymflow("refresh", dataset)
    assert (code, out) == (0, f"0 new images in {dataset}, 3 unchanged\n")
    assert str(archive) not in err
    assert ZarrDataset(dataset, "r").list_image_ids() == before
    code, _, err = kymflow("relocate", dataset, tmp_path / "never", again)
    assert code == 1
    assert "no image came from" in err


def test_a_renamed_file_is_not_counted_as_gone(
    folder: Path, dataset: str, kymflow: Kymflow
) -> None:
    (folder / "a.tif").rename(folder / "renamed.tif")
    (folder / "b.tif").unlink()
    _, out, _ = kymflow("refresh", dataset)
    assert out == f"0 new images in {dataset}, 1 renewed, 1 unchanged, 1 gone\n"


def test_a_home_folder_that_the_shell_left_is_found(
    folder: Path, kymflow: Kymflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder.parent))
    code, out, err = kymflow("ingest", f"~/{folder.name}", "~/k.zarr")
    assert (code, "3 new images" in out) == (0, True), err
    assert len(ZarrDataset(folder.parent / "k.zarr", "r")) == 3


def test_new_copies_can_be_asked_for(
    folder: Path, dataset: str, tmp_path: Path, kymflow: Kymflow
) -> None:
    archive = folder.rename(tmp_path / "archive")
    _, out, _ = kymflow("refresh", dataset, archive, "--new-copies")
    assert out == f"3 new images in {dataset}\n"
    _, out, _ = kymflow("status", dataset, archive)
    assert out.startswith(f"{dataset}: 6 images, 3 with the pixels of another\n")


def test_links_are_followed_when_asked(folder: Path, tmp_path: Path, kymflow: Kymflow) -> None:
    links = tmp_path / "links"
    links.mkdir()
    try:
        (links / "linked.tif").symlink_to(folder / "a.tif")
    except OSError:
        pytest.skip("no right to make links here")
    place = str(tmp_path / "k.zarr")
    assert kymflow("ingest", links, place)[0] == 1
    code, out, _ = kymflow("ingest", links, place, "--follow-links")
    assert (code, out) == (0, f"1 new image in {place}\n")
    assert ZarrDataset(place, "r").find("linked.tif").shape


def test_an_export_among_recordings_is_refused(
    folder: Path, dataset: str, kymflow: Kymflow
) -> None:
    code, _, err = kymflow("export", dataset, folder / "plain")
    assert code == 2
    assert "would lie among the recordings" in err
    assert not (folder / "plain").exists()
