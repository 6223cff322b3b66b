"""The work on one batch of images: it runs wherever an executor puts it, and writes nothing."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from kymflow.core.decisions.state import read_decisions
from kymflow.core.errors import (
    ImageIndexError,
    IndexerFailedError,
    MetadataError,
    RowError,
    WorkerError,
)
from kymflow.core.kym_dataset.indexer_base import RegionIndexer, RegionRows, TypedIndexer
from kymflow.core.kym_dataset.rows import ImageRows, check_frame, check_text, stamped_rows
from kymflow.core.provenance import ANALYSIS_VERSION, PARAMS_HASH
from kymflow_zarr import CorruptDataError, ImageNotFoundError, KymflowZarrError, ZarrDataset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from kymflow.core.kym_dataset.indexer_base import BaseIndexer
    from kymflow_zarr import ZarrImageRecord

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRows:
    """What came of a batch of images.

    Attributes:
        asked: The images of the batch, in ascending order.
        parts: Their rows with provenance; each part has its own columns.
        params_hashes: For each image with rows, the hashes of their parameters: mostly one.
        failures: The images that could not be indexed.
        gone: The images that were deleted in the meantime.
        left_out: What has no row though a record holds it, for each image where that is so.
    """

    asked: tuple[str, ...]
    parts: tuple[pa.Table, ...]
    params_hashes: Mapping[str, frozenset[str]]
    failures: tuple[ImageIndexError, ...]
    gone: frozenset[str]
    left_out: Mapping[str, tuple[str, ...]]


def extract_batch(
    dataset: ZarrDataset,
    indexer: BaseIndexer,
    analysis_version: str,
    keep_excluded: bool,
    image_ids: tuple[str, ...],
    on_image: Callable[[], None] | None = None,
) -> BatchRows:
    """Run an indexer on some images.

    Args:
        dataset: The dataset, read-only.
        indexer: The indexer.
        analysis_version: What the indexer says in the process that publishes the table.
        keep_excluded: Whether images that a person excluded have rows.
        image_ids: The images, in ascending order.
        on_image: Called after each image.

    Raises:
        WorkerError: The indexer has another version here.
    """
    if check_version(indexer) != analysis_version:
        raise WorkerError(
            f"a worker has version {indexer.analysis_version()!r} of indexer {indexer.name!r}, "
            f"this process {analysis_version!r}; install the same version everywhere"
        )
    # Asked once: looking an object over for a protocol takes longer than a small frame.
    by_region = indexer if isinstance(indexer, RegionIndexer) else None
    found: list[ImageRows] = []
    failures: list[ImageIndexError] = []
    gone: set[str] = set()
    left_out: dict[str, tuple[str, ...]] = {}
    for image_id in image_ids:
        try:
            rows, without_row = _extract(
                dataset, indexer, by_region, image_id, keep_excluded=keep_excluded
            )
        except ImageIndexError as error:
            if _exists(dataset, image_id):
                failures.append(error)
            else:
                gone.add(image_id)
        else:
            if rows is not None:
                found.append(rows)
            if without_row:
                left_out[image_id] = without_row
        if on_image is not None:
            on_image()
    parts, misfits = stamped_rows(found, indexer=indexer.name, analysis_version=analysis_version)
    return BatchRows(
        asked=image_ids,
        parts=tuple(parts),
        params_hashes={rows.image_id: _hashes(rows) for rows in found},
        failures=(*failures, *misfits),
        gone=frozenset(gone),
        left_out=left_out,
    )


def check_version(indexer: BaseIndexer) -> str:
    """The indexer's version.

    Raises:
        RowError: It is not text.
        IndexerFailedError: The indexer raised.
    """
    version: object = _own_failure(indexer.analysis_version, indexer.name, "")
    return check_text(version, ANALYSIS_VERSION, indexer=indexer.name, image_id="")


def declared_columns(indexer: BaseIndexer) -> pa.Schema | None:
    """The columns that the indexer declares; None if it declares none.

    Raises:
        RowError: They are not a schema.
        IndexerFailedError: The indexer raised.
    """
    import pyarrow as pa

    if not isinstance(indexer, TypedIndexer):
        return None
    typed: TypedIndexer = indexer
    declared: object = _own_failure(typed.columns, indexer.name, "")
    if not isinstance(declared, pa.Schema):
        raise RowError(
            indexer=indexer.name,
            image_id="",
            column="",
            reason=f"columns() returned a {type(declared).__name__}; return a pyarrow.Schema",
        )
    return declared


def _why_excluded(rec: ZarrImageRecord) -> str:
    """Why an image has no rows; "" if it is not excluded."""
    try:
        exclusion = read_decisions(rec).exclusion
    except (MetadataError, CorruptDataError):
        return ""  # an indexer that needs the metadata reports what is wrong with them
    return "" if exclusion is None else f"the image is excluded: {exclusion.reason}"


def _extract(
    dataset: ZarrDataset,
    indexer: BaseIndexer,
    by_region: RegionIndexer | None,
    image_id: str,
    *,
    keep_excluded: bool,
) -> tuple[ImageRows | None, tuple[str, ...]]:
    """One image's rows, None if there are none; and what has no row."""
    name = indexer.name
    rec = _own_failure(lambda: dataset.record(image_id), name, image_id)
    excluded = "" if keep_excluded else _why_excluded(rec)
    if excluded:
        return None, (excluded,)
    if by_region is not None:
        said: object = _own_failure(lambda: by_region.extract_region_rows(rec), name, image_id)
        if not isinstance(said, RegionRows):
            reason = f"extract_region_rows() returned a {type(said).__name__}; return RegionRows"
            raise RowError(indexer=name, image_id=image_id, column="", reason=reason)
        frame = check_frame(said.rows, indexer=name, image_id=image_id)
        rows = ImageRows(image_id=image_id, params_hash=None, frame=frame) if len(frame) else None
        return rows, said.left_out
    returned: object = _own_failure(lambda: indexer.extract_rows(rec), name, image_id)
    frame = check_frame(returned, indexer=name, image_id=image_id)
    if not len(frame):
        return None, ()
    digest: object = _own_failure(lambda: indexer.params_hash(rec), name, image_id)
    text = check_text(digest, PARAMS_HASH, indexer=name, image_id=image_id)
    return ImageRows(image_id=image_id, params_hash=text, frame=frame), ()


def _hashes(rows: ImageRows) -> frozenset[str]:
    if rows.params_hash is not None:
        return frozenset({rows.params_hash})
    return frozenset(str(digest) for digest in rows.frame.get(PARAMS_HASH, ()))


def _own_failure(call: Callable[[], T], indexer: str, image_id: str) -> T:
    """Call an indexer's code: whatever it raises is a failure of this image only."""
    try:
        return call()
    except Exception as error:
        raise IndexerFailedError(
            indexer=indexer,
            image_id=image_id,
            reason=f"{type(error).__name__}: {error}",
            details="".join(traceback.format_exception(error)),
        ) from error


def _exists(dataset: ZarrDataset, image_id: str) -> bool:
    try:
        dataset.record(image_id)
    except ImageNotFoundError:
        return False
    except (KymflowZarrError, OSError):
        return True  # there, but damaged or refused by the system
    return True
