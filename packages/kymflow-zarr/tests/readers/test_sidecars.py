"""Which files belong to an image, which images to each other, and how artifact files are loaded."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow_zarr._artifacts.array_kind import ARRAY
from kymflow_zarr._artifacts.json_kind import JSON
from kymflow_zarr._artifacts.sidecars import Sidecars, find_sidecars, group_by_stem
from kymflow_zarr._artifacts.table_kind import TABLE
from kymflow_zarr._ingest.folder import images_in, list_folder
from kymflow_zarr._readers.channels import group_channels
from kymflow_zarr._readers.headers.payload import PayloadHeader
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr.artifacts import ArtifactKind, artifact_kinds
from kymflow_zarr.errors import UnreadableImageError
from kymflow_zarr.options import IngestOptions

FOLDER = Path("folder")


def sidecars_of(path: Path, names: Iterable[str]) -> Sidecars:
    listing = list_folder(path.parent, names)
    return find_sidecars(path, group_by_stem(listing.names, images=images_in(listing)))


def payload_of(path: Path, names: Iterable[str]) -> Path | None:
    return PayloadHeader().find(path, list_folder(path.parent, names))


def artifacts_of(image: str, names: list[str]) -> list[tuple[str, str]]:
    found = sidecars_of(FOLDER / image, names)
    return [(sidecar.name, sidecar.suffix) for sidecar in found.artifacts]


def test_all_kinds_of_sidecars() -> None:
    names = ["a.tif", "a.txt", "a.json", "a.radon.csv", "a.fit.json", "a.t.csv.gz", "a.p.parquet",
             "a.edges.npy", "b.json", "a.png", "a", "ab.json", "notes.txt"]  # fmt: skip
    found = sidecars_of(FOLDER / "a.tif", names)
    assert payload_of(FOLDER / "a.tif", names) == FOLDER / "a.json"
    assert list_folder(FOLDER, names).beside(FOLDER / "a.tif", ".txt") == FOLDER / "a.txt"
    assert [(sidecar.name, sidecar.suffix) for sidecar in found.artifacts] == [
        ("edges", ".npy"),
        ("fit", ".json"),
        ("p", ".parquet"),
        ("radon", ".csv"),
        ("t", ".csv.gz"),
    ]
    assert found.artifacts[0].path == FOLDER / "a.edges.npy"
    assert found.shadowed == ()


def test_the_longest_stem_owns_a_file() -> None:
    names = ["a.tif", "a.b.tif", "a.b.json", "a.b.c.json", "a.c.json", "a.json", "a.bc.json"]
    assert payload_of(FOLDER / "a.b.tif", names) == FOLDER / "a.b.json"
    assert artifacts_of("a.b.tif", names) == [("c", ".json")]
    assert artifacts_of("a.tif", names) == [("bc", ".json"), ("c", ".json")]


def test_names_of_artifacts_may_hold_dots() -> None:
    assert artifacts_of("a.tif", ["a.tif", "a.radon.v2.csv"]) == [("radon.v2", ".csv")]


def test_of_a_table_in_several_forms_the_best_counts() -> None:
    names = ["a.tif", "a.x.csv", "a.x.csv.gz", "a.x.parquet", "a.x.npy", "a.x.json", "a.y.csv.gz"]
    found = sidecars_of(FOLDER / "a.tif", names)
    assert [(sidecar.name, sidecar.suffix) for sidecar in found.artifacts] == [
        ("x", ".json"),
        ("x", ".npy"),
        ("x", ".parquet"),
        ("y", ".csv.gz"),
    ]
    assert [sidecar.suffix for sidecar in found.shadowed] == [".csv", ".csv.gz"]


def test_suffixes_may_be_in_capitals_but_stems_count_to_the_letter() -> None:
    names = ["Scan.TIF", "Scan.JSON", "Scan.TXT", "Scan.Fit.CSV", "scan.other.csv"]
    path, listing = FOLDER / "Scan.TIF", list_folder(FOLDER, names)
    found = sidecars_of(path, names)
    assert PayloadHeader().find(path, listing) == FOLDER / "Scan.JSON"
    assert listing.beside(path, ".txt") == FOLDER / "Scan.TXT"
    assert [(sidecar.name, sidecar.suffix) for sidecar in found.artifacts] == [("Fit", ".csv")]
    assert list(images_in(listing)) == ["Scan.TIF"]


def test_the_real_folder(kymographs: Path) -> None:
    names = [path.name for path in kymographs.iterdir()]
    assert len(images_in(list_folder(kymographs, names))) == 4
    path = kymographs / "20250722_A89_0002.tif"
    found = sidecars_of(path, names)
    (radon,) = found.artifacts
    assert (radon.name, radon.kind, radon.suffix) == ("radon", TABLE, ".csv")
    frame = TABLE.read_file(radon.path)
    assert list(frame.columns) == ["time", "velocity"]
    assert frame["time"][0] == 0.0102057
    place = payload_of(path, names)
    assert place is not None
    payload = JSON.read_file(place)
    assert isinstance(payload, dict)
    assert payload["version"] == "1.0"
    assert payload_of(kymographs / "Capillary2.tif", names) is None


def test_the_payload_of_the_prototype_is_read_if_there_is_no_other() -> None:
    names = ["a.tif", "a.metadata.json", "b.tif", "b.json", "b.metadata.json"]
    assert payload_of(FOLDER / "a.tif", names) == FOLDER / "a.metadata.json"
    assert payload_of(FOLDER / "b.tif", names) == FOLDER / "b.json"
    assert artifacts_of("a.tif", names) == artifacts_of("b.tif", names) == []


names = st.lists(
    st.text(alphabet="ab.tifjson", min_size=1, max_size=12) | st.sampled_from(["a.tif", "a.b.tif"]),
    max_size=12,
    unique=True,
)


@given(names)
def test_every_file_has_one_owner_at_most(found: list[str]) -> None:
    visible = [name for name in found if name[0] != "."]
    images = images_in(list_folder(FOLDER, visible))
    owners: dict[Path, set[str]] = {}
    for image in images:
        sidecars = sidecars_of(FOLDER / image, visible)
        paths = [sidecar.path for sidecar in (*sidecars.artifacts, *sidecars.shadowed)]
        for path in paths:
            assert path.name in found
            assert path.name not in images
            owners.setdefault(path, set()).add(image.rpartition(".")[0])
    assert all(len(stems) == 1 for stems in owners.values())


# --- channels


def test_files_of_one_image_by_channel() -> None:
    assert group_channels(
        ["a_c2.tif", "a_c1.tif", "b_ch1.tif", "b_ch2.tif", "c_C001.tif", "c_C002.tif", "d.tif"]
    ) == (
        ("a_c1.tif", "a_c2.tif"),
        ("b_ch1.tif", "b_ch2.tif"),
        ("c_C001.tif", "c_C002.tif"),
        ("d.tif",),
    )


def test_names_that_only_look_alike_stand_alone() -> None:
    assert group_channels(["a_c1.tif", "a_C2.tif", "b_c1.tiff", "b_c2.tif", "c1.tif", "c2.tif",
                           "x_c1.ome.tif", "x_c2.ome.tif", "mac1.tif", "mac2.tif"]) == (
        ("a_C2.tif",), ("a_c1.tif",), ("b_c1.tiff",), ("b_c2.tif",), ("c1.tif",), ("c2.tif",),
        ("mac1.tif",), ("mac2.tif",), ("x_c1.ome.tif",), ("x_c2.ome.tif",),
    )  # fmt: skip


def test_channels_are_in_the_order_of_their_numbers() -> None:
    wanted = [f"a_c{number}.tif" for number in range(1, 13)]
    assert group_channels(reversed(wanted)) == (tuple(wanted),)
    assert group_channels(["a_c3.tif", "a_c2.tif"]) == (("a_c2.tif", "a_c3.tif"),)
    assert group_channels(["b.tif", "a_c2.tif", "a_c1.tif", "a.tif", "a_b.tif"]) == (
        ("a.tif",),
        ("a_b.tif",),
        ("a_c1.tif", "a_c2.tif"),
        ("b.tif",),
    )
    assert group_channels(["a_c1.tif", "a_c01.tif", "a_c2.tif"]) == (
        ("a_c01.tif", "a_c2.tif"),
        ("a_c1.tif",),
    )


def test_an_expression_says_where_the_channel_is() -> None:
    names = ["s_C001T001.tif", "s_C002T001.tif", "s_C001T002.tif", "t_c1.tif", "t_c2.tif"]
    assert group_channels(names, [re.compile(r"_C(\d+)T")]) == (
        ("s_C001T001.tif", "s_C002T001.tif"),
        ("s_C001T002.tif",),
        ("t_c1.tif",),
        ("t_c2.tif",),
    )
    assert group_channels(names, ()) == tuple((name,) for name in sorted(names))
    assert group_channels(["_c1.tif", "_c2.tif"]) == (("_c1.tif",), ("_c2.tif",))


@pytest.mark.parametrize("channels", ["on", re.compile("_C"), re.compile("(a)(b)")])
def test_channels_that_cannot_be_meant_are_refused(channels: Any) -> None:
    with pytest.raises(ValueError, match="channels"):
        IngestOptions(channels=channels)


@given(st.lists(st.from_regex(r"[ab](_c|_ch|_C)?[0-9]{0,2}\.tiff?", fullmatch=True), max_size=20))
def test_every_name_is_in_exactly_one_group(found: list[str]) -> None:
    grouped = [name for group in group_channels(found) for name in group]
    assert sorted(grouped) == sorted(set(found))
    assert list(group_channels(found)) == sorted(group_channels(found))


# --- JSON and text


def test_json_sidecars_are_strict(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"note": "µ"}', encoding="utf-8")
    assert JSON.read_file(path) == {"note": "µ"}
    for bad in ['{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, "", "{"]:
        path.write_text(bad, encoding="utf-8")
        with pytest.raises(UnreadableImageError, match="; correct or remove it"):
            JSON.read_file(path)
    with pytest.raises(UnreadableImageError, match="no such file"):
        JSON.read_file(tmp_path / "missing.json")


def test_vendor_texts_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 100)
    listing = list_folder(tmp_path)
    assert listing.read_text(path, limits=ReadLimits()) == "x" * 100
    with pytest.raises(UnreadableImageError, match="100 bytes, but the limit is 99"):
        listing.read_text(path, limits=ReadLimits(max_vendor_text_bytes=99))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
@pytest.mark.parametrize("kind", artifact_kinds(), ids=lambda kind: kind.name)
def test_sidecars_that_are_not_regular_files(tmp_path: Path, kind: ArtifactKind) -> None:
    for suffix in kind.sidecar_suffixes:
        path = tmp_path / f"a.x{suffix}"
        os.mkfifo(path)
        with pytest.raises(UnreadableImageError, match="FIFO"):
            kind.read_file(path)


# --- arrays


def npy(array: npt.NDArray[np.generic], *, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.arange(12, dtype=">u2").reshape(3, 4),
        np.asfortranarray(np.arange(12).reshape(3, 4)),
        np.zeros((0, 3), np.float32),
        np.array(5, np.int8),
        np.array([True, False]),
        np.array([1 + 2j]),
    ],
    ids=["matrix", "big-endian", "fortran", "empty", "scalar", "bool", "complex"],
)
def test_arrays_come_back(tmp_path: Path, array: npt.NDArray[np.generic]) -> None:
    path = tmp_path / "a.x.npy"
    path.write_bytes(npy(array))
    found = ARRAY.read_file(path)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.shape == array.shape
    assert found.flags.c_contiguous


class Exploit:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (os.environ["KYMFLOW_TEST_PROOF"],))


def test_nothing_is_ever_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = tmp_path / "proof"
    monkeypatch.setenv("KYMFLOW_TEST_PROOF", str(proof))
    path = tmp_path / "a.x.npy"
    objects = np.array([Exploit()], dtype=object)
    for data in (npy(objects, allow_pickle=True), pickle.dumps(Exploit())):
        path.write_bytes(data)
        with pytest.raises(UnreadableImageError):
            ARRAY.read_file(path)
    path.write_bytes(npy(objects, allow_pickle=True))
    with pytest.raises(UnreadableImageError, match="never unpickled; save plain numbers"):
        ARRAY.read_file(path)
    assert not proof.exists()


def test_arrays_that_lie_or_are_too_large(tmp_path: Path) -> None:
    good = npy(np.arange(12.0).reshape(3, 4))
    path = tmp_path / "a.x.npy"
    huge = good.replace(b"(3, 4), }", b"(3000000000, 4), }"[: len(b"(3, 4), }")])
    lie = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        lie, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)}
    )
    archive = io.BytesIO()
    np.savez(archive, a=np.arange(3))
    for data in (good[:-1], good + b"x", good[:20], b"", huge[:60], lie.getvalue() + bytes(80),
                 archive.getvalue(), b"\x93NUMPY\x07\x00" + bytes(60)):  # fmt: skip
        path.write_bytes(data)
        with pytest.raises(UnreadableImageError):
            ARRAY.read_file(path)
    path.write_bytes(good)
    with pytest.raises(UnreadableImageError, match=f"the limit is {len(good) - 1}"):
        ARRAY.read_file(path, max_bytes=len(good) - 1)


# --- tables


FRAME = pd.DataFrame({"time": [0.1, 1 / 3, 1e-300], "n": [1, 2, 3], "note": ["a", "µ,b", ""]})


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_tables_come_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.x{suffix}"
    if suffix == ".parquet":
        FRAME.to_parquet(path, index=False)
    else:
        text = FRAME.to_csv(index=False).encode("utf-8")
        path.write_bytes(gzip.compress(text) if suffix == ".csv.gz" else text)
    found = TABLE.read_file(path)
    assert list(found["time"]) == list(FRAME["time"])
    assert list(found["n"]) == [1, 2, 3]
    assert list(found["note"])[:2] == ["a", "µ,b"]


def test_csv_of_a_windows_computer(tmp_path: Path) -> None:
    path = tmp_path / "a.x.csv"
    for data in (b"\xef\xbb\xbftime,unit\r\n1,\xc2\xb5m\r\n", b"time,unit\r\n1,\xb5m\r\n"):
        path.write_bytes(data)
        frame = TABLE.read_file(path)
        assert list(frame.columns) == ["time", "unit"]
        assert frame["unit"][0] == "µm"


def test_tables_that_are_none_or_too_large(tmp_path: Path) -> None:
    stream = io.BytesIO()
    pd.DataFrame({"n": np.zeros(1_000_000, np.int64)}).to_parquet(stream)
    bad: list[tuple[str, bytes]] = [
        (".csv", b""),
        (".csv", b"a,b\n1,2,3,4\n1,2\n,,,,,\n"),
        (".csv", b'a,b\n"1,2\n'),
        (".csv", b"," * 20_000 + b"\n"),
        (".csv", b"1\n" * 600_000),
        (".csv.gz", b"a,b\n1,2\n"),
        (".csv.gz", gzip.compress(b"1\n" * 600_000)),
        (".csv.gz", gzip.compress(b"a,b\n1,2\n")[:-3]),
        (".parquet", b"PAR1"),
        (".parquet", b""),
        (".parquet", stream.getvalue()[:-9]),
        (".parquet", stream.getvalue()),  # some kB that declare 8 MB
    ]
    for suffix, data in bad:
        path = tmp_path / f"a.x{suffix}"
        path.write_bytes(data)
        with pytest.raises(UnreadableImageError) as caught:
            TABLE.read_file(path, max_bytes=1_000_000)
        assert ";" in caught.value.reason


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_of_csv_are_read_exactly(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.x.csv"
    path.write_text("v\n" + "\n".join(repr(number) for number in numbers), encoding="utf-8")
    frame = TABLE.read_file(path)
    assert frame["v"].to_list() == numbers
