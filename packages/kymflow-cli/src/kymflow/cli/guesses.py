"""What was meant by an unknown name."""

from __future__ import annotations

from collections.abc import Iterable

from kymflow.cli.errors import UnknownNameError


def guess(name: str, known: Iterable[str], *, otherwise: str) -> str:
    """A hint: the known name that is most similar, or something else to do.

    Args:
        name: The name as given.
        known: The names that exist.
        otherwise: The hint if none of them is like it.
    """
    import difflib

    names = sorted(set(known))
    likely = [candidate for candidate in names if candidate.endswith(f"_{name}")]
    likely += difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return f"did you mean {likely[0]!r}?" if likely else otherwise


def require_known(
    name: str, known: Iterable[str], *, what: str, where: str = "", see: str = ""
) -> None:
    """Refuse an unknown name.

    Args:
        name: The name as given.
        known: The names that exist.
        what: What has such a name, as in ``field``.
        where: What has these, as in ``of the images``; empty for this installation.
        see: The hint if no known name is like it; lists those known if empty.

    Raises:
        UnknownNameError: It is none of them.
    """
    names = list(known)
    if name not in names:
        raise UnknownNameError(
            f"there is no {what} {name!r} {where}".rstrip(),
            hint=guess(name, names, otherwise=see or f"there are: {', '.join(names)}"),
        )
