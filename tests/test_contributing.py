"""What the guide for contributors names is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from kymflow_zarr import ImageNotFoundError, ZarrDataset


@pytest.fixture(scope="module")
def guide(root: Path) -> str:
    return (root / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_its_good_test_passes(guide: str, tmp_path: Path) -> None:
    (shown,) = re.findall(r"^```python\n(.+?)^```$", guide, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {
        "ZarrDataset": ZarrDataset,
        "Path": Path,
        "np": np,
        "tifffile": tifffile,
    }
    exec(shown, names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    folder = tmp_path / "folder"
    folder.mkdir()
    tifffile.imwrite(folder / "early.tif", np.ones((8, 4), np.uint16))
    test(ZarrDataset(tmp_path / "disk.zarr"), folder)


def test_its_commands_exist(
    guide: str, hatch_config: dict[str, Any], hatch_scripts: dict[str, set[str]]
) -> None:
    commands = set(re.findall(r"hatch run ([\w.]+:)?([\w-]+)", guide))
    assert len(commands) > 8
    for place, script in commands:
        environment, _, member = place.removesuffix(":").partition(".")
        assert script in hatch_scripts[environment or "default"]
        assert not member or member in hatch_config["envs"][environment]["matrix"][0]["pkg"]


def test_its_files_exist(guide: str, root: Path) -> None:
    sources = ["packages/kymflow-zarr/src/kymflow_zarr", "packages/kymflow-core/src/kymflow/core"]
    sources += ["packages/kymflow-cli/src/kymflow/cli"]
    packages = ["packages/kymflow-zarr", "packages/kymflow-core", "packages/kymflow-cli"]
    places = [root, *(root / place for place in (*packages, *sources))]
    named = set(re.findall(r"`([\w./-]+/|[\w./-]+\.(?:md|py|toml)|_[a-z]+)`", guide))
    named -= {"conftest.py", "__init__.py"}  # there are several, and one must not be
    assert len(named) > 20
    missing = [name for name in named if not any((place / name).exists() for place in places)]
    assert missing == []


def test_its_message_is_one_of_ours(guide: str) -> None:
    assert f"\n{ImageNotFoundError('ab12')}\n" in guide
