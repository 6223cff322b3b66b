"""List the images of a dataset."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from kymflow.cli.opening import open_reader, source_name, source_of
from kymflow.cli.results import DamagedImage, ListedImage, ListResult

if TYPE_CHECKING:
    from kymflow_zarr import ManifestEntry

__all__ = ["listed_image", "ls"]

_NS_PER_S = 10**9


def ls(
    dataset: str,
    /,
    *,
    sort: Literal["file", "id", "created", "acquired"] = "file",
) -> ListResult:
    """List the images of a dataset.

    Args:
        dataset: Path or URL of the dataset.
        sort: By name of the source file, by id, or by time of creation or acquisition; images
            that lack the value come last.

    Returns:
        The images.

    Raises:
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    manifest = open_reader(dataset).load_manifest()
    entries = list(manifest.entries.values())
    match sort:
        case "file":
            entries.sort(key=_by_file)
        case "created":
            entries.sort(key=lambda entry: (entry.created_utc == "", entry.created_utc))
        case "acquired":
            entries.sort(key=_by_acquisition)
        case "id":
            entries.sort(key=lambda entry: entry.image_id)
    return ListResult(
        dataset=dataset,
        images=len(entries),
        damaged=len(manifest.damaged),
        items=(
            *(listed_image(entry) for entry in entries),
            *(
                DamagedImage(image_id=image_id, reason=f"{error.key!r}: {error.reason}")
                for image_id, error in manifest.damaged.items()
            ),
        ),
    )


def listed_image(entry: ManifestEntry) -> ListedImage:
    """An image as the lists show it."""
    return ListedImage(
        image_id=entry.image_id,
        source=source_of(entry),
        shape=entry.shape,
        axes=entry.axes,
        dtype=entry.dtype,
        created_utc=entry.created_utc or None,
        acquired_local=_local_time(entry.acquired_local_epoch_ns),
    )


def _local_time(epoch_ns: int | None) -> str | None:
    """ISO 8601 without a zone: the clock on the wall where the image was recorded."""
    if epoch_ns is None:
        return None
    whole = datetime.fromtimestamp(epoch_ns // _NS_PER_S, UTC)
    micros = epoch_ns % _NS_PER_S // 1000
    return whole.replace(tzinfo=None, microsecond=micros).isoformat()


def _by_file(entry: ManifestEntry) -> tuple[bool, str, str, str]:
    path = source_of(entry) or ""
    return not path, source_name(path), path, entry.created_utc


def _by_acquisition(entry: ManifestEntry) -> tuple[bool, int]:
    value = entry.acquired_local_epoch_ns
    return value is None, value or 0
