"""The work on one batch of images: it runs wherever an executor puts it, and writes nothing."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from kymflow.core.errors import ImageIndexError, IndexerFailedError, RowError, WorkerError
from kymflow.core.kym_dataset.indexer_base import DeclaresColumns, HashesRows
from kymflow.core.kym_dataset.rows import ImageRows, check_frame, check_text, stamped_rows
from kymflow.core.provenance import ANALYSIS_VERSION, PARAMS_HASH
from kymflow_zarr import ImageNotFoundError, KymflowZarrError, ZarrDataset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from kymflow.core.kym_dataset.indexer_base import BaseIndexer

__all__ = ["BatchRows", "check_version", "declared_columns", "extract_batch"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRows:
    """What came of a batch of images.

    Attributes:
        asked: The images of the batch, in ascending order.
        parts: Their rows with provenance; each part has columns of its own.
        params_hashes: For each image with rows, the hashes of their parameters: mostly one.
        failures: The images that could not be indexed.
        gone: The images that were deleted in the meantime.
    """

    asked: tuple[str, ...]
    parts: tuple[pa.Table, ...]
    params_hashes: Mapping[str, frozenset[str]]
    failures: tuple[ImageIndexError, ...]
    gone: frozenset[str]


def extract_batch(
    dataset: ZarrDataset,
    indexer: BaseIndexer,
    image_ids: Sequence[str],
    analysis_version: str,
    on_image: Callable[[], None] | None = None,
) -> BatchRows:
    """Run an indexer on some images.

    Args:
        dataset: The dataset, read-only.
        indexer: The indexer.
        image_ids: The images, in ascending order.
        analysis_version: What the indexer says in the process that publishes the table.
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
    several = indexer if isinstance(indexer, HashesRows) else None
    found: list[ImageRows] = []
    failures: list[ImageIndexError] = []
    gone: set[str] = set()
    for image_id in image_ids:
        try:
            rows = _extract(dataset, indexer, several, image_id)
        except ImageIndexError as error:
            if _exists(dataset, image_id):
                failures.append(error)
            else:
                gone.add(image_id)
        else:
            if rows is not None:
                found.append(rows)
        if on_image is not None:
            on_image()
    parts, misfits = stamped_rows(found, indexer=indexer.name, analysis_version=analysis_version)
    return BatchRows(
        asked=tuple(image_ids),
        parts=tuple(parts),
        params_hashes={rows.image_id: _hashes(rows) for rows in found},
        failures=(*failures, *misfits),
        gone=frozenset(gone),
    )


def check_version(indexer: BaseIndexer) -> str:
    """The indexer's version.

    Raises:
        RowError: It is no text.
        IndexerFailedError: The indexer raised.
    """
    version: object = _own_failure(indexer.analysis_version, indexer.name, "")
    return check_text(version, ANALYSIS_VERSION, indexer=indexer.name, image_id="")


def declared_columns(indexer: BaseIndexer) -> pa.Schema | None:
    """The columns that the indexer declares; None if it declares none.

    Raises:
        RowError: They are no schema.
        IndexerFailedError: The indexer raised.
    """
    import pyarrow as pa

    if not isinstance(indexer, DeclaresColumns):
        return None
    declaring: DeclaresColumns = indexer
    declared: object = _own_failure(declaring.columns, indexer.name, "")
    if not isinstance(declared, pa.Schema):
        raise RowError(
            indexer=indexer.name,
            image_id="",
            column="",
            reason=f"columns() returned a {type(declared).__name__}; return a pyarrow.Schema",
        )
    return declared


def _extract(
    dataset: ZarrDataset, indexer: BaseIndexer, several: HashesRows | None, image_id: str
) -> ImageRows | None:
    """One image's rows; None where there are none."""
    name = indexer.name
    rec = _own_failure(lambda: dataset.record(image_id), name, image_id)
    returned: object = _own_failure(lambda: indexer.extract_rows(rec), name, image_id)
    frame = check_frame(returned, indexer=name, image_id=image_id)
    if not len(frame):
        return None
    if several is not None:
        hashes = _own_failure(lambda: frozenset(several.row_params_hashes(rec)), name, image_id)
        return ImageRows(image_id=image_id, params_hash=None, row_hashes=hashes, frame=frame)
    digest: object = _own_failure(lambda: indexer.params_hash(rec), name, image_id)
    return ImageRows(
        image_id=image_id,
        params_hash=check_text(digest, PARAMS_HASH, indexer=name, image_id=image_id),
        row_hashes=frozenset(),
        frame=frame,
    )


def _hashes(rows: ImageRows) -> frozenset[str]:
    if rows.params_hash is not None:
        return frozenset({rows.params_hash})
    return rows.row_hashes.intersection(rows.frame.get(PARAMS_HASH, ()))


def _own_failure(call: Callable[[], T], indexer: str, image_id: str) -> T:
    """Call an indexer's code: whatever it raises is this image's failure, and no other's."""
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
