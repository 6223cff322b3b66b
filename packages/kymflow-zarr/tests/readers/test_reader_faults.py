"""Whatever a reader does wrong stops its own file only, and is said of that file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from kymflow_zarr import IngestError, UnreadableImageError, ZarrDataset
from kymflow_zarr.errors import PluginWarning, ReaderError
from kymflow_zarr.options import IngestOptions
from kymflow_zarr.readers import (
    ArrayImage,
    Facts,
    FolderListing,
    Quantity,
    Rank,
    ReadLimits,
    register_header,
    register_reader,
    unregister,
)
from kymflow_zarr.testing import check_header_reader, check_reader

PIXELS = np.arange(36, dtype=np.uint16).reshape(9, 4)


class Odd:
    """Reads ``.odd`` files as whatever it is told to."""

    name = "odd"

    def __init__(
        self, image: Callable[[], Any], suffixes: Any = (".odd",), claims: Any = None
    ) -> None:
        self.image = image
        self.suffixes = suffixes
        self._claims = claims

    def claims(self, listing: FolderListing) -> list[str]:
        return self._claims(listing) if self._claims else listing.with_suffix(self.suffixes)

    def open(self, path: Path, *, limits: ReadLimits) -> Any:  # noqa: ARG002
        return self.image()


@pytest.fixture
def register() -> Iterator[Callable[[Any], None]]:
    """Registers an `Odd` for one test."""
    yield register_reader
    unregister("odd")


@pytest.fixture
def mixed(folder: Path) -> Path:
    """Three TIFFs and ``x.odd``."""
    (folder / "x.odd").write_bytes(b"1")
    return folder


class FailsAtClose(ArrayImage):
    def close(self) -> None:
        raise OSError("the drive is gone")


class GivesRows(ArrayImage):
    def iter_blocks(self, rows: int) -> Iterator[Any]:  # noqa: ARG002
        yield from (self.array[row : row + 1] for row in range(len(self.array)))


class LosesTheEnd(ArrayImage):
    def iter_blocks(self, rows: int) -> Iterator[Any]:
        yield from list(super().iter_blocks(rows))[:-1]


def raises(error: BaseException) -> Callable[..., Any]:
    def fail(*arguments: object) -> Any:
        raise error

    return fail


def said(**facts: Any) -> Callable[[], Any]:
    return lambda: ArrayImage(PIXELS, (Facts(**{"source": "odd", **facts}),))


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (raises(RuntimeError("segment 3")), r"do not decode \(segment 3\)"),
        (raises(MemoryError()), "needs more memory"),
        (raises(UnreadableImageError(Path("x"), "install the extra")), "install the extra"),
        (lambda: None, "'NoneType'"),
        (lambda: ArrayImage(np.zeros((3, 0))), "holds no pixels"),
        (lambda: ArrayImage(np.zeros(3, complex)), "complex128, which is not supported"),
        (lambda: GivesRows(PIXELS), r"a block of shape \(1, 4\)"),
        (lambda: LosesTheEnd(PIXELS), "0 of its 9 rows"),
        (lambda: FailsAtClose(PIXELS), "the drive is gone"),
        (lambda: ArrayImage(PIXELS, ({"zoom": 2},)), "'dict' object"),  # type: ignore[arg-type]  # wrong on purpose
        (said(vendor={"zoom": float("nan")}), "zoom is nan"),
        (said(vendor={"zoom": np.float32(2)}), "numpy.float32"),
        (said(texts={"header": 3}), "'int' has no len"),
        (said(source="../x"), "cannot name a source"),
        (said(axes=(1, 2)), "got 'int'"),
        (said(bits_per_pixel=np.int64(12)), "numpy.int64"),
    ],
)
def test_a_fault_stops_only_its_file(
    disk: ZarrDataset, mixed: Path, register: Any, image: Callable[[], Any], reason: str
) -> None:
    register(Odd(image))
    with pytest.raises(IngestError, match=reason) as caught:
        disk.refresh_from_folder(mixed)
    assert [path.name for path in caught.value.failures] == ["x.odd"]
    assert sorted(caught.value.image_ids) == disk.list_image_ids()
    assert len(disk.list_image_ids()) == 3
    assert disk.check(deep=True) == []


def test_a_reader_that_fails_at_names_takes_no_file(
    disk: ZarrDataset, mixed: Path, register: Any
) -> None:
    register(Odd(lambda: ArrayImage(PIXELS), claims=raises(KeyError("experiment"))))
    with pytest.warns(PluginWarning, match=r"'odd' takes no files here: claims\(\) failed"):
        assert len(disk.refresh_from_folder(mixed)) == 3


def test_a_file_that_changes_while_it_is_read_is_refused(
    disk: ZarrDataset, mixed: Path, register: Any
) -> None:
    class Changes(ArrayImage):
        def iter_blocks(self, rows: int) -> Iterator[Any]:
            (mixed / "x.odd").write_bytes(b"more than before")
            return super().iter_blocks(rows)

    register(Odd(lambda: Changes(PIXELS)))
    with pytest.raises(UnreadableImageError, match="it changed while it was read"):
        disk.ingest_image(mixed / "x.odd")


@pytest.mark.parametrize("suffixes", [".odd", (), (".Odd",), ("odd",), (3,), None])
def test_suffixes_that_are_none_are_refused(suffixes: Any) -> None:
    with pytest.raises(ReaderError, match="give endings such as"):
        register_reader(Odd(lambda: None, suffixes=suffixes))


def test_a_class_is_not_a_reader() -> None:
    class Plain(Odd):
        suffixes = (".odd",)

    with pytest.raises(ReaderError, match="it is a class"):
        register_reader(Plain)  # type: ignore[arg-type]  # wrong on purpose


def test_a_more_special_reader_goes_before_the_built_in_one(
    disk: ZarrDataset, folder: Path, register: Any
) -> None:
    def claims(listing: FolderListing) -> list[str]:
        return ["b.tif"] if "Experiment.xml" in listing.names else []

    register(Odd(lambda: ArrayImage(PIXELS), claims=claims))
    before = disk.ingest_image(folder / "b.tif")
    (folder / "Experiment.xml").touch()
    after = disk.ingest_image(folder / "b.tif")
    assert (before.shape, after.shape) == ((60, 16), (9, 4))


def test_pixels_of_the_other_byte_order_are_read(
    disk: ZarrDataset, mixed: Path, register: Any
) -> None:
    register(Odd(lambda: ArrayImage(PIXELS.astype(">u2"))))
    record = disk.ingest_image(mixed / "x.odd")
    np.testing.assert_array_equal(record.load_array(), PIXELS)


def test_a_quantity_is_positive_and_has_a_unit() -> None:
    for value, unit in [
        (0.0, "s"),
        (-1.0, "s"),
        (float("nan"), "s"),
        (float("inf"), "um"),
        (1.0, "ms"),
    ]:
        with pytest.raises(ValueError, match="positive length in um or time in s"):
            Quantity(value=value, unit=unit)


# --- headers


class Room:
    """Reads ``<stem>.room``, in whatever way it is told to."""

    name = "odd"
    suffixes = (".room",)

    def __init__(self, say: Callable[[str], Any]) -> None:
        self.say = say

    def find(self, path: Path, listing: FolderListing) -> Path | None:
        return listing.beside(path, ".room")

    def read(
        self,
        path: Path,
        listing: FolderListing,
        *,
        shape: tuple[int, ...],  # noqa: ARG002
        limits: ReadLimits,
    ) -> Any:
        found = self.find(path, listing)
        return None if found is None else self.say(listing.read_text(found, limits=limits))


def room(text: str) -> Facts:
    return Facts(source="room", rank=Rank.HEADER_FILE, vendor={"room": int(text)})


@pytest.mark.parametrize(
    ("say", "text"), [(room, "twelve"), (lambda text: {"room": text}, "12"), (len, "12")]
)
def test_a_header_that_cannot_be_read_is_left_out(
    disk: ZarrDataset, folder: Path, say: Callable[[str], Any], text: str
) -> None:
    (folder / "b.room").write_text(text, encoding="utf-8")
    register_header(Room(say))
    try:
        outcomes = list(disk.iter_refresh(folder))
    finally:
        unregister("odd")
    assert len(disk) == 3
    assert [(one.path.name, issue.kind) for one in outcomes for issue in one.issues] == [
        ("b.tif", "header_left_out")
    ]


def test_a_header_reader_is_checked(folder: Path) -> None:
    (folder / "b.room").write_text("12", encoding="utf-8")
    assert check_header_reader(Room(room), folder / "b.tif", shape=(60, 16)) == []
    assert check_header_reader(Room(room), folder / "a.tif", shape=(60, 16)) != []


# --- options reach all that they speak of


def test_links_are_followed_where_that_is_asked_for(disk: ZarrDataset, tmp_path: Path) -> None:
    annex, study = tmp_path / "annex", tmp_path / "study"
    annex.mkdir()
    study.mkdir()
    tifffile.imwrite(annex / "MD5E-s12--0a1b.tif", PIXELS)
    payload = '{"header": {"axes": ["t", "x"], "scale": {"x": 0.5}, "unit": {"x": "um"}}}'
    (annex / "payload").write_text(payload, encoding="utf-8")
    (annex / "fit").write_text('{"a": 1}', encoding="utf-8")
    links = {"scan.tif": "MD5E-s12--0a1b.tif", "scan.json": "payload", "scan.fit.json": "fit"}
    try:
        for name, target in links.items():
            (study / name).symlink_to(annex / target)
    except OSError:
        pytest.skip("no right to make links here")
    with pytest.raises(IngestError, match=r"IngestOptions\(follow_links=True\)"):
        disk.refresh_from_folder(study)
    options = IngestOptions(follow_links=True)
    (image_id,) = disk.refresh_from_folder(study, options=options)
    record = disk.record(image_id)
    np.testing.assert_array_equal(record.load_array(), PIXELS)
    assert record.load_json("fit") == {"a": 1}
    header = record.load_metadata_payload()["header"]
    assert isinstance(header, dict)
    assert header["scale"] == {"t": None, "x": 0.5}
    sources = disk.load_sources_index()["source_primary_path"].tolist()
    assert sources == [str(study.resolve() / "scan.tif")], "the name is the link's"
    assert disk.refresh_from_folder(study, options=options) == []


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (ReadLimits(max_pixel_bytes=10), r"raise ReadLimits\.max_pixel_bytes"),
        (ReadLimits(max_sidecar_bytes=10), "in 'a.big.npy': .* raise the limit in ReadLimits"),
        (ReadLimits(max_vendor_text_bytes=10), "in 'a.txt': .* raise the limit in ReadLimits"),
    ],
)
def test_a_limit_can_be_raised_as_the_message_says(
    disk: ZarrDataset, folder: Path, limits: ReadLimits, reason: str
) -> None:
    np.save(folder / "a.big.npy", np.ones(1000))
    (folder / "a.txt").write_text("remember to feed the mice", encoding="utf-8")
    with pytest.raises(UnreadableImageError, match=reason):
        disk.ingest_image(folder / "a.tif", options=IngestOptions(limits=limits, strict=True))
    assert disk.ingest_image(folder / "a.tif").list_array_artifacts() == ["big"]


def test_other_names_of_tiffs_are_read(disk: ZarrDataset, tmp_path: Path) -> None:
    for name in ("a.lsm", "b.btf", "c.TF8"):
        tifffile.imwrite(tmp_path / name, PIXELS)
    assert len(disk.refresh_from_folder(tmp_path)) == 3


def test_finding_readers_imports_no_library_of_a_format() -> None:
    program = "import sys; from kymflow_zarr.readers import find_readers; find_readers(); "
    done = subprocess.run(
        [sys.executable, "-c", program + "print('tifffile' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


# --- what the conformance functions find


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (lambda: GivesRows(PIXELS), "a block of shape"),
        (lambda: LosesTheEnd(PIXELS), "of its 9 rows"),
        (said(axes=("t", "x"), steps={"z": Quantity(value=1.0, unit="um")}), "a step along 'z'"),
    ],
)
def test_a_broken_rule_is_named(mixed: Path, image: Callable[[], Any], problem: str) -> None:
    assert problem in " ".join(check_reader(Odd(image), [mixed / "x.odd"]))


def test_a_sound_reader_has_no_problems(mixed: Path) -> None:
    reader = Odd(said(axes=("t", "x"), steps={"t": Quantity(value=0.1, unit="s")}))
    assert check_reader(reader, [mixed / "x.odd"]) == []
    assert "should refuse" in " ".join(check_reader(reader, [], [mixed / "x.odd"]))
    assert "lacks a part" in " ".join(check_reader(object(), []))
