"""What people say of whole images: whether they take part, how good they are, and notes."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from cyclopts import Parameter

from kymflow.cli.decided import Dataset, DecisionResult, Images, Where, decide

Reason: TypeAlias = Annotated[str, Parameter(help="Why.")]
Text: TypeAlias = Annotated[str, Parameter(help="The note.")]


def exclude(
    dataset: Dataset, /, *images: Images, reason: Reason, where: Where = None
) -> DecisionResult:
    """Keep images out of tables.

    They stay in the dataset with all their results; kymflow include undoes this. Tables
    change with the next kymflow update.
    """
    from kymflow.core.decisions import exclude

    return decide("exclude", dataset, images, where, lambda r, step: exclude(r, reason, step=step))


def include(dataset: Dataset, /, *images: Images, where: Where = None) -> DecisionResult:
    """Include excluded images again.

    They have rows again after the next kymflow update.
    """
    from kymflow.core.decisions import include

    return decide("include", dataset, images, where, lambda r, step: include(r, step=step))


def accept(
    dataset: Dataset, /, *images: Images, reason: Reason = "", where: Where = None
) -> DecisionResult:
    """Say that the results of images are good.

    The table kym_images has it in its column verdict.
    """
    from kymflow.core.decisions import accept

    return decide("accept", dataset, images, where, lambda r, step: accept(r, reason, step=step))


def reject(
    dataset: Dataset, /, *images: Images, reason: Reason, where: Where = None
) -> DecisionResult:
    """Say that the results of images are not good.

    The table kym_images has it in its column verdict. To keep images out of tables, exclude them.
    """
    from kymflow.core.decisions import reject

    return decide("reject", dataset, images, where, lambda r, step: reject(r, reason, step=step))


def note(dataset: Dataset, /, *images: Images, text: Text, where: Where = None) -> DecisionResult:
    """Add a note to images.

    The table kym_images has all notes in its column notes.
    """
    from kymflow.core.decisions import add_note

    return decide("note", dataset, images, where, lambda r, step: add_note(r, text, step=step))
