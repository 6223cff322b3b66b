"""Two folders change places in one step."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kymflow_zarr._storage.exchange import exchange
from kymflow_zarr._storage.inner_folder import open_root


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="there is no call for it")
def test_two_folders_change_places(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "was").write_text(name, encoding="utf-8")
    with open_root(str(tmp_path)) as root, root.inner("b") as inner:
        assert exchange(root, "a", root, "b")
        with pytest.raises(FileNotFoundError) as caught:
            exchange(root, "a", inner, "c")
    assert [(tmp_path / name / "was").read_text("utf-8") for name in ("a", "b")] == ["b", "a"]
    assert (caught.value.filename, caught.value.filename2) == (
        str(tmp_path / "a"),
        str(tmp_path / "b" / "c"),
    )
