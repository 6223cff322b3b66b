"""Datasets that were tampered with, names that are paths, and files that change."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import re
import resource
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile

from faults.draws import seeded
from faults.forks import in_child
from faults.places import Templates
from faults.snapshots import read_what_can_be
from kymflow_zarr import (
    IngestError,
    InvalidNameError,
    KymflowZarrError,
    ZarrDataset,
)

_MEMORY_BYTES = 3 * 2**30
_TIMEOUT_S = 300.0
_BOMB = bytes(2**26)
_STATES = (40, 90)  # lines of a file that changes; its pixels say which of the two it is

Tamper = Callable[[Path], None]


def try_datasets(templates: Templates, root: Path, *, every: int = 1) -> tuple[int, list[str]]:
    """Read, check and export datasets in which one image is hostile, in bounded memory.

    One of `every` so many kinds is tried.

    Returns:
        How many there were, and what was wrong: a crash, a hang, a neighbour that cannot be read.
    """
    wrong: list[str] = []
    tried = 0
    for template, tampers in (("full", _format2()), ("format1", _format1())):
        for name, tamper in islice(tampers, 0, None, every):
            tried += 1
            place = templates.copy(template, root)
            image = min(path for path in (place.dataset / "images").iterdir() if path.is_dir())
            tamper(image)
            end = in_child(
                partial(_judge, place.dataset, image.name, place.work / "out"), timeout_s=_TIMEOUT_S
            )
            if end.value is None:
                wrong.append(f"{template}, {name}: {end.error[-500:] or 'it died or hangs'}")
            else:
                wrong += [f"{template}, {name}: {text}" for text in end.value]
    return tried, wrong


def _judge(path: Path, image_id: str, out: Path) -> list[str]:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    dataset = ZarrDataset(path)
    wrong = []
    seen, damaged = read_what_can_be(dataset)
    for other in dataset.list_image_ids():
        if other != image_id:
            dataset.record(other).load_array()
    if not any(image_id in key for key in damaged):
        wrong.append(f"reading does not name it, but {damaged}")
    if sum(name.endswith(" pixels") for name in seen) < len(dataset.list_image_ids()) - 1:
        wrong.append("another image cannot be read")
    if not any(image_id in problem.location for problem in dataset.check(deep=True)):
        wrong.append("check does not find it")
    for act in (lambda: dataset.export_legacy_folder(out), dataset.repair):
        try:
            act()
        except KymflowZarrError:
            continue
    return wrong


def seal(path: Path, document: object) -> None:
    """Write a document with a seal that holds, as docs/format.md says it."""
    text = json.dumps(document, indent=2)
    blank = re.sub(r'"seal": "sha256:[0-9a-f]{64}"', f'"seal": "sha256:{"0" * 64}"', text)
    digest = hashlib.sha256(blank.encode()).hexdigest()
    path.write_text(blank.replace("0" * 64, digest), encoding="utf-8")


# --- format 2: documents that are consistent and declare what cannot have been written


def _format2() -> Iterator[tuple[str, Tamper]]:
    changes: dict[str, dict[str, Any]] = {
        "2^40 lines": {"shape": [2**40, 10]},
        "2^80 lines": {"shape": [2**80, 10]},
        "a line less": {"shape": [23, 10]},
        "no lines": {"shape": [0, 10]},
        "-1 lines": {"shape": [-1, 10]},
        "text for a shape": {"shape": "24"},
        "5,000 axes": {"shape": [1] * 5000},
        "objects": {"data_type": "object"},
        "text elements": {"data_type": "string"},
        "a structured type": {"data_type": {"name": "struct"}},
        "a pickle codec": {"codecs": [{"name": "pickle"}]},
        "no codecs": {"codecs": []},
        "numcodecs' pickle": {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]},
        "gzip": {"codecs": [{"name": "bytes"}, {"name": "gzip", "configuration": {"level": 9}}]},
        "a storage transformer": {"storage_transformers": [{"name": "x"}], "shape": [2**40, 10]},
        "chunks of nothing": {"chunk_grid": {"configuration": {"chunk_shape": [0, 10]}}},
        "chunks of terabytes": {"chunk_grid": {"configuration": {"chunk_shape": [2**40, 10]}}},
        "chunks of text": {"chunk_grid": {"configuration": {"chunk_shape": ["9", 10]}}},
        "other chunk keys": {"chunk_key_encoding": {"name": "v2"}},
        "no attributes": {"attributes": {}},
        "a list for attributes": {"attributes": []},
    }
    for name, change in changes.items():
        yield f"an array of {name}", partial(_forge, change=change)
    for name, chunk in (
        ("that declares 2 GiB", struct.pack("<BBBBIII", 2, 1, 4, 2, 2**31 - 1, 2**18, 64)),
        ("of Zstandard", struct.pack("<IBQ", 0xFD2FB528, 0b1110_0000, 2**40) + bytes(16)),
        ("of nothing", b""),
        ("of zeros", bytes(500)),
    ):
        yield f"a chunk {name}", partial(_replace_chunk, chunk=chunk)
    yield "a chunk of gzip", lambda image: _replace_chunk(image, chunk=gzip.compress(_BOMB))
    yield from _documents("zarr.json", "data/zarr.json", "analysis/flow/params.json")
    yield (
        "metadata that unpack to gigabytes",
        lambda image: _write(image, name="analysis/flow/params.json", data=_gzip_json()),
    )


def _forge(image: Path, *, change: dict[str, Any]) -> None:
    path = image / "data" / "zarr.json"
    document = json.loads(path.read_bytes()) | change
    if isinstance(document.get("chunk_grid"), dict):
        document["chunk_grid"].setdefault("name", "regular")
    seal(path, document)


def _replace_chunk(image: Path, *, chunk: bytes) -> None:
    """With a checksum that holds, in the chunk, and in a document whose seal holds."""
    import google_crc32c

    checksum = google_crc32c.value(chunk)
    path = image / "data" / "zarr.json"
    document = json.loads(path.read_bytes())
    document["attributes"]["kymflow_zarr"]["chunk_crc32c"]["c.0.0"] = checksum
    seal(path, document)
    (image / "data" / "c.0.0").write_bytes(chunk + struct.pack("<I", checksum))


# --- format 1: no checksums, many codecs


def _format1() -> Iterator[tuple[str, Tamper]]:
    from numcodecs import LZ4, Blosc, Zstd

    for name, pack in {
        "blosc": Blosc().encode,
        "bz2": bz2.compress,
        "gzip": gzip.compress,
        "lz4": LZ4().encode,
        "lzma": lzma.compress,
        "zlib": zlib.compress,
        "zstd": Zstd().encode,
    }.items():
        yield f"a bomb of {name}", partial(_plant, codec=name, pack=pack)
        yield (
            f"a {name} chunk of noise",
            partial(_plant, codec=name, pack=lambda _: b"\x28\xb5" * 99),
        )
    changes: dict[str, dict[str, Any]] = {
        "2^39 lines": {"shape": [2**39, 10]},
        "2^62 lines": {"shape": [2**62, 10]},
        "no shape": {"shape": []},
        "objects": {"dtype": "|O"},
        "pickled objects": {"dtype": "|O", "filters": [{"id": "pickle"}]},
        "a pickle filter": {"filters": [{"id": "pickle", "protocol": 5}]},
        "a pickle codec": {"compressor": {"id": "pickle"}},
        "an unknown codec": {"compressor": {"id": "os.system"}},
        "text for a codec": {"compressor": "zlib"},
        "a structured type": {"dtype": [["a", "<f8"]]},
        "times": {"dtype": "<M8[ns]"},
        "chunks of nothing": {"chunks": [0, 10]},
        "chunks of terabytes": {"chunks": [2**40, 10]},
        "5,000 axes": {"shape": [1] * 5000, "chunks": [1] * 5000},
    }
    for name, change in changes.items():
        yield f"an array of {name}", partial(_change, change=change)
    yield from _documents(".zattrs", "data/.zarray")
    yield (
        "metadata that unpack to gigabytes",
        lambda image: _write(image, name="analysis/metadata.json.gz", data=_gzip_json()),
    )


def _plant(image: Path, *, codec: str, pack: Callable[[bytes], Any]) -> None:
    """Packed here, as that takes longer than most of what is tried, of which much is left out."""
    _change(image, change={"compressor": {"id": codec}})
    (image / "data" / "0.0").write_bytes(pack(_BOMB))


def _change(image: Path, *, change: dict[str, Any]) -> None:
    path = image / "data" / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change), encoding="utf-8")


# --- both


def _documents(*names: str) -> Iterator[tuple[str, Tamper]]:
    bad = {
        "65 MiB": b'{"note": "' + b"x" * (65 * 2**20) + b'"}',
        "millions of lists": b"[" + b"[]," * (8 * 2**20) + b"[]]",
        "deep lists": b"[" * 100_000 + b"]" * 100_000,
        "NaN": b'{"a": NaN}',
        "a number of 9,999 digits": b'{"a": ' + b"9" * 9999 + b"}",
        "a key twice": b'{"a": 1, "a": 2}',
        "no UTF-8": b'{"a": "\xff\xfe"}',
        "half a surrogate pair": b'{"a": "\\ud800"}',
    }
    for name in names:
        for what, data in bad.items():
            yield f"{name} of {what}", partial(_write, name=name, data=data)


def _write(image: Path, *, name: str, data: bytes) -> None:
    (image / name).write_bytes(data)


def _gzip_json() -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    block = b"[]," * 2**20
    return (
        packer.compress(b"[")
        + b"".join(packer.compress(block) for _ in range(400))
        + (packer.compress(b"[]]") + packer.flush())
    )


# --- names

_NAMES = (
    *("", ".", "..", "../a", "a/../../b", "/a", "/etc/passwd", "C:", "C:\\a", "C:a", "\\\\host\\a"),
    *("a\\b", "a//b", "a/", "/", "a/./b", "~/a", ".hidden", "a/.hidden", "-rf", "a b", "a\tb"),
    *("CON", "con", "nul.txt", "a/PRN", "aux", "COM1", "lpt9.x", "a.", "a ", "a:b", "a*b", "a?b"),
    *("a\nb", "a\x00b", "\x1b[31m", "<b>", "=1+1", "a|b", '"a"', "é", "e\u0301", "\u202ea"),
    *("x" * 300, "a/" * 200 + "a", "\udc80", "${HOME}", "$(id)", "a%2fb", "..%2f", "a\u2215b"),
)


def try_names(root: Path) -> tuple[int, list[str]]:
    """Give things names that are paths: each must be refused, and nothing may appear elsewhere."""
    place = root / "names.zarr"
    dataset = ZarrDataset(place)
    record = dataset.add_image(np.zeros((4, 4), np.uint16), axes=("t", "x"))
    frame = pd.DataFrame({"image_id": [record.image_id], "v": [1]})
    acts: dict[str, Callable[[str], object]] = {
        "JSON": lambda name: record.save_json(name, {}),
        "Parquet": lambda name: record.save_df_parquet(name, frame),
        "CSV": lambda name: record.save_df_csv_gz(name, frame),
        "array": lambda name: record.save_array_artifact(name, np.zeros(3)),
        "table": lambda name: dataset.save_table(name, frame),
        "rows": lambda name: dataset.replace_rows_for_image_id(name, record.image_id, frame),
        "reading": record.load_json,
        "deleting a table": dataset.delete_table,
    }
    before = _files(root)
    wrong = []
    for what, act in acts.items():
        for name in _NAMES:
            try:
                act(name)
            except (InvalidNameError, ValueError) as error:
                if not isinstance(error, InvalidNameError):
                    wrong.append(f"{what} named {name!r}: {error!r}")
            else:
                wrong.append(f"{what} may be named {name!r}")
    if (after := _files(root)) != before:
        wrong.append(f"refused names left {after ^ before}")
    return len(acts) * len(_NAMES), wrong


def _files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.suffix != ".lock"}


# --- files that change


def try_changing_files(root: Path, *, files: int, rounds: int, seed: int) -> tuple[int, list[str]]:
    """Take files in while they are rewritten all the time: as they were at one moment, or not."""
    folder = root / "changing"
    folder.mkdir(parents=True)
    states = [np.full((lines, 3000), lines, np.uint16) for lines in _STATES]
    paths = [folder / f"{number}.tif" for number in range(files)]
    sound = []
    for state in states:
        tifffile.imwrite(folder / "0.tif", state)
        sound.append((folder / "0.tif").read_bytes())
    wrong: list[str] = []
    stop = threading.Event()

    def rewrite() -> None:
        draw = seeded(seed, "changing")
        while not stop.is_set():
            data = draw.choice(sound)
            with draw.choice(paths).open("r+b") as file:
                file.truncate(0)
                for start in range(0, len(data), 2**16):
                    file.write(data[start : start + 2**16])

    for path in paths:
        path.write_bytes(sound[0])
    for turn in range(rounds):
        dataset = ZarrDataset(root / f"{turn}.zarr")
        stop.clear()
        writer = threading.Thread(target=rewrite)
        writer.start()
        try:
            for _ in range(2):
                wrong += _take_in(dataset, folder)
        finally:
            stop.set()
            writer.join()
        for path in paths:
            path.write_bytes(sound[turn % 2])
        dataset.refresh_from_folder(folder)
        for record in dataset.iter_records():
            lines = record.shape[0]
            if lines not in _STATES or (record.load_array() != lines).any():
                wrong.append(f"{record.image_id} is a mixture of two states of its file")
        wrong += [f"check: {problem}" for problem in dataset.check(deep=True)]
    return files * rounds * 2, wrong


def _take_in(dataset: ZarrDataset, folder: Path) -> list[str]:
    try:
        dataset.refresh_from_folder(folder)
    except IngestError as error:
        silent = [path.name for path, reason in error.failures.items() if not reason]
        return [f"{name} is refused without a reason" for name in silent]
    return []
