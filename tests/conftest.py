"""What the tests of the workspace share."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder that `hatch` is run from."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def hatch_config(root: Path) -> dict[str, Any]:
    """What hatch.toml says."""
    return tomllib.loads((root / "hatch.toml").read_text(encoding="utf-8"))
