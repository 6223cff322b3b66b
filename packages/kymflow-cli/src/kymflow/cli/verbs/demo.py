"""Make a few synthetic kymographs, and go the whole way with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kymflow.cli.options import ProgressParam
from kymflow.cli.progress import SILENT
from kymflow.cli.results import DemoResult, Row
from kymflow.cli.verbs.index import index
from kymflow.cli.verbs.ingest import ingest
from kymflow.cli.verbs.ls import ls
from kymflow.cli.verbs.table import table

if TYPE_CHECKING:
    from kymflow.cli.demo_images import Scene

__all__ = ["demo"]

_TABLE = "kym_image_summary"
_COLUMNS = ("image_id", "shape", "mean", "std", "p01", "p99", "saturated_fraction")


def demo(folder: Path = Path("kymflow-demo"), /, *, progress: ProgressParam = SILENT) -> DemoResult:
    """Make a small dataset of synthetic kymographs to try things on.

    The kymographs are written as TIFF files, taken into a dataset, and indexed.

    Args:
        folder: Where to put it all. A second run there takes in nothing new.
        progress: Who is told how it goes.

    Returns:
        Where everything lies, and the table.

    Raises:
        OSError: The folder cannot be written to.
    """
    from kymflow.cli.demo_images import DEMO_SCENES

    images = folder / "tiffs"
    dataset = str(folder / "demo.zarr")
    images.mkdir(parents=True, exist_ok=True)
    progress.begin("making kymographs", len(DEMO_SCENES))
    for scene in DEMO_SCENES:
        _write_tiff(images / f"{scene.name}.tif", scene)
        progress.step()
    progress.begin("taking in and indexing", None)
    taken_in = ingest(images, dataset, pattern=tuple(f"{scene.name}.tif" for scene in DEMO_SCENES))
    index(dataset, "image_summary", workers=1)
    return _show(folder, dataset, images, taken_in=len(taken_in.items))


def _write_tiff(path: Path, scene: Scene) -> None:
    """Write a scene as an ImageJ TIFF that tells its calibration; one that is there stays."""
    import tifffile

    from kymflow.cli.demo_images import LINE_INTERVAL_S, PIXEL_SIZE_UM, synthesize

    if path.exists():
        return
    unfinished = path.with_suffix(".part")
    tifffile.imwrite(
        unfinished,
        synthesize(scene),
        imagej=True,
        resolution=(1 / PIXEL_SIZE_UM, 1.0),
        metadata={
            "axes": "YX",
            "unit": "um",
            "finterval": LINE_INTERVAL_S,
            # ImageJ has no name for an image whose lines are moments.
            "kymflow_axes": "t,x",
        },
    )
    unfinished.replace(path)


def _show(folder: Path, dataset: str, images: Path, *, taken_in: int) -> DemoResult:
    names = {item.image_id: Path(item.source).stem for item in ls(dataset).items if item.source}
    shown = table(dataset, _TABLE, columns=_COLUMNS)
    rows = [
        Row(row={"kymograph": names[str(item.row["image_id"])], **item.row})
        for item in shown.items
        if isinstance(item, Row)
    ]
    return DemoResult(
        folder=str(folder),
        dataset=dataset,
        images_folder=str(images),
        taken_in=taken_in,
        images=len(names),
        table=_TABLE,
        columns=("kymograph", *_COLUMNS),
        items=tuple(sorted(rows, key=lambda row: str(row.row["kymograph"]))),
    )
