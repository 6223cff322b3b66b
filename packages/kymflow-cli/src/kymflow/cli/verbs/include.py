"""Take excluded images back in."""

from __future__ import annotations

from kymflow.cli.decided import DecisionResult, Where, decide

__all__ = ["include"]


def include(dataset: str, /, *images: str, where: Where = None) -> DecisionResult:
    """Take excluded images back in.

    They have rows again after the next kymflow index.

    Args:
        dataset: Path or URL of the dataset.
        images: The images: ids, the first characters of them, or their source files.
        where: Choose images by a condition in SQL, such as "folder LIKE '%day1%'".

    Returns:
        The images.

    Raises:
        UnknownNameError: No image is chosen, or one does not exist.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow.core import decisions

    return decide(
        "include",
        dataset,
        images,
        where,
        lambda record, step: decisions.include(record, step=step),
    )
