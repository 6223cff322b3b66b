"""Add a note to images."""

from __future__ import annotations

from kymflow.cli.decided import DecisionResult, Where, decide

__all__ = ["note"]


def note(dataset: str, /, *images: str, text: str, where: Where = None) -> DecisionResult:
    """Add a note to images.

    The table kym_images has all notes in its column notes.

    Args:
        dataset: Path or URL of the dataset.
        images: The images: ids, the first characters of them, or their source files.
        text: The note.
        where: Choose images by a condition in SQL, such as "folder LIKE '%day1%'".

    Returns:
        The images.

    Raises:
        UnknownNameError: No image is chosen, or one does not exist.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow.core import decisions

    return decide(
        "note",
        dataset,
        images,
        where,
        lambda record, step: decisions.add_note(record, text, step=step),
    )
