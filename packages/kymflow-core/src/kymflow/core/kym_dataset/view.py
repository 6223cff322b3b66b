"""Tables for people: names first, in the order in which people count, provenance last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kymflow.core.image_facts import EXPERIMENT_FIELDS, FACTS
from kymflow.core.kym_dataset.facts import facts_by_image
from kymflow.core.kym_dataset.table_names import indexer_names, table_name
from kymflow.core.provenance import ANALYSIS_VERSION, IMAGE_ID, PARAMS_HASH, PROVENANCE_COLUMNS
from kymflow_zarr.natural_order import file_key, natural_key

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from kymflow_zarr import ZarrDataset


_LAST: Final = ("region_hash", *PROVENANCE_COLUMNS)
_WITHIN_IMAGE: Final = ("label", "channel", "roi_id")
_IMAGES: Final = "images"
_IMAGES_AT_ONCE: Final = 64
"""To begin with, where just the first rows of a table are wanted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageNames:
    """What people call images: their files, and what is known of them.

    Attributes:
        frame: One row per image, in the order of folders and files, 2 before 10: ``file``,
            ``folder``, ``acquired``, the fields of the experiment that any image has, and
            ``image_id``.
    """

    frame: pd.DataFrame

    def join(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows with the names of their images first, in their order, provenance last.

        Rows of other images are left out. A name that is a column of the rows, too, is
        ``<name>_of_image``.
        """
        import pandas as pd

        order, images = self._order(rows[self._keys(list(rows.columns))])
        names = self._renamed(list(rows.columns)).iloc[images].reset_index(drop=True)
        both = pd.concat([names, rows.iloc[order].reset_index(drop=True)], axis="columns")
        return both[_provenance_last(list(both.columns))]

    def join_arrow(self, rows: pa.Table) -> pa.Table:
        """`join` for an Arrow table."""
        import pyarrow as pa

        order, images = self._order(rows.select(self._keys(rows.column_names)).to_pandas())
        names = pa.Table.from_pandas(self._renamed(rows.column_names), preserve_index=False)
        names, both = names.replace_schema_metadata(None).take(images), rows.take(order)
        shown = _provenance_last([*names.column_names, *both.column_names])
        for field in names.schema:  # for the table of images there are none
            both = both.append_column(field, names[field.name])
        return both.select(shown)

    def load_arrow(
        self,
        dataset: ZarrDataset,
        table: str,
        *,
        columns: Sequence[str] = (),
        image_ids: Iterable[str] | None = None,
        rows: int | None = None,
    ) -> pa.Table:
        """Load a table of any size, and join it.

        Args:
            dataset: The dataset.
            table: The table.
            columns: Just these; all if empty.
            image_ids: Just the rows of these images; all if None.
            rows: Just the first of them: others need not be read.

        Raises:
            TableNotFoundError: There is no such table.
        """
        import pyarrow as pa

        schema = dataset.table_schema(table)
        stored = () if schema is None else schema.names
        kept = {*columns, IMAGE_ID, *_WITHIN_IMAGE, *self.frame.columns}
        needed = [name for name in stored if name in kept] if columns else None
        ids = self.frame[IMAGE_ID].tolist() if image_ids is None else list(image_ids)
        read_all = rows is None and image_ids is None
        at_once = len(ids) if rows is None else _IMAGES_AT_ONCE
        parts: list[pa.Table] = []
        start = 0
        while start == 0 or (start < len(ids) and sum(map(len, parts)) < (rows or 0)):
            some = None if read_all else ids[start : start + at_once]
            part = dataset.load_arrow_table(table, columns=needed, image_ids=some)
            parts.append(self.join_arrow(part))
            start += at_once or 1
            at_once *= 2
        joined = pa.concat_tables(parts).slice(0, rows)
        return joined.select(list(columns)) if columns else joined

    @staticmethod
    def _keys(columns: Sequence[str]) -> list[str]:
        return [IMAGE_ID, *(name for name in _WITHIN_IMAGE if name in columns)]

    def _order(self, keys: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which rows to take, and for each its image's place in `frame`; ``(rows,)``."""
        places = {image_id: place for place, image_id in enumerate(self.frame[IMAGE_ID])}
        keys = keys.reset_index(drop=True).assign(image=keys[IMAGE_ID].map(places).to_numpy())
        known = keys[keys["image"].notna()]
        by = ["image", *(name for name in _WITHIN_IMAGE if name in known.columns)]
        ordered = known.sort_values(by, kind="stable")
        return ordered.index.to_numpy(np.int64), ordered["image"].to_numpy(np.int64)

    def _renamed(self, columns: Sequence[str]) -> pd.DataFrame:
        """`frame` without the ids, beside other columns."""
        names = self.frame.drop(columns=IMAGE_ID)
        return names.rename(columns={n: f"{n}_of_image" for n in names.columns if n in columns})


def image_names(dataset: ZarrDataset, indexer_name: str, *, excluded: bool) -> ImageNames:
    """`KymDataset.image_names`."""
    images = _in_natural_order(facts_by_image(dataset))
    if indexer_name == _IMAGES:  # that table has all names already
        return ImageNames(frame=images[[IMAGE_ID]])
    if not excluded:
        images = images[~images["excluded"].fillna(False)]
    fields = [name for name in images.columns if name in EXPERIMENT_FIELDS or name not in FACTS]
    said = [name for name in fields if name == IMAGE_ID or images[name].notna().any()]
    return ImageNames(frame=images[["file", "folder", "acquired", *said]])


def dataset_view(dataset: ZarrDataset) -> pd.DataFrame:
    """`KymDataset.view`."""
    frame = facts_by_image(dataset)
    digests = frame["pixels_digest"]
    frame["copies"] = digests.map(digests.value_counts()).astype("Int64") - 1
    for name in indexer_names(dataset.list_table_names()):
        table = table_name(name)
        rows = dataset.load_table(table, columns=[IMAGE_ID])[IMAGE_ID].value_counts()
        frame[table] = frame[IMAGE_ID].map(rows).fillna(0).astype("int64")
    return _in_natural_order(frame)


def joined_table(dataset: ZarrDataset, indexer_name: str, *, excluded: bool) -> pd.DataFrame:
    """`KymDataset.joined`."""
    table = dataset.load_table(table_name(indexer_name))
    return image_names(dataset, indexer_name, excluded=excluded).join(table)


def velocity_view(dataset: ZarrDataset, *, label: str, excluded: bool) -> pd.DataFrame:
    """`KymDataset.velocities`."""
    table = joined_table(dataset, "velocity", excluded=excluded)
    if "label" in table.columns:  # a table that version 0.1 made has none
        table = table[table["label"] == label]
    # The hash covers the borders of a region, but not the number of its ROI.
    once = table.drop_duplicates([IMAGE_ID, ANALYSIS_VERSION, PARAMS_HASH])
    return once.reset_index(drop=True)


def _in_natural_order(images: pd.DataFrame) -> pd.DataFrame:
    """Images by folder and file, columns of provenance last."""
    keys = images[[]].assign(
        folder=_ranks(images["folder"], natural_key), file=_ranks(images["file"], file_key)
    )
    order = keys.sort_values(["folder", "file"], kind="stable").index
    return images.loc[order][_provenance_last(list(images.columns))].reset_index(drop=True)


def _provenance_last(columns: Sequence[str]) -> list[str]:
    last = [name for name in _LAST if name in columns]
    return [*(name for name in columns if name not in last), *last]


def _ranks(names: pd.Series[str], key: Callable[[str], Any]) -> pd.Series[float]:
    """For each name its place in the order of a key."""
    ordered = sorted(names.dropna().unique(), key=key)
    return names.map({name: float(rank) for rank, name in enumerate(ordered)})
