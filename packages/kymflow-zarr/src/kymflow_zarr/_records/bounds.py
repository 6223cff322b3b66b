"""The size of one picture of an image, whatever its axes."""

from __future__ import annotations


def image_bounds(axes: tuple[str, ...], shape: tuple[int, ...]) -> dict[str, int]:
    """Width and height of one picture, and how many slices there are.

    Returns:
        ``width`` is the length of the last axis that is neither channel nor slice (pixels along a
        line), ``height`` of the one before (lines of a kymograph; 1 if there is none) and
        ``num_slices`` of the ``z`` axis (1 if there is none).
    """
    lengths = dict(zip(axes, shape, strict=True))
    picture = [1, 1, *(length for axis, length in lengths.items() if axis not in {"c", "z"})]
    return {"width": picture[-1], "height": picture[-2], "num_slices": lengths.get("z", 1)}
