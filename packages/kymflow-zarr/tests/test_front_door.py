"""The names that other projects may rely on."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import kymflow_zarr
import kymflow_zarr.errors


def test_the_public_names_are_these() -> None:
    assert sorted(kymflow_zarr.__all__) == [
        "AlreadyExistsError",
        "ArtifactKindError",
        "ArtifactNotFoundError",
        "ColumnError",
        "CorruptDataError",
        "DatasetSchema",
        "ExportError",
        "ExportReport",
        "ImageNotFoundError",
        "IngestError",
        "IngestOutcome",
        "InvalidNameError",
        "JsonValue",
        "KymflowZarrError",
        "LockedError",
        "Manifest",
        "ManifestEntry",
        "MetadataNotFoundError",
        "NotADatasetError",
        "NotFoundError",
        "Problem",
        "ProblemKind",
        "ReadOnlyError",
        "RefreshPlan",
        "Repair",
        "RowUpdate",
        "SchemaValidationError",
        "SourceFile",
        "SourceRow",
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
        ("ReadOnlyError", PermissionError),
        ("InvalidNameError", ValueError),
        ("ArtifactKindError", ValueError),
        ("AlreadyExistsError", FileExistsError),
        ("UnsupportedFormatError", ValueError),
        ("LockedError", TimeoutError),
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
