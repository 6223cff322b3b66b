"""How functions are compiled: without the GIL, in one thread, on their first call.

Modules that import this one need numba. Compiled code is kept on disk beside its source. numba
notices when that file changes and no other, so constants of other modules are handed over as
arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function, fast: set[str] | bool) -> _Function:
    """Return the function, compiled on its first call, and kept on disk if there is a place."""
    try:
        return cast(
            "_Function",
            njit(nogil=True, cache=True, fastmath=fast, error_model="numpy")(function),
        )
    except RuntimeError:
        # numba found no folder for its cache that it may write to.
        return cast("_Function", njit(nogil=True, fastmath=fast, error_model="numpy")(function))


def fast(function: _Function) -> _Function:
    """Compile; sums may be taken in another order, products and sums may be fused."""
    return _compiled(function, {"contract", "reassoc"})


def exact(function: _Function) -> _Function:
    """Compile to the same arithmetic as NumPy's."""
    return _compiled(function, fast=False)
