"""Say that the results of images are not good."""

from __future__ import annotations

from kymflow.cli.decided import DecisionResult, Where, decide

__all__ = ["reject"]


def reject(dataset: str, /, *images: str, reason: str, where: Where = None) -> DecisionResult:
    """Say that the results of images are not good.

    The table kym_images has it in its column verdict. To keep images out of tables, exclude them.

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
        "reject",
        dataset,
        images,
        where,
        lambda record, step: decisions.reject(record, reason, step=step),
    )
