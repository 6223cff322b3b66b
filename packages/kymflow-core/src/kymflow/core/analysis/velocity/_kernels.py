"""The four computations that exist twice: in NumPy, and compiled by numba. Results are equal."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import _preprocess, _shear, _tracking
from kymflow.core.analysis.velocity._plan import ShearPlan
from kymflow.core.analysis.velocity._preprocess import Columns
from kymflow.core.errors import AnalysisParameterError, MissingExtraError

Backend = Literal["auto", "numpy", "numba"]

_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """One implementation of each computation.

    Attributes:
        name: Which implementation.
        flatten: See `_preprocess.flatten`.
        scan: See `_shear.scan`.
        best_path: See `_tracking.best_path`.
        refine: See `_shear.refine`.
    """

    name: Literal["numpy", "numba"]
    flatten: Callable[[NDArray[np.generic], Columns], _Floats]
    scan: Callable[[_Floats, ShearPlan], _Floats]
    best_path: Callable[[_Floats], _Integers]
    refine: Callable[[_Floats, _Integers, int, _Doubles], tuple[_Doubles, _Doubles, _Doubles]]


def load_kernels(backend: Backend) -> Kernels:
    """Return the compiled kernels if asked for, or if numba is installed; else those in NumPy.

    Raises:
        MissingExtraError: ``backend="numba"`` and numba is not installed.
        AnalysisParameterError: There is no such backend.
    """
    if backend not in ("auto", "numpy", "numba"):
        raise AnalysisParameterError("backend", backend, "'auto', 'numpy' or 'numba'")
    if backend != "numpy" and importlib.util.find_spec("numba") is not None:
        # Imported here because numba takes half a second, which reading a table should not pay.
        from kymflow.core.analysis.velocity import _compiled, _compiled_refine

        return Kernels(
            name="numba",
            flatten=_compiled.flatten,
            scan=_compiled.scan,
            best_path=_compiled.best_path,
            refine=_compiled_refine.refine,
        )
    if backend == "numba":
        raise MissingExtraError("numba", "fast", "backend='numba'")
    return Kernels(
        name="numpy",
        flatten=_preprocess.flatten,
        scan=_shear.scan,
        best_path=_tracking.best_path,
        refine=_shear.refine,
    )
