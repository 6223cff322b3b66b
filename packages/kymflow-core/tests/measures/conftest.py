"""Where the real recordings are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_recordings() -> Path:
    """The folder of real recordings; tests that need it are skipped where it is not there."""
    named = os.environ.get("KYMFLOW_SHARED")
    places = [Path(named)] if named else [up / "shared" for up in Path(__file__).parents]
    for place in places:
        if (place / "data" / "kymographs").is_dir():
            return place / "data" / "kymographs"
    pytest.skip("the shared recordings are not here")
