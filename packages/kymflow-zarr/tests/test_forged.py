"""Documents that are consistent, and declare what cannot have been written."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest

from kymflow_zarr import CorruptDataError, ZarrDataset


def seal(path: Path, document: Any) -> None:
    """Write a document with a seal that holds, as docs/format.md says it."""
    text = json.dumps(document, indent=2)
    blank = re.sub(r'"seal": "sha256:[0-9a-f]{64}"', f'"seal": "sha256:{"0" * 64}"', text)
    digest = hashlib.sha256(blank.encode()).hexdigest()
    path.write_text(blank.replace("0" * 64, digest), encoding="utf-8")


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ([2**40, 3], [1, 3]),
        ([2**80, 3], [2**79, 3]),
        ([2**62, 2**62], [2**20, 2**5]),
        ([4, 3], [0, 3]),
        ([4, 3], [2**40, 3]),
        ([1] * 5000, [1] * 5000),
        ([4, 3, 1], [4, 3]),
        (["4", 3], [4, 3]),
        ([4, 3], [True, 3]),
    ],
    ids=["many", "huge", "both", "empty chunk", "large chunk", "axes", "ranks", "text", "boolean"],
)
def test_a_forged_geometry_is_refused_before_memory_is_asked_for(
    disk: ZarrDataset, shape: list[Any], chunks: list[Any]
) -> None:
    # To count the chunks that 2^40 lines declare took for ever.
    record = disk.add_image(np.ones((4, 3)), axes=("t", "x"))
    place = Path(disk.location) / "images" / record.image_id
    data = json.loads((place / "data" / "zarr.json").read_bytes())
    data["shape"] = shape
    data["chunk_grid"]["configuration"]["chunk_shape"] = chunks
    seal(place / "data" / "zarr.json", data)
    with pytest.raises(CorruptDataError, match=r"data/zarr\.json"):
        disk.record(record.image_id).load_array()
    assert disk.check(deep=True) != []


def test_a_chunk_exchanged_with_its_checksum_fails_the_digest(disk: ZarrDataset) -> None:
    first, second = (
        disk.add_image(np.full((4, 3), number), axes=("t", "x")).image_id for number in range(2)
    )
    images = Path(disk.location) / "images"
    (images / first / "data" / "c.0.0").write_bytes(
        (images / second / "data" / "c.0.0").read_bytes()
    )
    theirs = json.loads((images / second / "data" / "zarr.json").read_bytes())
    ours = json.loads((images / first / "data" / "zarr.json").read_bytes())
    ours["attributes"]["kymflow_zarr"]["chunk_crc32c"] = theirs["attributes"]["kymflow_zarr"][
        "chunk_crc32c"
    ]
    seal(images / first / "data" / "zarr.json", ours)
    (problem,) = disk.check(deep=True)
    assert "digest over all its elements differs" in problem.message


@pytest.mark.parametrize(
    "change",
    [
        {"data_type": {"name": "struct"}},
        {"data_type": [["a", "<f8"]]},
        {"attributes": []},
        {"shape": [10**400, 3]},
        {"dimension_names": ["y"]},
        {"dimension_names": ["y", 1]},
        {"dimension_names": "yx"},
    ],
    ids=["structured", "fields", "attributes", "beyond floats", "one axis", "number", "text"],
)
def test_a_document_of_other_types_is_refused(disk: ZarrDataset, change: dict[str, Any]) -> None:
    # NumPy's own ValueError came through, and the OverflowError of a division.
    record = disk.add_image(np.ones((4, 3)), axes=("t", "x"))
    path = Path(disk.location) / "images" / record.image_id / "data" / "zarr.json"
    seal(path, json.loads(path.read_bytes()) | change)
    with pytest.raises(CorruptDataError, match=r"data/zarr\.json"):
        disk.record(record.image_id).load_array()
    assert disk.check(deep=True) != []


def test_a_forged_chunk_cannot_be_a_bomb(disk: ZarrDataset) -> None:
    # Read lazily, its checksum was compared, and gigabytes were asked for.
    record = disk.add_image(np.ones((4, 3), np.uint16), axes=("t", "x"))
    data = Path(disk.location) / "images" / record.image_id / "data"
    body = struct.pack("<BBBBIII", 2, 1, 4, 2, 2**31 - 1, 2**18, 64)
    document = json.loads((data / "zarr.json").read_bytes())
    checksum = google_crc32c.value(body)
    document["attributes"]["kymflow_zarr"]["chunk_crc32c"]["c.0.0"] = checksum
    seal(data / "zarr.json", document)
    (data / "c.0.0").write_bytes(body + struct.pack("<I", checksum))
    forged = disk.record(record.image_id)
    with pytest.raises(CorruptDataError, match="declares 2147483647 bytes instead of 24"):
        forged.load_array()
    with pytest.raises(CorruptDataError, match="declares 2147483647 bytes instead of 24"):
        forged.open_array()[...]


@pytest.mark.parametrize(
    "keys", ["analysis/a.json", [["a"]], ["a\nb"], ["a b"], ["\u00e4.json"], [1]], ids=repr
)
def test_a_list_of_artifacts_that_cannot_have_been_written(disk: ZarrDataset, keys: Any) -> None:
    record = disk.add_image(np.zeros((4, 3), np.uint8), axes=("t", "x"))
    path = Path(disk.location) / "images" / record.image_id / "zarr.json"
    document = json.loads(path.read_bytes())
    document["attributes"]["kymflow_zarr"]["artifacts"] = keys
    seal(path, document)
    with pytest.raises(CorruptDataError, match="not a record document"):
        disk.record(record.image_id)
    assert [problem.kind for problem in disk.check()] == ["unreadable"]
    disk.repair(forget_gone=True)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [4]},
        {"shape": [True, 3]},
        {"shape": ["4", 3]},
        {"shape": [2**70, 3]},
        {"axes": []},
        {"axes": ["t", 1]},
        {"created_utc": 1},
        {"created_utc": ["2026"]},
        {"digest": None},
    ],
    ids=repr,
)
def test_a_forged_record_document_harms_no_other_image(
    disk: ZarrDataset, change: dict[str, Any]
) -> None:
    # A shape of texts was a TypeError of repr(), and ended the manifest of all images.
    whole, forged = (
        disk.add_image(np.ones((4, 3), np.uint8), axes=("t", "x")).image_id for _ in range(2)
    )
    path = Path(disk.location) / "images" / forged / "zarr.json"
    document = json.loads(path.read_bytes())
    document["attributes"]["kymflow_zarr"] |= change
    seal(path, document)
    with pytest.raises(CorruptDataError, match="not a record document"):
        disk.record(forged)
    manifest = disk.rebuild_manifest()
    assert (list(manifest.entries), list(manifest.damaged)) == ([whole], [forged])
    assert [problem.kind for problem in disk.check()] == ["unreadable"]
