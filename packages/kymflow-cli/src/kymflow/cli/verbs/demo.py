"""Make a few synthetic kymographs, and go the whole way with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kymflow.cli.blocks import Block, Screen, cell_value, fact_blocks, remark, table_blocks
from kymflow.cli.options import IngestFlags, ProgressParam
from kymflow.cli.progress import SILENT
from kymflow.cli.results import DatasetResult
from kymflow.cli.safe_text import command
from kymflow.cli.verbs.analyze import analyze
from kymflow.cli.verbs.index import index
from kymflow.cli.verbs.ingest import ingest
from kymflow.cli.verbs.table import Row, table

if TYPE_CHECKING:
    from kymflow.cli.demo_images import Scene


def demo(folder: Path = Path("kymflow-demo"), /, *, progress: ProgressParam = SILENT) -> DemoResult:
    """Make a small dataset of synthetic kymographs to try things out.

    The kymographs are written as TIFF files, ingested into a dataset, and analyzed. The table shows
    the velocity that each was made with beside the one that was found.

    Args:
        folder: Where to put it all. A second run there ingests nothing new.
        progress: Shows how far the work is.

    Raises:
        OSError: The folder cannot be written to.
    """
    from kymflow.cli.demo_images import DEMO_ANALYSIS, DEMO_SCENES

    images = folder / "tiffs"
    dataset = str(folder / "demo.zarr")
    images.mkdir(parents=True, exist_ok=True)
    progress.begin("making kymographs", len(DEMO_SCENES))
    for scene in DEMO_SCENES:
        _write_tiff(images / f"{scene.name}.tif", scene)
        progress.step()
    progress.begin("ingesting, analyzing, indexing", None)
    files = IngestFlags(pattern=tuple(f"{scene.name}.tif" for scene in DEMO_SCENES))
    taken_in = ingest(images, dataset, options=files)
    analyze(dataset, DEMO_ANALYSIS, missing=True, workers=1)
    index(dataset, workers=1)
    return _show(folder, dataset, images, taken_in=len(taken_in.items))


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult(DatasetResult):
    """What the demo made.

    Attributes:
        folder: The folder of it all.
        images_folder: The folder with the TIFF files.
        taken_in: How many images were ingested by this run.
        images: How many images the dataset has.
        table: The table whose rows follow.
        columns: Its columns.
        items: Its rows.
    """

    verb: ClassVar[str] = "demo"
    folder: str
    images_folder: str
    taken_in: int
    images: int
    table: str
    columns: tuple[str, ...]
    items: Sequence[Row]

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        rows = [[cell_value(row.row[column]) for column in self.columns] for row in self.items]
        yield from table_blocks(self.columns, rows, screen)
        yield Block(lines=[""])
        yield from fact_blocks(
            {
                "dataset": self.dataset,
                "images": f"{self.images}, {self.taken_in} of them new, "
                f"made of the TIFF files in {self.images_folder}",
            }
        )
        yield remark(f"now look at it: {command('info', self.dataset)}")


def _write_tiff(path: Path, scene: Scene) -> None:
    """Write a scene as an ImageJ TIFF that tells its calibration; one that is there stays."""
    from kymflow.cli.demo_images import save_kymograph, synthesize

    if path.exists():
        return
    unfinished = path.with_suffix(".part")
    save_kymograph(unfinished, synthesize(scene))
    unfinished.replace(path)


def _show(folder: Path, dataset: str, images: Path, *, taken_in: int) -> DemoResult:
    from kymflow.cli.demo_images import DEMO_ANALYSIS, DEMO_COLUMNS, MADE_WITH

    name_of_table = f"kym_{DEMO_ANALYSIS}"
    columns = (*DEMO_COLUMNS, "image_id")
    shown = table(dataset, name_of_table, columns=("file", *columns))
    rows = []
    for item in shown.items:
        if isinstance(item, Row):
            values = dict(item.row)
            name = Path(str(values.pop("file"))).stem
            rows.append(
                Row(row={"kymograph": name, "made_with_mm_s": MADE_WITH.get(name), **values})
            )
    return DemoResult(
        folder=str(folder),
        dataset=dataset,
        images_folder=str(images),
        taken_in=taken_in,
        images=len(rows),
        table=name_of_table,
        columns=("kymograph", "made_with_mm_s", *columns),
        items=tuple(rows),
    )
