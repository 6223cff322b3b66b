"""What an analysis is: it computes from the pixels of one record and keeps the results there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from kymflow_zarr import ZarrImageRecord

__all__ = ["BaseAnalysis", "TellsIfSkipped"]


@runtime_checkable
class BaseAnalysis(Protocol):
    """Computes from one image and writes artifacts of it: ``<name>/params``, results beside it.

    What decides the result (parameters, geometry, calibration, the digest of the pixels) is the
    JSON artifact ``<name>/params``; an indexer over the results hashes that document, so that
    `KymDataset.params_for` finds it again. Parameters are given where the object is made.
    """

    @property
    def name(self) -> str:
        """The folder of its artifacts. A plain attribute will do."""
        ...

    def run(self, rec: ZarrImageRecord) -> object:
        """Compute and write the results of one image, replacing those there are.

        Args:
            rec: The image, writable.

        Returns:
            Anything, or nothing. A value that `TellsIfSkipped` is asked whether the image was left
            alone.
        """
        ...

    def analysis_version(self) -> str:
        """The version of the computation."""
        ...


@runtime_checkable
class TellsIfSkipped(Protocol):
    """What a run may return: it says whether there was anything to compute."""

    @property
    def skipped(self) -> bool:
        """Whether the image had all results already, and was left alone."""
        ...
