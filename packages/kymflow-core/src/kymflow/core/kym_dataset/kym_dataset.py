"""`KymDataset`: analyses of a dataset's images, and one traceable table per indexer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kymflow.core.analysis.definition import Analysis
from kymflow.core.analysis.params import make_params
from kymflow.core.analysis.run import AnalysisOutcome, run_analysis
from kymflow.core.decisions import add_region, new_act_id
from kymflow.core.kym_dataset.facts import load_facts
from kymflow.core.kym_dataset.indexer_base import BaseIndexer
from kymflow.core.kym_dataset.notebook import summary_html
from kymflow.core.kym_dataset.order import run_order
from kymflow.core.kym_dataset.params import documented_params, find_params
from kymflow.core.kym_dataset.results import IndexUpdate
from kymflow.core.kym_dataset.table_names import TABLE_PREFIX, indexer_names, table_name
from kymflow.core.kym_dataset.update import BATCH_SIZE, Mode, OnError, outdated_images, update_table
from kymflow.core.kym_dataset.view import (
    ImageNames,
    dataset_view,
    image_names,
    joined_table,
    velocity_view,
)
from kymflow.core.run_log import load_run_log
from kymflow_zarr import ZarrDataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    import pandas as pd

    from kymflow.core.batches import ProgressCallback
    from kymflow.core.metadata import Roi
    from kymflow.core.provenance import Params
    from kymflow_zarr import ZarrImageRecord


class KymDataset:
    """A dataset of kymographs: run analyses on them, and gather results into tables.

    ``len()`` is the number of images, ``kymographs["velocity"]`` the table ``kym_velocity``.

    Args:
        ds: The dataset. Opened with ``mode="r"``, results and tables can only be read.

    Attributes:
        ds: The dataset.
    """

    def __init__(self, ds: ZarrDataset) -> None:
        self.ds = ds

    def __repr__(self) -> str:
        return f"KymDataset({self.ds!r})"

    def _repr_html_(self) -> str:
        return summary_html(self.ds)

    def __len__(self) -> int:
        return len(self.ds.list_image_ids())

    def __getitem__(self, indexer_name: str) -> pd.DataFrame:
        return self.load_index(indexer_name)

    def record(self, name: str) -> ZarrImageRecord:
        """Open an image by its id, or the end of the path of its file; see `ZarrDataset.find`."""
        return self.ds.find(name)

    def add_regions(
        self,
        names: Iterable[str],
        *,
        pixels: tuple[int, int] | None = None,
        um: tuple[float, float] | None = None,
        name: str = "",
    ) -> dict[str, Roi]:
        """Add a region with the same borders to several images, in one step of `undo`.

        Args:
            names: The images, as for `record`.
            pixels: First pixel along the line, and one past the last.
            um: The same in µm from the beginning of the line.
            name: What people call it.

        Returns:
            For each image its region. See `kymflow.core.decisions.add_region`.

        Raises:
            DecisionError, RoiError: The region does not fit an image; those before it have it.
        """
        step = new_act_id()
        records = [self.record(each) for each in names]
        return {
            record.image_id: add_region(record, pixels=pixels, um=um, name=name, step=step)
            for record in records
        }

    # --- analyses -----------------------------------------------------------------------------

    def run(
        self,
        analysis: str | Analysis[Any],
        *,
        label: str = "",
        image_ids: Sequence[str] | None = None,
        recompute: bool = False,
        overwrite: bool = False,
        executor: Executor | None = None,
        progress: ProgressCallback | None = None,
        **params: object,
    ) -> list[AnalysisOutcome]:
        """Run an analysis on all images whose results are not current.

        Args:
            analysis: The analysis, or the name of an installed one.
            label: A name for these results, so that several sets of parameters can be compared.
            image_ids: The images; all if None.
            recompute: Compute current results again, too.
            overwrite: Whether results of other parameters under the same label may be replaced.
            executor: Threads, processes or a cluster; this thread if None.
            progress: Called with images done and total.
            params: Parameters by name; the defaults for the rest.

        Returns:
            What became of each image. One that failed has an ``error``, and stopped no other.

        Raises:
            UnknownKeyError: There is no analysis of this name.
            AnalysisParameterError: It has no such parameter, or not with this value.
            OtherParametersError: There are results of other parameters under this label.
            ReadOnlyError: The dataset was opened with ``mode="r"``.
            WorkerError: The executor could not do the work.
        """
        chosen = _installed_analysis(analysis) if isinstance(analysis, str) else analysis
        outcomes = run_analysis(
            self.ds,
            chosen,
            params=make_params(chosen.params, params),
            label=label,
            image_ids=image_ids,
            recompute=recompute,
            overwrite=overwrite,
            executor=executor,
        )
        total = len(self) if image_ids is None else len(image_ids)
        done: list[AnalysisOutcome] = []
        for outcome in outcomes:
            done.append(outcome)
            if progress is not None:
                progress(len(done), total)
        return done

    def log(self) -> pd.DataFrame:
        """Every run of an analysis or indexer on this dataset, see `load_run_log`."""
        return load_run_log(self.ds)

    # --- tables -------------------------------------------------------------------------------

    def list_indexes(self) -> list[str]:
        """The names of the indexers that have a table here, sorted."""
        return indexer_names(self.ds.list_table_names())

    def load_index(self, indexer_name: str) -> pd.DataFrame:
        """The table of an indexer.

        Raises:
            TableNameError: No indexer can have this name.
            TableNotFoundError: It has no table yet.
        """
        return self.ds.load_table(table_name(indexer_name))

    def params_for(
        self, table: str, params_hash: str, *, indexer: BaseIndexer | None = None
    ) -> Params:
        """The parameters that made a row: the JSON document that its hash stands for.

        It is looked for in the records that have such rows, among their JSON artifacts, and known
        by its hash. What an indexer computes from the record instead (`DocumentedIndexer`) is
        asked of that indexer.

        Args:
            table: The table, ``kym_<name>``, or the name of its indexer.
            params_hash: The hash in the row.
            indexer: The table's indexer; looked up by name among those installed, if None.

        Raises:
            TableNotFoundError: There is no such table.
            ParamsNotFoundError: No row has this hash, or its parameters are no longer there: then
                the row is stale.
        """
        name = table.removeprefix(TABLE_PREFIX)
        return find_params(
            self.ds.as_read_only(),
            table_name(name),
            params_hash,
            source=documented_params(indexer or _installed_indexer(name)),
        )

    def image_facts(
        self,
        *,
        columns: Sequence[str] | None = None,
        stamps: Mapping[str, str] | None = None,
    ) -> dict[str, Mapping[str, object]]:
        """What is known of each image, by id. No pixel is read.

        Args:
            columns: Columns of the table ``kym_images`` that are wanted, see `ImageTable`; all if
                None.
            stamps: `ZarrDataset.artifact_stamps` of all images, where they were just read.

        Returns:
            For each image at least what is known of these columns; a time is in whole nanoseconds.
        """
        return load_facts(self.ds, stamps, columns=columns)

    def view(self) -> pd.DataFrame:
        """One row per image, for people who look. No pixel is read.

        Returns:
            The columns of the table ``kym_images``, see `ImageTable`; ``copies``, how many other
            images have the same pixels; then for each table ``kym_<name>`` how many rows it has for
            the image, and last ``image_id``. Rows are in the order of folders and files, 2 before
            10. What is not known, or cannot be read, is missing.
        """
        return dataset_view(self.ds)

    def joined(self, indexer_name: str, *, excluded: bool = False) -> pd.DataFrame:
        """The table of an indexer for people: with the names of files and what is known of them.

        Args:
            indexer_name: The indexer.
            excluded: Whether rows of images that a person excluded are shown, if there are any.

        Returns:
            ``file``, ``folder``, ``acquired`` and the fields of the experiment that any image has,
            as in `view`; then the columns of the table, those of provenance last. A field that is
            called as a column of the table is ``<field>_of_image``.

        Raises:
            TableNameError: No indexer can have this name.
            TableNotFoundError: It has no table yet.
        """
        return joined_table(self.ds, indexer_name, excluded=excluded)

    def image_names(self, indexer_name: str, *, excluded: bool = False) -> ImageNames:
        """What `joined` puts before the rows of a table: for tables of any size, and for Arrow.

        Args:
            indexer_name: The indexer.
            excluded: As for `joined`.
        """
        return image_names(self.ds, indexer_name, excluded=excluded)

    def velocities(self, *, label: str = "", excluded: bool = False) -> pd.DataFrame:
        """`joined` for the table ``kym_velocity``, each vessel once.

        Args:
            label: The label of the results; "" for those without one.
            excluded: As for `joined`.

        Returns:
            As for `joined`. Of ROIs with the same borders, which have the same result, only the
            first has a row.

        Raises:
            TableNotFoundError: The table has not been made yet.
        """
        return velocity_view(self.ds, label=label, excluded=excluded)

    def update_index(
        self,
        indexer: BaseIndexer,
        *,
        mode: Mode = "replace",
        on_error: OnError = "raise",
        keep_excluded: bool = False,
        executor: Executor | None = None,
        batch_size: int = BATCH_SIZE,
        progress: ProgressCallback | None = None,
    ) -> IndexUpdate:
        """Run an indexer on images and publish their rows as ``kym_<indexer.name>``.

        The table changes in one step, at the end. Rows of images that no longer exist are removed.

        Args:
            indexer: What to run.
            mode: ``"replace"``: every image's rows are recomputed. ``"incremental"``: only those
                that may have changed since the last update, with the same table as a
                result: the indexer, artifacts of the image, the image's rows in tables that the
                indexer depends on, or in its own.
            on_error: ``"raise"``: the first image that fails ends the run, the old table stays.
                ``"collect"``: all others are published, what failed keeps its old rows, and one
                error at the end lists every failed image.
            keep_excluded: Whether images that a person excluded have rows, too.
            executor: Threads, processes or a cluster; workers in other processes open the dataset
                by its path or URL. None: this thread.
            batch_size: How many images are worked on, and held in memory, at a time.
            progress: Called with images done and total.

        Returns:
            What was done.

        Raises:
            TableNameError: The indexer's name breaks a rule, or no indexer made its table.
            TableSchemaError: The indexer declares other types than its table has.
            ImageIndexError: With ``on_error="raise"``: an image that failed.
            IndexUpdateError: With ``on_error="collect"``: all images that failed.
            WorkerError: The executor could not do the work. The old table stays.
            ReadOnlyError: The dataset was opened with ``mode="r"``.
        """
        return update_table(
            self.ds,
            indexer,
            mode=mode,
            on_error=on_error,
            keep_excluded=keep_excluded,
            executor=executor,
            batch_size=batch_size,
            progress=progress,
        )

    def outdated_images(
        self, indexer: BaseIndexer, *, stamps: Mapping[str, str] | None = None
    ) -> frozenset[str]:
        """The images whose rows ``update_index(indexer, mode="incremental")`` would compute.

        Images that were deleted and still have rows are among them. Where a store cannot tell when
        something was changed, as a Zarr store in memory, it is all images.

        Args:
            indexer: The indexer.
            stamps: As for `image_facts`.

        Raises:
            TableNameError: The indexer's name breaks a rule.
        """
        return outdated_images(self.ds, indexer, stamps)

    def update_indexes(
        self,
        indexers: Iterable[BaseIndexer],
        *,
        mode: Mode = "replace",
        on_error: OnError = "raise",
        keep_excluded: bool = False,
        executor: Executor | None = None,
        batch_size: int = BATCH_SIZE,
        progress: ProgressCallback | None = None,
    ) -> Iterator[IndexUpdate]:
        """`update_index` for several indexers, each after those that it depends on.

        Yields:
            What was done, as soon as each table is published.

        Raises:
            IndexerCycleError: Some depend on each other.
        """
        for indexer in run_order(indexers):
            yield self.update_index(
                indexer,
                mode=mode,
                on_error=on_error,
                keep_excluded=keep_excluded,
                executor=executor,
                batch_size=batch_size,
                progress=progress,
            )


def _installed_analysis(name: str) -> Analysis[Any]:
    # Imported here: plugins build on this package.
    from kymflow.core.plugins import load_analysis

    return load_analysis(name)


def _installed_indexer(name: str) -> BaseIndexer | None:
    # Imported here: plugins build on this package.
    from kymflow.core.plugins import find_indexers, load_indexer

    return load_indexer(name) if name in find_indexers() else None
