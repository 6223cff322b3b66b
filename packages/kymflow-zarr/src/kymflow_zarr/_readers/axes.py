"""Names for the axes of a TIFF.

tifffile writes axes as letters. Those with a meaning keep it::

    X x    Y y    Z z    T t    C c    S c, or s beside a C (samples of a colour pixel)
    A angle    P position    R tile    H lifetime    E lambda    L exposure    V event    M mosaic

``I`` (a sequence of pages) and ``Q`` (other) say only that there is an axis. When nothing but
these stands beside X, Y and S, the file tells no axes and the number of dimensions decides:

    2: y, x    3: z, y, x    4: z, y, x, c    5: t, z, y, x, c

otherwise each takes the first free name of t, z, c, q, q1, q2 …. Names are unique: a second axis of
the same name gets a number (``x``, ``x1``).
"""

from __future__ import annotations

from typing import Final

_NAMES: Final = {
    "X": "x",
    "Y": "y",
    "Z": "z",
    "T": "t",
    "C": "c",
    "A": "angle",
    "P": "position",
    "R": "tile",
    "H": "lifetime",
    "E": "lambda",
    "L": "exposure",
    "V": "event",
    "M": "mosaic",
}
_UNNAMED: Final = frozenset("IQ")
_FREE_NAMES: Final = ("t", "z", "c", "q")
_DEFAULT_AXES: Final = {
    1: ("x",),
    2: ("y", "x"),
    3: ("z", "y", "x"),
    4: ("z", "y", "x", "c"),
    5: ("t", "z", "y", "x", "c"),
}


def default_axes(ndim: int) -> tuple[str, ...]:
    """The axes of an image that says nothing about them; beyond five ``d0``, ``d1`` …."""
    return _DEFAULT_AXES.get(ndim, tuple(f"d{index}" for index in range(ndim)))


def name_axes(letters: str) -> tuple[tuple[str, ...], bool]:
    """Turn tifffile's axes letters into axis names.

    Returns:
        The names, and whether the file told them (False: the number of dimensions decided).
    """
    unnamed = _UNNAMED.intersection(letters)
    if unnamed and set(letters) <= _UNNAMED | set("YXS"):
        return default_axes(len(letters)), False
    taken = {_NAMES.get(letter, "") for letter in letters}
    names: list[str] = []
    for letter in letters:
        if letter in _UNNAMED:
            free = (name for name in _FREE_NAMES if name not in taken)
            name = next(free, "q")
            taken.add(name)
        elif letter == "S":
            name = "s" if "c" in taken else "c"
        else:
            name = _NAMES.get(letter, letter.lower())
        names.append(_unique(name, names))
    return tuple(names), not unnamed


def without_single_rows(
    shape: tuple[int, ...], axes: tuple[str, ...], *, known: bool
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Drop ``y`` where pictures of one row are stacked: those are lines, one a page.

    Of lines over time, every other axis of length 1 goes, too. Axes that are not `known` follow
    from the number of dimensions.
    """
    lengths = dict(zip(axes, shape, strict=True))
    if len(lengths) > 2 and lengths.get("y") == 1:
        del lengths["y"]
        if not known:
            lengths = dict(zip(default_axes(len(lengths)), lengths.values(), strict=True))
    if lengths.keys() >= {"t", "x"} and "y" not in lengths:
        lengths = {axis: n for axis, n in lengths.items() if n > 1 or axis in {"t", "x"}}
    return tuple(lengths.values()), tuple(lengths)


def _unique(name: str, names: list[str]) -> str:
    candidate = name
    number = 0
    while candidate in names:
        number += 1
        candidate = f"{name}{number}"
    return candidate
