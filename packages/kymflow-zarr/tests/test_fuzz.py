"""Damaged input of every kind: taken in, or refused with the one error that is meant for it.

The corpus in ``corpus/`` is small and sound; each case damages one file of it at random.
``KYMFLOW_FUZZ_SECONDS`` fuzzes each kind of input for that long, ``KYMFLOW_FUZZ_SEED`` says from
where; without them some fixed cases run.
"""

from __future__ import annotations

import gc
import gzip
import json
import os
import random
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from zarr.storage import MemoryStore

from kymflow_zarr import (
    CorruptDataError,
    KymflowZarrError,
    UnreadableImageError,
    ZarrDataset,
    ZarrImageRecord,
)

CORPUS = Path(__file__).with_name("corpus")
TIFFS = sorted((CORPUS / "tiff").iterdir())
SIDECARS = sorted((CORPUS / "sidecar").iterdir())
RECORDINGS = sorted((CORPUS / "recordings").iterdir())
LIBRARIES = {
    "oir": "oirfile",
    "poir": "oirfile",
    "oif": "oiffile",
    "oib": "oiffile",
    "czi": "czifile",
    "lif": "liffile",
    "nd2": "nd2",
}
SECONDS = float(os.environ.get("KYMFLOW_FUZZ_SECONDS", "0"))
SEED = int(os.environ.get("KYMFLOW_FUZZ_SEED", "0"))
MAGIC = [0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]


def flip(data: bytearray, draw: random.Random) -> None:
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def put_number(data: bytearray, draw: random.Random) -> None:
    width = draw.choice([1, 2, 4, 8])
    at = draw.randrange(max(1, len(data) - width))
    number = draw.choice(MAGIC) % 256**width
    data[at : at + width] = number.to_bytes(width, draw.choice(["little", "big"]))


def cut(data: bytearray, draw: random.Random) -> None:
    del data[draw.randrange(len(data)) :]


def drop(data: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(data))
    del data[at : at + draw.randrange(1, 16)]


def repeat(data: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(data))
    data[at:at] = data[at : at + draw.randrange(1, 64)]


def splice(data: bytearray, draw: random.Random) -> None:
    other = draw.choice([*TIFFS, *SIDECARS]).read_bytes()
    at = draw.randrange(len(other))
    start = draw.randrange(len(data))
    data[start : start + 32] = other[at : at + 32]


def words(data: bytearray, draw: random.Random) -> None:
    odd = [b"NaN", b"1e999", b"-", b'"', b"\\ud800", b"{", b"]", b",", b"\xff", b"\x00", b"9" * 400]
    at = draw.randrange(len(data))
    data[at : at + draw.randrange(4)] = draw.choice(odd)


def numbers(data: bytearray, draw: random.Random) -> None:
    found = [match.span() for match in re.finditer(rb"[0-9][0-9.]*", data)]
    odd = [b"0", b"-1", b"1e308", b"1,5", b"99999999", b"0.0000000001", b"2147483648", b""]
    if found:
        start, end = draw.choice(found)
        data[start:end] = draw.choice(odd)


DAMAGES: list[Callable[[bytearray, random.Random], None]] = [
    flip,
    put_number,
    cut,
    drop,
    repeat,
    splice,
    words,
    numbers,
]


def damaged(sound: bytes, draw: random.Random) -> bytes:
    data = bytearray(sound)
    for _ in range(draw.choice([1, 1, 2, 5])):
        if data:
            draw.choice(DAMAGES)(data, draw)
    return bytes(data)


def cases(few: int) -> Iterator[random.Random]:
    """A generator of random numbers for each case."""
    end = time.monotonic() + SECONDS
    number = 0
    while time.monotonic() < end if SECONDS else number < few:
        yield random.Random(f"{SEED} {number}")
        number += 1
    print(f"{number} damaged inputs")  # who fuzzes for long wants to know


def load_everything(dataset: ZarrDataset) -> None:
    for record in dataset.iter_records():
        assert record.load_array().shape == record.shape
        record.get_image_bounds()
        record.load_metadata_payload()
        for key in record.list_analysis_keys():
            name, _, suffix = key.split("/analysis/")[1].partition(".")
            if suffix == "parquet":
                record.load_df_parquet(name)
            elif suffix == "json":
                record.load_json(name)
        for name in record.list_array_artifacts():
            record.load_array_artifact(name)


def take_in(path: Path) -> None:
    dataset = ZarrDataset(MemoryStore())
    try:
        dataset.ingest_image(path)
    except UnreadableImageError:
        assert dataset.list_image_ids() == []
        return
    load_everything(dataset)
    assert dataset.check(deep=True) == []


def test_damaged_tiffs(tmp_path: Path) -> None:
    for number, draw in enumerate(cases(60)):
        path = tmp_path / "image.tif"
        data = damaged(draw.choice(TIFFS).read_bytes(), draw)
        path.write_bytes(data)
        try:
            take_in(path)
        except Exception as error:
            error.add_note(f"case {number} of seed {SEED}: {data.hex()}")
            raise


def test_damaged_sidecars(tmp_path: Path) -> None:
    shutil.copy(CORPUS / "tiff" / "plain.tif", tmp_path / "image.tif")
    for number, draw in enumerate(cases(60)):
        sound = draw.choice(SIDECARS)
        path = tmp_path / sound.name
        data = damaged(sound.read_bytes(), draw)
        path.write_bytes(data)
        try:
            take_in(tmp_path / "image.tif")
        except Exception as error:
            error.add_note(f"case {number} of seed {SEED}: {sound.name} {data.hex()}")
            raise
        path.unlink()


@pytest.fixture
def closed_with_errors(recording: Path) -> Iterator[None]:
    """oiffile leaves an OIB that it refuses to be closed with the error: here, in no other test."""
    yield
    if recording.name == "oib":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.mark.filterwarnings("ignore:.*scan.oib:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("closed_with_errors")
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.name)
def test_damaged_recordings(recording: Path, tmp_path: Path) -> None:
    """One file of a recording, as one microscope writes it: the header, where it is a file."""
    pytest.importorskip(LIBRARIES.get(recording.name, "tifffile"))
    folder = tmp_path / "recording"
    shutil.copytree(recording, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    headers = [path for path in files if path.suffix != ".tif"]
    for number, draw in enumerate(cases(6)):
        path = draw.choice(headers or files)
        sound = path.read_bytes()
        data = damaged(sound, draw)
        path.write_bytes(data)
        dataset = ZarrDataset(MemoryStore())
        try:
            for outcome in dataset.iter_refresh(folder, "**/*"):
                assert isinstance(outcome.error, UnreadableImageError | None)
            load_everything(dataset)
            assert dataset.check(deep=True) == []
        except Exception as error:
            error.add_note(f"case {number} of seed {SEED}: {path.name} {data.hex()}")
            raise
        path.write_bytes(sound)


def write_format1(place: Path) -> None:
    """A dataset the way that the prototypes wrote it."""
    root = zarr.create_group(place, zarr_format=2)
    root.attrs.update({"format": "kymflow_zarr_v1", "schema_version": 1})
    group = root.create_group("images/0a7f3c1e")
    group.attrs.update({"axes": ["t", "x"], "created_utc": "2025-01-01T00:00:00+00:00"})
    array = group.create_array("data", shape=(20, 6), chunks=(8, 6), dtype="u2")
    array[...] = np.arange(120, dtype=np.uint16).reshape(20, 6)
    scores = group.create_array("analysis_arrays/scores", shape=(3,), chunks=(3,), dtype="f8")
    scores[...] = np.array([1.0, 2.0, 3.0])
    analysis = place / "images" / "0a7f3c1e" / "analysis"
    analysis.mkdir()
    payload = json.dumps({"version": "1.0", "rois": [], "header": {"shape": [20, 6]}})
    (analysis / "metadata.json.gz").write_bytes(gzip.compress(payload.encode()))
    pd.DataFrame({"v": [1]}).to_parquet(analysis / "trace.parquet")
    (place / "tables").mkdir()
    pd.DataFrame({"image_id": ["0a7f3c1e"], "v": [1]}).to_parquet(
        place / "tables" / "kym_x.parquet"
    )


# Format 1 has no checksums: what still decodes is read. What does not must be told by its key.
def test_damaged_datasets_of_format_1(tmp_path: Path) -> None:
    place = tmp_path / "old.zarr"
    write_format1(place)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    for number, draw in enumerate(cases(60)):
        path = draw.choice(files)
        sound = path.read_bytes()
        data = damaged(sound, draw)
        path.write_bytes(data)
        try:
            read_format1(place)
        except Exception as error:
            error.add_note(f"case {number} of seed {SEED}: {path.relative_to(place)} {data.hex()}")
            raise
        path.write_bytes(sound)


READS: list[Callable[[ZarrImageRecord], object]] = [
    lambda record: record.load_array(),
    lambda record: record.open_array(),
    lambda record: record.load_metadata_payload(),
    lambda record: record.load_df_parquet("trace"),
    lambda record: record.load_array_artifact("scores"),
]


def read_format1(place: Path) -> None:
    try:
        dataset = ZarrDataset(place, "r")
    except KymflowZarrError:
        return
    dataset.check(deep=True)
    for image_id in dataset.list_image_ids():
        for load in READS:
            with suppress(KymflowZarrError):
                load(dataset.record(image_id))
    for name in dataset.list_table_names():
        with suppress(KymflowZarrError):
            dataset.load_table(name)


def test_a_number_beyond_64_bits_beside_an_image(tmp_path: Path) -> None:
    # Found by fuzzing: pyarrow's OverflowError came through.
    shutil.copy(CORPUS / "tiff" / "plain.tif", tmp_path / "image.tif")
    (tmp_path / "image.trace.csv").write_text(f"t,v\n0,{'9' * 400}\n", encoding="utf-8")
    record = ZarrDataset(MemoryStore()).ingest_image(tmp_path / "image.tif")
    assert record.load_df_parquet("trace").to_dict("list") == {"t": [0], "v": ["9" * 400]}


def test_damaged_pandas_metadata_in_a_table_of_format_1(tmp_path: Path) -> None:
    # Found by fuzzing: the JSON in the file's footer was read without a guard.
    place = tmp_path / "old.zarr"
    write_format1(place)
    loads: dict[str, Callable[[ZarrDataset], object]] = {
        "tables/kym_x.parquet": lambda dataset: dataset.load_table("kym_x"),
        "images/0a7f3c1e/analysis/trace.parquet": lambda dataset: dataset.record(
            "0a7f3c1e"
        ).load_df_parquet("trace"),
    }
    for path, load in loads.items():
        data = (place / path).read_bytes()
        assert data.count(b'"creator":') == 1
        (place / path).write_bytes(data.replace(b'"creator":', b'"creator"\x7f'))
        with pytest.raises(CorruptDataError, match=path):
            load(ZarrDataset(place, "r"))


def test_a_column_name_that_is_not_text_in_a_table_of_format_1(tmp_path: Path) -> None:
    # Found by fuzzing: pyarrow's UnicodeDecodeError came through, and ended the check.
    place = tmp_path / "old.zarr"
    write_format1(place)
    path = place / "tables" / "kym_x.parquet"
    path.write_bytes(path.read_bytes().replace(b"image_id", b"image_\xe9d"))
    dataset = ZarrDataset(place, "r")
    with pytest.raises(CorruptDataError, match=r"tables/kym_x\.parquet"):
        dataset.load_table("kym_x")
    assert [problem.location for problem in dataset.check()] == ["tables/kym_x.parquet"]


@pytest.mark.parametrize("text", ["an id", "plain", "category", "listed"])
def test_values_that_are_not_text_in_a_table_of_another_program(tmp_path: Path, text: str) -> None:
    # Found by fuzzing: a UnicodeDecodeError came through from wherever the value was first used.
    values = {
        "image_id": pa.array(["an id"]),
        "v": pa.array(["plain"]),
        "c": pa.array(["category"]).dictionary_encode(),
        "l": pa.array([["listed"]]),
    }
    dataset = ZarrDataset(tmp_path / "d.zarr")
    record = dataset.add_image(np.zeros((1, 1), np.uint8))
    dataset.save_table("t", pd.DataFrame({"image_id": ["an id"]}))
    record.save_df_parquet("t", pd.DataFrame({"v": [1]}))
    for path in tmp_path.rglob("t.parquet"):
        pq.write_table(pa.table(values), path, compression="none")
        path.write_bytes(path.read_bytes().replace(text.encode(), b"\xff" * len(text)))
    calls: list[Callable[[], object]] = [
        lambda: dataset.load_table("t"),
        lambda: list(dataset.tables.iter_arrow("t")),
        lambda: record.load_df_parquet("t"),
    ]
    for call in calls:
        with pytest.raises(CorruptDataError, match=r"t\.parquet"):
            call()
    assert {Path(problem.location).name for problem in dataset.check(deep=True)} == {"t.parquet"}


@pytest.mark.parametrize("path", TIFFS, ids=lambda path: path.name)
def test_the_corpus_itself_is_sound(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "image.tif")
    for sidecar in SIDECARS:
        if path.name == "plain.tif":
            shutil.copy(sidecar, tmp_path)
    dataset = ZarrDataset(MemoryStore())
    record = dataset.ingest_image(tmp_path / "image.tif")
    if path.name == "plain.tif":
        assert record.list_array_artifacts() == ["scores"]
        assert len(record.list_analysis_keys()) >= 6
    load_everything(dataset)
