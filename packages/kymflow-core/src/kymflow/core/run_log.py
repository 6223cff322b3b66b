"""The log of a dataset: one row for each run of an analysis or an indexer.

It is the table ``run_log``: who ran what, when, with which parameters and versions, and how many
images it did. Rows are only ever added.
"""

from __future__ import annotations

import json
import secrets
import shlex
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from kymflow.core.provenance import canonical_json, login_name
from kymflow_zarr import RowUpdate, TableNotFoundError, ZarrDataset

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["RUN_LOG", "Run", "load_run_log", "log_run", "now"]

RUN_LOG: Final = "run_log"

_DISTRIBUTIONS: Final = ("kymflow-core", "kymflow-zarr")
_RUN_ID: Final = "run_id"
_COLUMNS: Final = (
    *(_RUN_ID, "started_utc", "finished_utc", "user", "host", "command"),
    *("action", "name", "version", "software", "label", "params", "counts"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that is over.

    Attributes:
        action: What was run.
        name: The analysis or the indexer.
        version: Its version.
        started: When it began, UTC.
        label: The label of the results; "" for none.
        params: The parameters of an analysis, as JSON.
        counts: How many images it did, by what became of them.
    """

    action: Literal["analyze", "index"]
    name: str
    version: str
    started: datetime
    label: str = ""
    params: Mapping[str, object] | None = None
    counts: Mapping[str, int]


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def log_run(dataset: ZarrDataset, run: Run) -> None:
    """Add a row to the log.

    Raises:
        LockedError: Another writer is at work.
    """
    import pyarrow as pa

    # Rows are sorted by it: by time, and unique even so.
    run_id = f"{run.started:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"
    row = {
        _RUN_ID: run_id,
        "started_utc": run.started,
        "finished_utc": now(),
        "user": login_name(),
        "host": socket.gethostname(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "action": run.action,
        "name": run.name,
        "version": run.version,
        "software": ", ".join(f"{name} {version(name)}" for name in _DISTRIBUTIONS),
        "label": run.label,
        "params": None if run.params is None else canonical_json(run.params).decode("utf-8"),
        "counts": json.dumps(dict(run.counts)),
    }
    schema = _schema()
    update = RowUpdate(
        image_ids=frozenset({run_id}), rows=pa.Table.from_pylist([row], schema=schema)
    )
    dataset.replace_rows(RUN_LOG, [update], schema=schema, image_id_col=_RUN_ID)


def load_run_log(dataset: ZarrDataset) -> pd.DataFrame:
    """The log, oldest run first.

    Returns:
        Columns ``run_id``, ``started_utc``, ``finished_utc``, ``user``, ``host``, ``command``,
        ``action`` (``analyze`` or ``index``), ``name`` and ``version`` of the analysis or indexer,
        ``software``, ``label``, ``params`` (JSON; null for indexers), ``counts`` (JSON).
    """
    try:
        return dataset.load_table(RUN_LOG)
    except TableNotFoundError:
        empty: pd.DataFrame = _schema().empty_table().to_pandas()
        return empty


def _schema() -> pa.Schema:
    import pyarrow as pa

    schema: dict[str, pa.DataType] = dict.fromkeys(_COLUMNS, pa.string())
    schema |= dict.fromkeys(("started_utc", "finished_utc"), pa.timestamp("us", tz="UTC"))
    return pa.schema(schema)
