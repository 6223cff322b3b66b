"""What kymflow.core offers, what importing it costs, and the shape of its error tree."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys

import pytest

import kymflow.core
from kymflow.core import errors

LIGHT = """
import sys
import kymflow.core, kymflow.core.plugins, kymflow.core.metadata, kymflow.core.indexers
kymflow.core.plugins.find_indexers()
heavy = {"pandas", "pyarrow", "zarr", "scipy", "numba", "matplotlib", "skimage", "xarray"}
heavy.add("distributed")
print(*sorted(heavy.intersection(sys.modules)))
"""


def test_the_front_door() -> None:
    assert sorted(kymflow.core.__all__) == [
        "BaseIndexer",
        "Decisions",
        "DependentIndexer",
        "DocumentedIndexer",
        "ExcludedImageIndexer",
        "ImageNames",
        "IndexUpdate",
        "KymDataset",
        "KymflowCoreError",
        "RegionIndexer",
        "RegionRows",
        "TypedIndexer",
        "import_metadata",
        "params_hash",
        "plot_kymograph",
        "plot_result",
        "plot_velocity",
        "read_decisions",
        "run_order",
        "to_xarray",
        "undo",
    ]
    for name in kymflow.core.__all__:
        assert hasattr(kymflow.core, name)


def test_importing_is_light() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", sorted(errors.__all__))
def test_the_tree_names_every_error_and_its_builtin(name: str) -> None:
    kind = getattr(errors, name)
    tree = errors.__doc__ or ""
    assert name in tree
    assert kind.__doc__
    if issubclass(kind, errors.KymflowCoreError) and kind is not errors.KymflowCoreError:
        (line,) = [line for line in tree.splitlines() if f" {name} " in line or line.endswith(name)]
        builtins = {base.__name__ for base in kind.__mro__ if base.__module__ == "builtins"}
        for word in line.replace(",", " ").split():
            if word.endswith("Error") and word != name and not hasattr(errors, word):
                assert word in builtins


def test_every_error_is_in_the_list() -> None:
    defined = {
        value.__name__  # others are names of version 0.1
        for value in vars(errors).values()
        if inspect.isclass(value)
        and issubclass(value, Exception)
        and value.__module__ == errors.__name__
    }
    assert defined == set(errors.__all__)


@pytest.mark.parametrize("name", ["RoiNotFoundError", "UnknownPluginError", "NotAKymTableError"])
def test_names_of_version_0_1_are_still_caught(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.KymflowCoreError)


def test_messages_are_sentences_and_survive_pickling() -> None:
    error = errors.UnknownKeyError("indexer", "velocty", ["image_summary", "roi"])
    assert str(error) == "there is no indexer 'velocty'; choose from: image_summary, roi"
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.known) == (str(error), error.known)
