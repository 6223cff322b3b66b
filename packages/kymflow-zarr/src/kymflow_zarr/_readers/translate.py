"""Turn whatever a decoder raises into an `UnreadableImageError` that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Translate every failure inside into an `UnreadableImageError`.

    Decoders of damaged or hostile data raise errors of any class, those of native libraries
    included, so none can be named here; each is raised on at once, as one that names the file.

    Raises:
        UnreadableImageError: In place of any `Exception`.
    """
    try:
        yield
    except UnreadableImageError:
        raise
    except CutShortError as error:
        raise IncompleteImageError(path, f"{error.problem}; {error.advice}") from error
    except BadTiffError as error:
        raise UnreadableImageError(path, f"{error.problem}; {error.advice}") from error
    except MemoryError as error:
        raise UnreadableImageError(
            path, "it needs more memory than this machine has; read it on a larger one"
        ) from error
    except Exception as error:
        detail = shortened(str(error) or type(error).__name__)
        if "imagecodecs" in detail:
            reason = (
                f"its pixels are compressed or packed ({detail}); "
                "install kymflow-zarr[codecs], or export it uncompressed"
            )
        else:
            reason = f"its contents do not decode ({detail}); copy or export it again"
        raise UnreadableImageError(path, reason) from error


def shortened(text: str) -> str:
    """A text as one line of at most 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:297]}..."
