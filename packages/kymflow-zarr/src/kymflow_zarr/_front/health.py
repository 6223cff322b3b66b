"""Whether a dataset is whole, and repairing what can be repaired."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kymflow_zarr._check.dataset import iter_problems
from kymflow_zarr._check.image import check_image
from kymflow_zarr._check.repair import repair
from kymflow_zarr._front.access import Access
from kymflow_zarr._problems import Problem, Repair, link_problem
from kymflow_zarr._progress import ProgressCallback, no_progress
from kymflow_zarr._records.document import image_folder
from kymflow_zarr._storage.names import check_segment
from kymflow_zarr.errors import ImageNotFoundError, SchemaValidationError


class Health:
    """The part of `ZarrDataset` that looks for damage."""

    _access: Access

    def check(self, *, deep: bool = False) -> list[Problem]:
        """Look for everything that is wrong; nothing is changed.

        Args:
            deep: Also read every chunk and Parquet page and compare its checksum.

        Returns:
            One `Problem` ``(location, kind, message)`` for each thing; none if all is well.
        """
        return list(self.iter_problems(deep=deep))

    def iter_problems(
        self, *, deep: bool = False, progress: ProgressCallback = no_progress
    ) -> Iterator[Problem]:
        """`check`, each problem as it is found.

        Args:
            deep: As for `check`.
            progress: Called with images done and total; tables come after them.
        """
        return iter_problems(self._access.blobs, deep=deep, progress=progress)

    def validate_image(self, image_id: str) -> None:
        """Refuse an image whose documents, chunks or artifacts break the format's rules.

        Raises:
            ImageNotFoundError: There is none with this id.
            SchemaValidationError: Something is wrong; the message lists it.
        """
        check_segment(image_id, kind="image")
        listing = self._access.blobs.list_folder(image_folder(image_id))
        if not (listing.files or listing.folders):
            raise ImageNotFoundError(image_id)
        links = map(link_problem, self._access.blobs.links(image_folder(image_id)))
        _refuse([*links, *check_image(self._access.blobs, image_id, deep=False)])

    def validate(self) -> None:
        """Refuse a dataset in which `check` finds anything but repairable problems.

        Raises:
            SchemaValidationError: Something is wrong; the message lists it.
        """
        _refuse(self.iter_problems())

    def repair(self, *, forget_gone: bool = False) -> list[Repair]:
        """Repair what can be repaired without guessing.

        The sources index, the manifest and table rows of images that are gone are derived data and
        are brought in line with the records, inventories with what exists; documents that another
        program has rewritten are sealed again; what killed writers left behind is removed, but
        never what a live one is using: in an object store this waits for 20 s to be sure. Damaged
        pixels and artifacts are not touched: `check` names them.

        Args:
            forget_gone: Whether artifacts and tables that someone removed for good are no longer
                reported as a problem.

        Returns:
            What was done.
        """
        self._access.require_writable("repair")
        with self._access.lock("ingest", "repair"), self._access.lock("tables", "repair"):
            return list(repair(self._access.blobs, forget_gone=forget_gone))

    def unlock(self) -> list[str]:
        """Free all writers' locks in an object store.

        Such a lock expires once its holder has been silent for 20 s. If the holder is still alive,
        it overwrites nothing: its call ends with `LockLostError`. In a folder the system frees
        the lock of a process that is gone, and this does nothing.

        Returns:
            Each lock that was held, and its holder, as text.
        """
        self._access.require_writable("unlock")
        return self._access.blobs.unlock()


def _refuse(problems: Iterable[Problem]) -> None:
    left = [problem for problem in problems if not problem.repairable]
    if left:
        found = "; ".join(f"{problem.location}: {problem.message}" for problem in left)
        what_to_do = (
            "move elsewhere what another program has added; nothing is damaged"
            if all(problem.kind == "unknown" for problem in left)
            else "restore what is damaged from a copy, or delete and ingest those images again"
        )
        raise SchemaValidationError(f"{len(left)} problem(s): {found}; {what_to_do}")
