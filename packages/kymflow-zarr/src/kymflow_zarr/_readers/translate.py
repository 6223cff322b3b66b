"""Turn whatever a decoder raises into an `UnreadableImageError` that names the file."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from kymflow_zarr.errors import IncompleteImageError, UnreadableImageError


class BadTiffError(ValueError):
    """What is wrong with a TIFF, and what to do, raised where the file's name is not known.

    `translated` makes it an `UnreadableImageError`.
    """

    def __init__(self, problem: str, advice: str = "copy or export it again") -> None:
        self.problem = problem
        self.advice = advice
        super().__init__(problem)


class CutShortError(BadTiffError):
    """A TIFF that declares more than there is, perhaps not yet.

    `translated` makes it an `IncompleteImageError`.
    """


class translated:  # noqa: N801 - used as a verb: with translated(path): ...
    """Translate every failure inside into an `UnreadableImageError`.

    Decoders of damaged or hostile data raise errors of any class, those of native libraries
    included, so none can be named here; each is raised on at once, as one that names the file.

    A class, as there are a dozen for each file and a generator costs several times as much.

    Raises:
        UnreadableImageError: In place of any `Exception`.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, UnreadableImageError):
            raise _translation(self._path, error) from error


def _translation(path: Path, error: Exception) -> UnreadableImageError:
    if isinstance(error, CutShortError):
        return IncompleteImageError(path, f"{error.problem}; {error.advice}")
    if isinstance(error, BadTiffError):
        return UnreadableImageError(path, f"{error.problem}; {error.advice}")
    if isinstance(error, MemoryError):
        reason = "it needs more memory than this machine has; read it on a larger one"
        return UnreadableImageError(path, reason)
    detail = said(error)
    if "imagecodecs" in detail:
        reason = (
            f"its pixels are compressed or packed ({detail}); "
            "install kymflow-zarr[codecs], or export it uncompressed"
        )
    else:
        reason = f"its contents do not decode ({detail}); copy or export it again"
    return UnreadableImageError(path, reason)


def said(error: Exception) -> str:
    """What an error says, else its class: a third party's may fail to say anything."""
    try:
        return shortened(str(error) or type(error).__name__)
    except Exception:  # noqa: BLE001 - third-party code
        return type(error).__name__


def shortened(text: str) -> str:
    """A text as one line of at most 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:297]}..."
