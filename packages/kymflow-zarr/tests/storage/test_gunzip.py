from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr.errors import CorruptDataError


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=3))
def test_gzip_members_are_joined(parts: list[bytes]) -> None:
    data = b"".join(gzip.compress(part) for part in parts)
    assert gunzip_bounded(data, key="a.json.gz", limit=300) == b"".join(parts)


def test_gzip_is_bounded_exactly() -> None:
    data = gzip.compress(b"x" * 1000)
    assert gunzip_bounded(data, key="a.json.gz", limit=1000) == b"x" * 1000
    with pytest.raises(CorruptDataError, match="more than 999 bytes"):
        gunzip_bounded(data, key="a.json.gz", limit=999)
    bomb = gzip.compress(gzip.compress(b"\0" * 10_000_000) * 3)
    assert len(gunzip_bounded(bomb, key="a.json.gz")) < 100_000


def test_contents_that_a_file_holds_twice_are_damage_where_only_one_is_expected() -> None:
    twice = gzip.compress(b"a,b\n") * 2
    assert gunzip_bounded(twice, key="a.csv.gz") == b"a,b\na,b\n"
    with pytest.raises(CorruptDataError, match="something follows"):
        gunzip_bounded(twice, key="a.csv.gz", one_member=True)


@pytest.mark.parametrize("cut", [0, 1, 9, 15, -1])
def test_damaged_gzip_is_refused(cut: int) -> None:
    data = gzip.compress(b'{"a": 1}')
    with pytest.raises(CorruptDataError):
        gunzip_bounded(data[:cut], key="a.json.gz")
    with pytest.raises(CorruptDataError):
        gunzip_bounded(data + b"junk", key="a.json.gz")
    flipped = bytearray(data)
    flipped[-6] ^= 1  # in the checksum
    for other in (bytes(flipped), zlib.compress(b"{}")):
        with pytest.raises(CorruptDataError, match="not gzip data"):
            gunzip_bounded(other, key="a.json.gz")
