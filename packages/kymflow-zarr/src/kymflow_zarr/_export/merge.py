"""Adding rows of an exported table to a dataset's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kymflow_zarr._tables.replace import RowUpdate
from kymflow_zarr._tables.tables import IMAGE_ID, Tables, names_images
from kymflow_zarr.errors import SchemaValidationError

if TYPE_CHECKING:
    import pyarrow as pa


def merge_table(
    tables: Tables, name: str, rows: pa.Table, exported: Iterable[str], here: set[str]
) -> None:
    """Add a table's rows for images that have none in the dataset's table.

    Raises:
        SchemaValidationError: They do not fit the dataset's table.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    keyed = names_images(rows.schema)
    schema = tables.schema(name)
    if schema is None:
        if keyed:  # not those of images that could not be ingested
            gone = pa.array(sorted(set(exported) - here), pa.string())
            rows = rows.filter(pc.invert(pc.is_in(rows[IMAGE_ID], value_set=gone)))
        tables.save(name, rows)
        return
    if not keyed or IMAGE_ID not in schema.names:
        if not tables.load(name).equals(rows):
            raise SchemaValidationError(
                f"the dataset has another table {name!r}, and its rows name no images; "
                "rename or delete one of the two"
            )
        return
    candidates = sorted(here.intersection(exported))
    present = tables.load(name, columns=[IMAGE_ID], image_ids=candidates)
    missing = sorted(set(candidates).difference(present[IMAGE_ID].to_pylist()))
    fresh = rows.filter(pc.is_in(rows[IMAGE_ID], value_set=pa.array(missing, pa.string())))
    if len(fresh):
        update = RowUpdate(image_ids=frozenset(missing), rows=fresh)
        tables.replace_rows(
            name, [update], schema=rows.schema, keep_others=None, image_id_col=IMAGE_ID
        )
