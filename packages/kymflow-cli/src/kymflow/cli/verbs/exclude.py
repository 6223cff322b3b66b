"""Keep images out of tables."""

from __future__ import annotations

from kymflow.cli.decided import DecisionResult, Where, decide

__all__ = ["exclude"]


def exclude(dataset: str, /, *images: str, reason: str, where: Where = None) -> DecisionResult:
    """Keep images out of tables.

    They stay in the dataset with all their results; kymflow include takes them back in. Tables
    change with the next kymflow index.

    Args:
        dataset: Path or URL of the dataset.
        images: The images: ids, the first characters of them, or their source files.
        reason: Why.
        where: Choose images by a condition in SQL, such as "folder LIKE '%day1%'".

    Returns:
        The images.

    Raises:
        UnknownNameError: No image is chosen, or one does not exist.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow.core import decisions

    return decide(
        "exclude",
        dataset,
        images,
        where,
        lambda record, step: decisions.exclude(record, reason, step=step),
    )
