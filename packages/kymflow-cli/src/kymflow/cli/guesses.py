"""What somebody may have meant by a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["guess"]


def guess(name: str, known: Iterable[str], *, otherwise: str) -> str:
    """A hint: the known name that is most like another one, or something else to do.

    Args:
        name: What somebody gave.
        known: The names that there are.
        otherwise: The hint if none of them is like it.
    """
    import difflib

    names = sorted(set(known))
    likely = [candidate for candidate in names if candidate.endswith(f"_{name}")]
    likely += difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return f"did you mean {likely[0]!r}?" if likely else otherwise
