"""What a TIFF says about itself, for the modules in `vendors` to interpret.

Everything here is bounded by `ReadLimits.max_tag_bytes`, which the walk over the directories
enforces before a tag is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element

from kymflow_zarr._readers.axes import name_axes
from kymflow_zarr._readers.tiff_layout import PageLayout

if TYPE_CHECKING:
    import tifffile

# Kinds of series whose Y and X are tifffile's guess; "shaped" may have been given axes.
_SILENT_KINDS: Final = frozenset({"uniform", "generic", "shaped", "nih"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffMetadata:
    """An open TIFF, and what is known of the image in it.

    Attributes:
        tif: The file.
        kind: How tifffile recognised the series: ``fluoview``, ``ome``, ``imagej``, ``lsm``,
            ``scanimage``, ``shaped``, ``uniform``, ``generic`` ….
        axes: One name per dimension, see `axes`.
        ome: Root of the OME-XML that is the description; None when it is another text.
        layout: How its pages make up the image; None where tifffile tells.
    """

    tif: tifffile.TiffFile
    kind: str
    axes: tuple[str, ...]
    ome: Element | None
    layout: PageLayout | None

    @property
    def page(self) -> tifffile.TiffPage:
        """The first page."""
        return self.tif.pages.first

    @property
    def imagej(self) -> dict[str, str]:
        """The ``key=value`` lines of an ImageJ description, as text; empty when it is none."""
        text = self.page.imagej_description if self.page.is_imagej else None
        lines = (line.partition("=") for line in (text or "").splitlines())
        return {key.strip(): value.strip() for key, equals, value in lines if equals}

    def pixels_per_unit(self, axis: str) -> float | None:
        """The resolution along ``x`` or ``y``, exactly as written; None when absent or zero."""
        match self.page.tags.valueof(f"{axis.upper()}Resolution"):
            case (int(top), int(bottom)) if top > 0 and bottom > 0:
                return top / bottom
        return None


def has_named_axes(series: tifffile.TiffPageSeries) -> bool:
    """Whether a series that tifffile found has axes by the file's word, and not by its guess."""
    described = '"axes"' in series.keyframe.description
    return name_axes(series.axes)[1] and (series.kind not in _SILENT_KINDS or described)


def tag_text(page: tifffile.TiffPage, name: str) -> str:
    """The text of a tag; empty where there is none."""
    value = page.tags.valueof(name)
    if isinstance(value, bytes):
        return value.decode("cp1252", errors="replace").rstrip("\x00").strip()
    return value if isinstance(value, str) else ""
