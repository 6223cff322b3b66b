"""What is installed with this distribution, and what it asks for."""

from __future__ import annotations

import re
from importlib.metadata import requires
from importlib.resources import files


def test_it_is_typed() -> None:
    assert (files("kymflow.core") / "py.typed").is_file()


def test_of_kymflow_it_needs_the_storage_only() -> None:
    needed = {re.split(r"[^a-z0-9-]", text.lower())[0] for text in requires("kymflow-core") or ()}
    assert {name for name in needed if name.startswith("kymflow")} == {"kymflow-zarr"}
