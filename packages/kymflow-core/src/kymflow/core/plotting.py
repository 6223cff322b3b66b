"""Plots of kymographs: time to the right, position up (extra ``plot``: matplotlib)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from kymflow.core.analysis.regions import UNCALIBRATED, Calibration
from kymflow.core.errors import MissingExtraError
from kymflow.core.metadata import Roi, load_metadata
from kymflow.core.picture import KymographPicture, array_picture, load_means, load_picture
from kymflow_zarr import ZarrImageRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

__all__ = [
    "KymographPicture",
    "array_picture",
    "draw_picture",
    "draw_rois",
    "load_means",
    "load_picture",
    "plot_kymograph",
]

_ROI_COLOUR = "#ffb000"
_EDGE, _EDGE_UP = 0.004, 0.03
_ABOVE_AXES = 2.6
"""The lines around the axes are at 2.5."""


def draw_picture(
    picture: KymographPicture,
    ax: Axes,
    *,
    interpolation: Literal["antialiased", "nearest"] = "antialiased",
    greys: int = 256,
) -> AxesImage:
    """Draw a picture, with labels and limits of the axes.

    Args:
        picture: The picture.
        ax: Where to draw it.
        interpolation: ``nearest`` keeps each value as it is; only for a picture of no more columns
            and rows than the axes have pixels, as values would be left out otherwise.
        greys: How many shades of grey there are.
    """
    from matplotlib import colormaps

    rows, columns = picture.values.shape
    # The last block may be smaller than the others; the excess is cut off by the limits.
    left, bottom = picture.time_span[0], picture.position_span[0]
    right = left + columns * picture.lines_per_column * picture.seconds
    top = bottom + rows * picture.pixels_per_row * picture.um
    image = ax.imshow(
        picture.values,
        cmap=colormaps["gray"].resampled(greys),
        aspect="auto",
        origin="lower",
        interpolation=interpolation,
        extent=(left, right, bottom, top),
        vmin=picture.limits[0],
        vmax=picture.limits[1],
    )
    ax.set_xlim(*picture.time_span)
    ax.set_ylim(*picture.position_span)
    ax.set_xlabel(picture.time_label)
    ax.set_ylabel(picture.position_label)
    return image


def draw_rois(rois: Sequence[Roi], picture: KymographPicture, ax: Axes) -> None:
    """Draw the boxes of regions of interest over a picture, each with its number.

    Args:
        rois: The regions, of the picture's channel and slice.
        picture: The picture.
        ax: Where it was drawn.
    """
    from matplotlib import patheffects
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import Bbox, TransformedBbox

    # A little more than the axes: the line of a box along their edge is seen in its full width.
    around = TransformedBbox(Bbox([[-_EDGE, -_EDGE_UP], [1 + _EDGE, 1 + _EDGE_UP]]), ax.transAxes)
    outline = [patheffects.withStroke(linewidth=2.4, foreground="black")]
    numbers: dict[tuple[int, int], list[int]] = {}
    for roi in rois:
        box = Rectangle(
            ((roi.dim0_start - 0.5) * picture.seconds, (roi.dim1_start - 0.5) * picture.um),
            (roi.dim0_stop - roi.dim0_start) * picture.seconds,
            (roi.dim1_stop - roi.dim1_start) * picture.um,
            fill=False,
            edgecolor=_ROI_COLOUR,
            linewidth=1.4,
            path_effects=outline,
            zorder=_ABOVE_AXES,
        )
        ax.add_patch(box)
        box.set_clip_path(None)
        box.set_clip_box(around)
        numbers.setdefault((roi.dim0_start, roi.dim1_stop), []).append(roi.id)
    for (line, pixel), ids in numbers.items():
        ax.annotate(
            f"ROI {', '.join(str(number) for number in ids)}",
            ((line - 0.5) * picture.seconds, (pixel - 0.5) * picture.um),
            xytext=(5, -5),
            textcoords="offset points",
            va="top",
            color=_ROI_COLOUR,
            fontsize="small",
            fontweight="bold",
            path_effects=outline,
            annotation_clip=True,
        )


def plot_kymograph(
    rec: ZarrImageRecord | NDArray[Any],
    *,
    channel: int = 1,
    z: int = 0,
    lines: tuple[int, int] | None = None,
    rois: bool = True,
    calibration: Calibration = UNCALIBRATED,
    percentiles: tuple[float, float] = (1.0, 99.5),
    ax: Axes | None = None,
) -> Axes:
    """Plot a kymograph: time to the right, position up, in s and µm where they are known.

    Args:
        rec: The image, or an array ``(time, space)``.
        channel: The image's channel, from 1.
        z: Its slice, from 0.
        lines: First line, and the one after the last; all if None.
        rois: Whether to draw its regions of interest.
        calibration: What is known of the axes of an array.
        percentiles: Of the values drawn: what is black, and what is white.
        ax: Where to draw it; a new figure if None.

    Returns:
        The axes.

    Raises:
        RegionError: The image has no lines and pixels, or not this channel, slice or stretch.
        InvalidKymographError: The array has no lines and pixels, or not this stretch.
        MissingExtraError: matplotlib is not installed.
        CorruptDataError: Its pixels or metadata are damaged.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "plotting a kymograph")
    if isinstance(rec, ZarrImageRecord):
        picture = load_picture(rec, channel=channel, z=z, lines=lines, percentiles=percentiles)
        drawn = load_metadata(rec).rois if rois else ()
    else:
        picture = array_picture(rec, lines=lines, calibration=calibration, percentiles=percentiles)
        drawn = ()
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(10.0, 2.4), layout="constrained")
    draw_picture(picture, ax)
    draw_rois([roi for roi in drawn if (roi.channel, roi.z) == (channel, z)], picture, ax)
    return ax
