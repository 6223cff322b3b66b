"""The state of images, results and tables: what `status` shows and `update` works on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kymflow.cli.source_names import file_order, short_names, with_scene

if TYPE_CHECKING:
    from kymflow.core import BaseIndexer
    from kymflow.core.analysis import ImageState
    from kymflow_zarr import ZarrDataset


_FACTS: Final = (
    "folder",
    "scene",
    "excluded",
    "exclusion_reason",
    "axes",
    "seconds_per_line",
    "um_per_pixel",
    "marks",
    "pixels_digest",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownImage:
    """What is known of an image without its results.

    Attributes:
        source: The file that it was made of; None if there is none.
        scene: Which of the file's images it is; empty if the file is one image.
        folder: The folder of that file; empty for none.
        excluded: Why a person excluded it; None if it is not excluded.
        calibration: Whether line period and pixel size are known, by their names; empty for what is
            no kymograph.
        marks: How many intervals people marked in it.
        digest: The checksum of its pixels; empty if there is none.
    """

    source: str | None
    scene: str
    folder: str
    excluded: str | None
    calibration: Mapping[str, bool]
    marks: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """How a dataset stands.

    Attributes:
        images: Its images.
        states: For each analysis that was run here, and each of its labels: how each image's
            results stand, those of excluded images apart. An analysis comes after those that it
            builds on.
        outdated: For each indexer, the images whose rows have to be recomputed.
        never_run: Analyses that are installed and were never run here, those first that most others
            build on.
    """

    images: Mapping[str, KnownImage]
    states: Mapping[tuple[str, str], Mapping[str, ImageState]]
    outdated: Mapping[str, frozenset[str]]
    never_run: tuple[str, ...]

    @property
    def names(self) -> dict[str, str]:
        """What the images are called, by id: the shortest ends of paths that are unique."""
        names = short_names(image.source for image in self.images.values())
        return {
            image_id: with_scene(names[image.source], image.scene)
            for image_id, image in self.images.items()
            if image.source is not None
        }

    def in_order(self, image_ids: Iterable[str]) -> list[str]:
        """Images in the order of their folders and files, 2 before 10; those of no file come last.

        Args:
            image_ids: Some of the images.
        """

        def place(image_id: str) -> tuple[object, ...]:
            image = self.images[image_id]
            return file_order(image.source, image.scene), image_id

        return sorted(image_ids, key=place)


def survey(dataset: ZarrDataset) -> Survey:
    """Look at all of a dataset."""
    from kymflow.core import KymDataset
    from kymflow.core.analysis import survey_images, used_labels
    from kymflow.core.plugins import load_analyses

    analyses = load_analyses()
    # Once for all questions, as this looks at each image.
    stamps = dataset.artifact_stamps(dataset.list_image_ids())
    labels = used_labels(dataset, analyses, stamps=stamps)
    images = dict(_images(dataset, stamps))
    included = [image_id for image_id, image in images.items() if image.excluded is None]
    return Survey(
        images=images,
        states={
            (name, label): survey_images(
                dataset, analyses[name], included, label=label, stamps=stamps
            )
            for name in labels
            for label in labels[name]
        },
        outdated={
            indexer.name: KymDataset(dataset).outdated_images(indexer, stamps=stamps)
            for indexer in _kept_indexers(dataset, labels, images)
        }
        if images
        else {},
        never_run=tuple(name for name in analyses if name not in labels),
    )


def count_outdated(dataset: ZarrDataset, indexer_name: str) -> int:
    """Of how many images a table has rows that are not up to date, or lacks some.

    Args:
        dataset: The dataset.
        indexer_name: What makes the table; nothing is known of one that is not installed.

    Returns:
        Their number; 0 in a store that does not tell what has changed.
    """
    from kymflow.core import KymDataset
    from kymflow.core.plugins import load_indexers

    indexer = load_indexers().get(indexer_name)
    stamps = dataset.artifact_stamps(dataset.list_image_ids())
    if indexer is None or not all(stamps.values()):
        return 0
    return len(KymDataset(dataset).outdated_images(indexer, stamps=stamps))


def kept_indexers(dataset: ZarrDataset) -> list[BaseIndexer]:
    """The indexers whose tables a dataset keeps: all but those that have nothing to show here.

    A table of an analysis that never ran is kept if it was made, or has intervals that people
    marked.
    """
    from kymflow.core.analysis import used_labels
    from kymflow.core.plugins import load_analyses

    stamps = dataset.artifact_stamps(dataset.list_image_ids())
    labels = used_labels(dataset, load_analyses(), stamps=stamps)
    return _kept_indexers(dataset, labels, dict(_images(dataset, stamps)))


def _kept_indexers(
    dataset: ZarrDataset, used: Mapping[str, object], images: Mapping[str, KnownImage]
) -> list[BaseIndexer]:
    from kymflow.core.indexers import AnalysisTable
    from kymflow.core.plugins import load_indexers

    is_marked = any(image.marks for image in images.values())

    def is_kept(indexer: BaseIndexer) -> bool:
        if not isinstance(indexer, AnalysisTable) or indexer.analysis.name in used:
            return True
        if is_marked and indexer.analysis.table(indexer.table).marks:
            return True
        return dataset.table_schema(f"kym_{indexer.name}") is not None

    return [indexer for indexer in load_indexers().values() if is_kept(indexer)]


def _images(dataset: ZarrDataset, stamps: Mapping[str, str]) -> Iterator[tuple[str, KnownImage]]:
    from kymflow.core import KymDataset

    rows = dataset.sources.load_arrow().select(["image_id", "source_primary_path"]).to_pydict()
    sources = dict(zip(*rows.values(), strict=True))
    found = KymDataset(dataset).image_facts(columns=_FACTS, stamps=stamps)
    for image_id, facts in found.items():
        yield (
            image_id,
            KnownImage(
                source=sources.get(image_id),
                scene=_text(facts.get("scene")),
                folder=_text(facts.get("folder")),
                excluded=_text(facts.get("exclusion_reason")) if facts.get("excluded") else None,
                calibration=_calibration(facts),
                marks=int(str(facts.get("marks", 0))),
                digest=_text(facts.get("pixels_digest")),
            ),
        )


def _calibration(facts: Mapping[str, object]) -> dict[str, bool]:
    axes = set(_text(facts.get("axes")).split(",")) - {"c", "z"}
    if len(axes) != 2:
        return {}
    return {"line period": "seconds_per_line" in facts, "pixel size": "um_per_pixel" in facts}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
