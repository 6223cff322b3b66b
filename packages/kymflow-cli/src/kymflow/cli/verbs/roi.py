"""Draw regions of interest: the borders of a vessel are enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

from kymflow.cli.decided import DecisionResult, Where, decide
from kymflow.cli.errors import UnknownNameError, refuse_unused

if TYPE_CHECKING:
    from kymflow_zarr import ZarrImageRecord

Pixels: TypeAlias = tuple[int, int]
Micrometres: TypeAlias = tuple[float, float]


def roi(
    dataset: str,
    /,
    *images: str,
    pixels: Annotated[Pixels | None, Parameter(name="--pixels")] = None,
    um: Annotated[Micrometres | None, Parameter(name="--um")] = None,
    lines: Annotated[Pixels | None, Parameter(name="--lines")] = None,
    channel: int | None = None,
    z: int | None = None,
    name: str = "",
    change: Annotated[int | None, Parameter(name="--change")] = None,
    remove: Annotated[int | None, Parameter(name="--remove")] = None,
    where: Where = None,
) -> DecisionResult:
    """Add a region of interest to images, or change or remove one.

    The borders of the vessel are enough. The id of a region is never used again. All regions are
    in the table kym_roi.

    Args:
        dataset: Path or URL of the dataset.
        images: The images: ids, the first characters of them, or their source files.
        pixels: First pixel along the line, and the one after the last: --pixels 12 40.
        um: The same in micrometres from the beginning of the line: --um 4.8 16.
        lines: First line, and the one after the last; all lines if not given.
        channel: The channel, from 1; the first one if not given.
        z: The slice of a stack, from 0; the first one if not given.
        name: What you call it.
        change: Give the region with this id these borders, or this name.
        remove: Remove the region with this id.
        where: Choose images by a condition in SQL, such as "folder LIKE '%day1%'".

    Raises:
        UnknownNameError: No image is chosen, or one does not exist.
        UnusedOptionError: A region is removed, or changed, and an option is about neither.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow.core import decisions
    from kymflow.core.decisions import borders_in_pixels
    from kymflow.core.metadata import RoiChange

    borders = {
        "--pixels": pixels is not None,
        "--um": um is not None,
        "--lines": lines is not None,
        "--name": bool(name),
    }
    place = {"--channel": channel is not None, "--z": z is not None}
    if remove is not None:
        refuse_unused("--remove", {"--change": change is not None, **borders, **place})
    if change is not None:
        refuse_unused("--change", place)
    if remove is None and pixels is None and um is None and lines is None and not name:
        raise UnknownNameError("no region given", hint="give its borders: --pixels 12 40")

    def act(record: ZarrImageRecord, step: str) -> str | None:
        if remove is not None:
            decisions.remove_region(record, remove, step=step)
            return None
        if change is None:
            made = decisions.add_region(
                record,
                pixels=pixels,
                um=um,
                lines=lines,
                channel=1 if channel is None else channel,
                z=0 if z is None else z,
                name=name,
                step=step,
            )
            return f"ROI {made.id}"
        own = borders_in_pixels(record, pixels=pixels, um=um)
        new = RoiChange(
            name=name or None,
            dim0_start=None if lines is None else lines[0],
            dim0_stop=None if lines is None else lines[1],
            dim1_start=None if own is None else own[0],
            dim1_stop=None if own is None else own[1],
        )
        decisions.change_region(record, change, new, step=step)
        return f"ROI {change}"

    return decide("roi", dataset, images, where, act)
