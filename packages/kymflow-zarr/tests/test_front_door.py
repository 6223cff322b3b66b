"""The names that other projects may rely on."""

from __future__ import annotations

import ast
import inspect
import pickle
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import kymflow_zarr
import kymflow_zarr.errors


def test_the_public_names_are_these() -> None:
    assert sorted(kymflow_zarr.__all__) == [
        "AlreadyExistsError",
        "AmbiguousImageError",
        "AnyArray",
        "ArtifactKindError",
        "ArtifactNotFoundError",
        "BesideState",
        "ChannelSource",
        "ColumnError",
        "CorruptDataError",
        "DatasetSchema",
        "DatasetSources",
        "DatasetTables",
        "Durability",
        "ExportError",
        "ExportReport",
        "FailedSource",
        "FileState",
        "HasChannelData",
        "HasChannels",
        "HasMetadata",
        "ImageNotFoundError",
        "IncompleteImageError",
        "IngestError",
        "IngestOptions",
        "IngestOutcome",
        "IngestStatus",
        "Ingestible",
        "InvalidNameError",
        "IssueKind",
        "JsonValue",
        "KymflowZarrError",
        "LazyArray",
        "LockLostError",
        "LockedError",
        "Manifest",
        "ManifestEntry",
        "MetadataNotFoundError",
        "Missing",
        "Mode",
        "NotADatasetError",
        "NotFoundError",
        "OrderBy",
        "Problem",
        "ProblemKind",
        "ProgressCallback",
        "ReadOnlyError",
        "RefreshMode",
        "RefreshPlan",
        "Repair",
        "RowUpdate",
        "SchemaValidationError",
        "SourceFile",
        "SourceFolderError",
        "SourceIssue",
        "SourceRow",
        "TableFormat",
        "TableNotFoundError",
        "UnreadableImageError",
        "UnsupportedFormatError",
        "ZarrDataset",
        "ZarrImageRecord",
    ]
    assert all(hasattr(kymflow_zarr, name) for name in kymflow_zarr.__all__)


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("NotADatasetError", FileNotFoundError),
        ("ImageNotFoundError", KeyError),
        ("ArtifactNotFoundError", KeyError),
        ("ArtifactNotFoundError", FileNotFoundError),
        ("MetadataNotFoundError", FileNotFoundError),
        ("TableNotFoundError", FileNotFoundError),
        ("AmbiguousImageError", KeyError),
        ("ReadOnlyError", PermissionError),
        ("InvalidNameError", ValueError),
        ("ArtifactKindError", ValueError),
        ("AlreadyExistsError", FileExistsError),
        ("UnsupportedFormatError", ValueError),
        ("LockedError", TimeoutError),
        ("LockLostError", TimeoutError),
        ("SchemaValidationError", ValueError),
        ("CorruptDataError", ValueError),
        ("UnreadableImageError", ValueError),
        ("IngestError", ValueError),
        ("ExportError", ValueError),
    ],
)
def test_each_error_is_the_builtin_that_a_caller_expects(
    name: str, builtin: type[Exception]
) -> None:
    error = vars(kymflow_zarr.errors)[name]
    assert issubclass(error, builtin)
    assert issubclass(error, kymflow_zarr.KymflowZarrError)


@pytest.mark.parametrize(
    "error",
    [
        kymflow_zarr.ImageNotFoundError("ab12"),
        kymflow_zarr.NotADatasetError("a", "no dataset was found there", hint="check the path"),
        kymflow_zarr.CorruptDataError("images/a/zarr.json", "it is empty"),
        kymflow_zarr.LockedError("ingest", holder="process 7", waited_s=1.0),
        kymflow_zarr.IngestError({Path("a.tif"): "it is empty"}, ("ab12",)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_a_worker_process_arrives_as_it_was(
    error: kymflow_zarr.KymflowZarrError,
) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_the_tree_in_the_docstring_names_every_error() -> None:
    drawn = import_module("kymflow_zarr.errors").__doc__ or ""
    assert all(name in drawn for name in kymflow_zarr.errors.__all__)


def test_importing_does_no_heavy_work() -> None:
    code = (
        "import sys, kymflow_zarr, logging;"
        "heavy = {'pandas', 'pyarrow', 'zarr', 'tifffile'} & set(sys.modules);"
        "assert not heavy, heavy;"
        "assert not logging.getLogger('kymflow_zarr').handlers"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


GOT_FROM_A_DATASET = {"ZarrImageRecord", "RecordArtifacts", "DatasetTables", "DatasetSources"}
"""Classes that callers do not construct: their arguments are private."""


def public_modules() -> Iterator[ModuleType]:
    yield kymflow_zarr
    for found in pkgutil.walk_packages(kymflow_zarr.__path__, "kymflow_zarr."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield import_module(found.name)


@cache
def imported_from(module: ModuleType) -> dict[str, str]:
    """Each name that a module imports or defines → the module that it comes from."""
    origins: dict[str, str] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom):
            origins |= {alias.asname or alias.name: str(node.module) for alias in node.names}
        elif isinstance(node, ast.ClassDef):
            origins[node.name] = module.__name__
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            origins.setdefault(node.target.id, module.__name__)
    return origins


def annotations_of(value: Any) -> Iterator[tuple[ModuleType, str]]:
    """The annotations that a user of a class or function reads, each with its module."""
    if inspect.isclass(value):
        for base in value.__mro__:
            if not base.__module__.startswith("kymflow_zarr"):
                continue
            module = sys.modules[base.__module__]
            for name, annotation in vars(base).get("__annotations__", {}).items():
                if not name.startswith("_"):
                    yield module, annotation
            for name, member in vars(base).items():
                constructs = name == "__init__" and value.__name__ not in GOT_FROM_A_DATASET
                if constructs or not name.startswith("_"):
                    yield from annotations_of(member)
    elif isinstance(value, property):
        yield from annotations_of(value.fget)
    elif isinstance(value, classmethod | staticmethod):
        yield from annotations_of(value.__func__)
    elif inspect.isfunction(value) and value.__module__.startswith("kymflow_zarr"):
        for annotation in value.__annotations__.values():
            yield sys.modules[value.__module__], annotation


def test_no_public_signature_names_a_type_that_is_not_exported() -> None:
    exported: dict[str, list[Any]] = {}
    for module in public_modules():
        for name in getattr(module, "__all__", ()):
            exported.setdefault(name, []).append(getattr(module, name))
    seen: set[str] = set()
    hidden: set[str] = set()
    for value in [value for values in exported.values() for value in values]:
        for module, annotation in annotations_of(value):
            origins = imported_from(module)
            nodes = ast.walk(ast.parse(str(annotation), mode="eval"))
            for name in {node.id for node in nodes if isinstance(node, ast.Name)}:
                origin = origins.get(name, "")
                if origin.startswith("kymflow_zarr._"):
                    seen.add(name)
                    if vars(import_module(origin))[name] not in exported.get(name, []):
                        hidden.add(f"{name} in a signature of {module.__name__}")
    assert {"Mode", "Durability", "OrderBy", "RefreshMode", "TableFormat"} <= seen
    assert hidden == set()
