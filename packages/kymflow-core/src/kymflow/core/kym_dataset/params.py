"""From the hash in a row back to the parameters that it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kymflow.core.decisions.state import read_decisions
from kymflow.core.errors import ParamsNotFoundError, ParamsValueError
from kymflow.core.kym_dataset.indexer_base import DocumentedIndexer
from kymflow.core.provenance import IMAGE_ID, PARAMS_HASH, params_hash
from kymflow_zarr import ImageNotFoundError

if TYPE_CHECKING:
    from kymflow.core.provenance import Params
    from kymflow_zarr import ZarrDataset, ZarrImageRecord


def find_params(
    dataset: ZarrDataset, table: str, wanted: str, *, source: DocumentedIndexer | None
) -> Params:
    """The parameter document with a hash, from a record that has a row with it.

    A document is known by its hash, wherever it is: among the JSON artifacts of the record, those
    called ``params`` first; it is an interval that a person marked; or it is what an indexer says
    of the record.

    Args:
        dataset: The dataset, read-only.
        table: The table that the hash is from.
        wanted: The hash.
        source: The table's indexer, if it tells its parameters itself.

    Raises:
        TableNotFoundError: There is no such table.
        ParamsNotFoundError: No row has this hash, or the parameters have changed since.
    """
    asked = 0
    for image_id in _images_with(dataset, table, wanted):
        try:
            rec = dataset.record(image_id)
        except ImageNotFoundError:
            continue
        asked += 1
        document = record_params(rec, wanted, source)
        if document is not None:
            return document
    if not asked:
        raise ParamsNotFoundError(
            table, wanted, "no image has a row with this hash; take one from the table as it is now"
        )
    raise ParamsNotFoundError(
        table,
        wanted,
        f"none of the {asked} image(s) with such a row still has them; the rows are stale: "
        "update the index",
    )


def record_params(
    rec: ZarrImageRecord, wanted: str, source: DocumentedIndexer | None
) -> Params | None:
    """The document with a hash, of one record; None if it is not there."""
    for document in _documents(rec, source):
        if _has_hash(document, wanted):
            return document
        # An analysis of several regions keeps one document for each, under its hash.
        inner = document.get(wanted)
        if isinstance(inner, dict) and _has_hash(inner, wanted):
            return inner
    return None


def documented_params(indexer: object) -> DocumentedIndexer | None:
    """The indexer, if it tells its parameters itself."""
    return indexer if isinstance(indexer, DocumentedIndexer) else None


def _images_with(dataset: ZarrDataset, table: str, wanted: str) -> list[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = dataset.load_arrow_table(table, columns=[IMAGE_ID, PARAMS_HASH])
    found = rows.filter(pc.equal(rows[PARAMS_HASH], pa.scalar(wanted, pa.string())))
    return [str(image_id) for image_id in pc.unique(found[IMAGE_ID]).to_pylist()]


def _documents(rec: ZarrImageRecord, source: DocumentedIndexer | None) -> Iterator[Params]:
    if source is not None:
        yield source.params(rec)
    names = {found.name for found in rec.artifacts.entries() if found.kind == "json"}
    for name in sorted(names, key=lambda name: (not _is_params(name), name)):
        document = rec.load_json(name)
        if isinstance(document, dict):
            yield document
    for mark in read_decisions(rec).marks:
        yield mark.to_json()


def _is_params(name: str) -> bool:
    return name.rpartition("/")[2] == "params"


def _has_hash(document: Params, wanted: str) -> bool:
    try:
        return params_hash(document) == wanted
    except ParamsValueError:
        return False  # a result, not parameters: nothing that was ever hashed
