"""The packages of this workspace: their names, their folders, what they may build on."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One distribution of the workspace."""

    name: str
    module: str
    lower: tuple[str, ...]
    """The packages it may import: nothing imports upward."""

    @property
    def folder(self) -> Path:
        """Its folder."""
        return ROOT / "packages" / self.name

    @property
    def sources(self) -> Path:
        """What it puts on the import path."""
        return self.folder / "src"

    def project(self) -> dict[str, Any]:
        """The ``[project]`` table of its pyproject.toml."""
        text = (self.folder / "pyproject.toml").read_text(encoding="utf-8")
        project: dict[str, Any] = tomllib.loads(text)["project"]
        return project

    def requirements(self) -> list[str]:
        """What it requires, those of its extras too."""
        project = self.project()
        extras = project.get("optional-dependencies", {}).values()
        return [*project.get("dependencies", ()), *(one for extra in extras for one in extra)]


PACKAGES = (
    Package(name="kymflow-zarr", module="kymflow_zarr", lower=()),
    Package(name="kymflow-core", module="kymflow.core", lower=("kymflow-zarr",)),
    Package(name="kymflow-cli", module="kymflow.cli", lower=("kymflow-core", "kymflow-zarr")),
)
