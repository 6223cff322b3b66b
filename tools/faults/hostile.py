"""A folder with bad input among good images, taken in by the command under a limit on memory."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import tifffile

from faults.draws import seeded
from kymflow_zarr import ZarrDataset

__all__ = ["Hostile", "hostile"]

_MEMORY_BYTES = 3 * 2**30
_TIMEOUT_S = 300
_HARMLESS_LIE = "declares strips that are longer than the file, with all pixels there"
_ODD_NAMES = (
    "\u202egnp.tif".encode(),
    b"red \x1b[31m.tif",
    b"two\nlines.tif",
    b"=cmd|' !A0.tif",
    b"<b>bold.tif",
    b"x" * 250 + b".tif",
)


@dataclass(slots=True, kw_only=True)
class Hostile:
    """What came of it.

    Attributes:
        tried: How many bad inputs there were.
        good: How many good images.
        seconds: How long it took.
        peak_mib: The most memory that the command held, in MiB.
        wrong: Crashes, hangs, good images that did not come in, bad ones without a reason.
    """

    tried: int
    good: int
    seconds: float = 0.0
    peak_mib: int = 0
    wrong: list[str] = field(default_factory=list)


def hostile(root: Path, *, good: int, variants: int, seed: int) -> Hostile:
    """Take in a folder of good and bad files, twice: nothing may be taken in a second time.

    Args:
        root: An empty folder to work in.
        good: How many good images.
        variants: How many variants of each kind of bad file.
        seed: Of the random numbers.
    """
    folder, place = root / "recordings", root / "dataset.zarr"
    folder.mkdir(parents=True)
    for number in range(good):
        tifffile.imwrite(folder / f"good{number:03d}.tif", np.full((12, 6), number, np.uint16))
    for name in _ODD_NAMES:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(_tiff_bytes())
    note = {"experiment_metadata": {"note": "\x1b[31m<script>alert(1)</script>"}, "rois": []}
    (folder / "good000.json").write_text(json.dumps(note), encoding="utf-8")
    bad = dict(_bad_files(folder, variants=variants, seed=seed))
    done = Hostile(tried=len(bad), good=good)
    first = _run_command(["ingest", str(folder), str(place), "--json", "--workers", "1"], done)
    _judge(first, bad, place, done)
    again = _run_command(["ingest", str(folder), str(place), "--json", "--workers", "1"], done)
    if any(item.get("status") == "ok" for item in again):
        done.wrong.append("the second run took files in again")
    for verb in (["check", str(place), "--deep"], ["ls", str(place)], ["info", str(place)]):
        text = _run_command(verb, done, parse=False)
        if any("\x1b" in json.dumps(line, ensure_ascii=False) for line in text):
            done.wrong.append(f"{verb[0]} lets an escape sequence through to the terminal")
    return done


def _run_command(
    arguments: list[str], done: Hostile, *, parse: bool = True
) -> list[dict[str, object]]:
    """Run the command with bounded memory; its JSON records, or its lines as records."""
    begun = time.monotonic()
    env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    process = subprocess.Popen(
        [sys.executable, "-m", "kymflow.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env | {"OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=_limit_memory,  # noqa: PLW1509 - nothing here has threads
    )
    try:
        out, error = process.communicate(timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        done.wrong.append(f"{arguments[0]} hangs")
        return []
    done.seconds = max(done.seconds, time.monotonic() - begun)
    done.peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    if process.returncode not in {0, 1} or b"Traceback" in error:
        done.wrong.append(f"{arguments[0]} ended with {process.returncode}: {error[-2000:]!r}")
    lines = out.decode("utf-8", "surrogateescape").splitlines()
    return [json.loads(line) if parse else {"line": line} for line in lines]


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def _judge(
    records: list[dict[str, object]], bad: dict[str, str], place: Path, done: Hostile
) -> None:
    told = {Path(str(item["path"])).name: item for item in records if "path" in item}
    for number in range(done.good):
        name = f"good{number:03d}.tif"
        if told.get(name, {}).get("status") != "ok":
            done.wrong.append(f"{name} did not come in: {told.get(name)}")
    for name, why in bad.items():
        stem = name.removesuffix(".tif")
        item = next((one for path, one in told.items() if path.startswith(stem)), None)
        if item is None:
            done.wrong.append(f"{name!r} ({why}) was passed over in silence")
        elif item.get("status") == "ok":
            if why == _HARMLESS_LIE:
                continue
            done.wrong.append(f"{name!r} ({why}) was taken in")
        elif not item.get("reason"):
            done.wrong.append(f"{name!r} ({why}) was refused without a reason: {item}")
    dataset = ZarrDataset(place, "r")
    lies = sum(
        why == _HARMLESS_LIE and told.get(name, {}).get("status") == "ok"
        for name, why in bad.items()
    )
    expected = done.good + lies + len(_ODD_NAMES)
    if len(dataset.list_image_ids()) != expected:
        done.wrong.append(f"{len(dataset.list_image_ids())} images instead of {expected}")
    done.wrong += [f"check: {problem}" for problem in dataset.check(deep=True)]


# --- the bad files


def _bad_files(folder: Path, *, variants: int, seed: int) -> Iterator[tuple[str, str]]:
    """Write each kind of bad file some times; its name, and what is wrong with it."""
    sound = _tiff_bytes()
    for variant in range(variants):
        draw = seeded(seed, "hostile", variant)
        for number, maker in enumerate(_MAKERS):
            name = f"bad{variant}_{number:02d}.tif"
            yield name, maker(folder / name, sound, draw.randrange(2**31))


def _tiff_bytes() -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.arange(40 * 16, dtype=np.uint16).reshape(40, 16))
    return buffer.getvalue()


def _truncated(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound[: 8 + number % (len(sound) - 400)])
    return "cut short"


def _truncated_stack(path: Path, sound: bytes, number: int) -> str:
    del sound
    tifffile.imwrite(path, np.zeros((20, 16, 16), np.uint16), imagej=True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 4 + number % (len(data) // 2)])
    return "a stack that is cut short"


def _empty(path: Path, sound: bytes, number: int) -> str:
    del sound, number
    path.write_bytes(b"")
    return "no bytes"


def _header_only(path: Path, sound: bytes, number: int) -> str:
    del number
    path.write_bytes(sound[:8])
    return "a header and nothing else"


def _text(path: Path, sound: bytes, number: int) -> str:
    del sound
    path.write_text(f"no image {number}\n" * 50, encoding="utf-8")
    return "a text"


def _noise(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound[:8] + seeded(number).randbytes(5000))
    return "noise behind a header"


def _set_tag(sound: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with the value of one tag replaced."""
    data = bytearray(sound)
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, entry)[0] == tag:
            struct.pack_into("<HII", data, entry + 2, 4, 1, value)
    return bytes(data)


def _lying_size(path: Path, sound: bytes, number: int) -> str:
    huge = _set_tag(_set_tag(sound, 256, 2**20), 257, 2**20 + number % 1000)
    path.write_bytes(huge)
    return "declares 2^40 pixels"


def _lying_strips(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(_set_tag(sound, 279, 2**31 - 1 - number % 1000))
    return _HARMLESS_LIE


def _cycle(path: Path, sound: bytes, number: int) -> str:
    del number
    data = bytearray(sound)
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    struct.pack_into("<I", data, at + 2 + 12 * count, at)
    path.write_bytes(data)
    return "pages in a circle"


def _zlib_bomb(path: Path, sound: bytes, number: int) -> str:
    del number
    packed = zlib.compress(bytes(2**28), 9)
    data = bytearray(_set_tag(_set_tag(sound, 259, 8), 279, len(packed)))
    data = bytearray(_set_tag(_set_tag(bytes(data), 256, 2**16), 257, 2**16))
    data = bytearray(_set_tag(bytes(data), 273, len(data)))
    path.write_bytes(bytes(data) + packed)
    return "a decompression bomb"


def _not_utf8_name(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    path.rename(os.fsdecode(os.fsencode(path.with_suffix("")) + b"\xe9.tif"))
    return f"a name that is not UTF-8, number {number}"


def _fifo(path: Path, sound: bytes, number: int) -> str:
    del sound, number
    os.mkfifo(path)
    return "a FIFO"


def _link_to_itself(path: Path, sound: bytes, number: int) -> str:
    del sound, number
    path.symlink_to(path)
    return "a link to itself"


def _link_out(path: Path, sound: bytes, number: int) -> str:
    del number
    outside = path.parent.parent / f"outside_{path.name}"
    outside.write_bytes(sound)
    path.symlink_to(outside)
    return "a link that leaves the folder"


def _device(path: Path, sound: bytes, number: int) -> str:
    del sound, number
    path.symlink_to("/dev/zero")
    return "a link to a device"


def _object_array(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    array = np.array([{"number": number}], dtype=object)
    np.save(path.with_suffix(".result.npy"), array, allow_pickle=True)
    return "a pickled array beside it"


def _csv_bomb(path: Path, sound: bytes, number: int) -> str:
    del number
    path.write_bytes(sound)
    path.with_suffix(".result.csv.gz").write_bytes(_packed_csv())
    return "a compressed table beside it that unpacks to more than a gigabyte"


@cache
def _packed_csv() -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    block = b"0\n" * 2**20
    parts = [packer.compress(block) for _ in range(520)]
    return b"".join(parts) + packer.flush()


def _deep_json(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    depth = 2000 + number % 1000
    path.with_suffix(".json").write_text("[" * depth + "]" * depth, encoding="utf-8")
    return "JSON that is nested too deeply"


def _json_of_another_kind(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    path.with_suffix(".json").write_text(f'{{"a": NaN, "b": {number}}}', encoding="utf-8")
    return "JSON with NaN"


def _not_utf8(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    path.with_suffix(".json").write_bytes(b'{"note": "\xff\xfe' + str(number).encode() + b'"}')
    return "JSON that is not UTF-8"


_MAKERS: tuple[Callable[[Path, bytes, int], str], ...] = (
    _truncated,
    _truncated_stack,
    _empty,
    _header_only,
    _text,
    _noise,
    _lying_size,
    _lying_strips,
    _cycle,
    _zlib_bomb,
    _not_utf8_name,
    _fifo,
    _link_to_itself,
    _link_out,
    _device,
    _object_array,
    _csv_bomb,
    _deep_json,
    _json_of_another_kind,
    _not_utf8,
)
