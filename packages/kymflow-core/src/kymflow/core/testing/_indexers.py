"""Does an indexer keep every rule?"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from kymflow.core.errors import ImageIndexError, TableNameError, TableSchemaError
from kymflow.core.kym_dataset.columns import fit_rows, known_columns
from kymflow.core.kym_dataset.extract import (
    BatchRows,
    check_version,
    declared_columns,
    extract_batch,
)
from kymflow.core.kym_dataset.indexer_base import BaseIndexer
from kymflow.core.kym_dataset.params import documented_params, record_params
from kymflow.core.kym_dataset.table_names import table_name
from kymflow_zarr import ZarrDataset

Rule: TypeAlias = Literal[
    "protocol", "name", "version", "rows", "types", "repeatable", "params", "pickle"
]

_HASH_LENGTH: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexerProblem:
    """A rule that an indexer breaks.

    Attributes:
        rule: Which one.
        image_id: For which image; "" if for all.
        message: What is wrong, ending with what to do.
    """

    rule: Rule
    image_id: str
    message: str


def check_indexer(indexer: object, dataset: ZarrDataset) -> list[IndexerProblem]:
    """Try an indexer on every image of a dataset; nothing is written.

    Args:
        indexer: What should be an indexer.
        dataset: Images to try it on.

    Returns:
        A problem for each rule that is broken and each image where it is; none if all is well.

        ``protocol``: it has the members of `BaseIndexer`. ``name``: it can name a table.
        ``version``: it is text. ``rows``: `BaseIndexer.extract_rows` neither fails nor writes, and
        its rows keep row discipline. ``types``: a column has one type over all images, the declared
        one if there is one. ``repeatable``: asked again, in another order, it says the same.
        ``params``: the hash is one of `kymflow.core.params_hash`, and its document can be found.
        ``pickle``: it can be sent to another process, and says the same there.
    """
    if isinstance(indexer, type) or not isinstance(indexer, BaseIndexer):
        message = (
            "it is not an indexer; make an object with name, extract_rows(), params_hash() and "
            "analysis_version()"
        )
        return [IndexerProblem(rule="protocol", image_id="", message=message)]
    try:
        table = table_name(indexer.name)
    except TableNameError as error:
        return [IndexerProblem(rule="name", image_id="", message=str(error))]
    try:
        steady = check_version(indexer) == check_version(indexer)
    except ImageIndexError as error:
        return [IndexerProblem(rule="version", image_id="", message=str(error))]
    if not steady:
        message = "analysis_version() changes from call to call; return a constant"
        return [IndexerProblem(rule="version", image_id="", message=message)]
    readable = dataset.as_read_only()
    first = {image_id: _rows(indexer, readable, image_id) for image_id in dataset.list_image_ids()}
    problems = [
        IndexerProblem(rule="rows", image_id=error.image_id, message=str(error))
        for batch in first.values()
        for error in batch.failures
    ]
    problems += _type_problems(indexer, table, first)
    problems += _repeat_problems(indexer, readable, first)
    problems += _params_problems(indexer, readable, first)
    problems += _pickle_problems(indexer, readable, first)
    return problems


def _rows(indexer: BaseIndexer, dataset: ZarrDataset, image_id: str) -> BatchRows:
    version = indexer.analysis_version()
    return extract_batch(dataset, indexer, version, True, (image_id,))


def _type_problems(
    indexer: BaseIndexer, table: str, rows: dict[str, BatchRows]
) -> Iterator[IndexerProblem]:
    try:
        columns = known_columns(table, stored=None, declared=declared_columns(indexer))
    except (TableSchemaError, ImageIndexError) as error:
        yield IndexerProblem(rule="types", image_id="", message=str(error))
        return
    for batch in rows.values():
        for part in batch.parts:
            _, columns, errors = fit_rows(part, columns, indexer=indexer.name)
            for misfit in errors:
                yield IndexerProblem(rule="types", image_id=misfit.image_id, message=str(misfit))


def _repeat_problems(
    indexer: BaseIndexer, dataset: ZarrDataset, first: dict[str, BatchRows]
) -> Iterator[IndexerProblem]:
    for image_id, batch in reversed(first.items()):
        if not _same(_rows(indexer, dataset, image_id), batch):
            message = (
                "called again, it returns other rows or another hash; they may depend only on "
                "the record and the parameters"
            )
            yield IndexerProblem(rule="repeatable", image_id=image_id, message=message)


def _params_problems(
    indexer: BaseIndexer, dataset: ZarrDataset, first: dict[str, BatchRows]
) -> Iterator[IndexerProblem]:
    for image_id, batch in first.items():
        for found in sorted(frozenset().union(*batch.params_hashes.values())):
            if len(found) != _HASH_LENGTH or set(found) - set("0123456789abcdef"):
                message = (
                    f"params_hash() returned {found!r}, which is not a SHA-256; return "
                    "kymflow.core.params_hash() of the parameter document"
                )
                yield IndexerProblem(rule="params", image_id=image_id, message=message)
            elif record_params(dataset.record(image_id), found, documented_params(indexer)) is None:
                message = (
                    "no document with this hash can be found; give the indexer a method "
                    "params(rec), or hash a JSON artifact of the record"
                )
                yield IndexerProblem(rule="params", image_id=image_id, message=message)


def _pickle_problems(
    indexer: BaseIndexer, dataset: ZarrDataset, first: dict[str, BatchRows]
) -> Iterator[IndexerProblem]:
    try:
        copy = pickle.loads(pickle.dumps(indexer))  # noqa: S301
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        message = (
            f"it cannot be sent to another process ({error}); define its class at the top level "
            "of a module, and keep no open files or locks in it"
        )
        yield IndexerProblem(rule="pickle", image_id="", message=message)
        return
    for image_id, batch in first.items():
        if not _same(_rows(copy, dataset, image_id), batch):
            message = "a copy of it says something else; keep all that decides rows in its fields"
            yield IndexerProblem(rule="pickle", image_id=image_id, message=message)


def _same(one: BatchRows, other: BatchRows) -> bool:
    return (
        one.params_hashes == other.params_hashes
        and len(one.parts) == len(other.parts)
        and all(a.equals(b) for a, b in zip(one.parts, other.parts, strict=True))
    )
