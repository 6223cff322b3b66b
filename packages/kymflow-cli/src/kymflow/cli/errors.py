"""What can go wrong on the command line, and what to tell the user about it.

Errors of this distribution::

    KymflowCliError
    ├── FolderNotFoundError       NotADirectoryError   a folder to read images from
    ├── UnknownNameError          LookupError          an image, a table, an indexer, a column
    ├── MissingExtraError         ImportError          an optional dependency is not installed
    ├── QueryError                ValueError           SQL that cannot be run
    ├── OutputFileError           ValueError           a place that a file cannot be written to
    └── UnusedOptionError         ValueError           an option that has no effect beside others

`explain` turns them, and those of `kymflow_zarr`, into a `Failure`: one line, a hint, an exit code.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from kymflow.cli.safe_text import command, show


class ExitCode(IntEnum):
    """What the process ends with."""

    DONE = 0
    PROBLEMS = 1
    USAGE = 2
    NOT_A_DATASET = 3
    NEWER_FORMAT = 4
    LOCKED = 5
    INTERRUPTED = 130


class KymflowCliError(Exception):
    """Base of the errors of this distribution.

    Attributes:
        message: What is wrong.
        hint: What to do.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message}; {hint}")

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}"


class FolderNotFoundError(KymflowCliError, NotADirectoryError):
    """A folder to read images from is not there, or is a file, or is a dataset."""

    def __init__(
        self,
        folder: str,
        *,
        exists: bool,
        is_zarr: bool = False,
        hint: str = "check the path",
    ) -> None:
        self.folder = folder
        if is_zarr:
            super().__init__(
                f"{folder!r} is a dataset, not a folder of image files",
                hint="name the folder first, then the dataset; for plain files: kymflow export",
            )
        elif exists:
            super().__init__(
                f"{folder!r} is a file, not a folder", hint="name the folder that holds the images"
            )
        else:
            super().__init__(f"there is no folder {folder!r}", hint=hint)


class UnknownNameError(KymflowCliError, LookupError):
    """A name that the dataset, or this installation, does not know, or knows twice."""


class MissingExtraError(KymflowCliError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, *, extra: str) -> None:
        self.extra = extra
        super().__init__(
            f"{what} is not installed", hint=f"run: pip install 'kymflow-cli[{extra}]'"
        )


class QueryError(KymflowCliError, ValueError):
    """A query that the database refuses."""


class OutputFileError(KymflowCliError, ValueError):
    """A file that cannot be written to the place that was named."""

    def __init__(self, path: str, reason: str, *, hint: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"cannot write to {path!r}: {reason}", hint=hint)


class UnusedOptionError(KymflowCliError, ValueError):
    """An option that would have no effect beside others that were given."""

    def __init__(self, options: Sequence[str], beside: str) -> None:
        self.options = tuple(options)
        self.beside = beside
        has = "has" if len(options) == 1 else "have"
        super().__init__(
            f"{' and '.join(options)} {has} no effect with {beside}",
            hint="leave one of the two out",
        )


def refuse_unused(beside: str, given: Mapping[str, bool]) -> None:
    """Refuse options that would have no effect.

    Args:
        beside: What was given, too, because of which they have none.
        given: Options, and whether they were given.

    Raises:
        UnusedOptionError: One of them was.
    """
    unused = [option for option, is_given in given.items() if is_given]
    if unused:
        raise UnusedOptionError(unused, beside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a command did not do its work.

    Attributes:
        exit_code: What the process ends with.
        kind: The error's class.
        message: One line: what is wrong.
        hint: One line: what to do; may be empty.
    """

    exit_code: ExitCode
    kind: str
    message: str
    hint: str


def expected_errors() -> tuple[type[Exception], ...]:
    """The errors that `explain` knows; any other one is a bug.

    A function, so that nothing is imported before something went wrong.
    """
    from cyclopts import CycloptsError

    from kymflow.core import KymflowCoreError
    from kymflow_zarr import KymflowZarrError

    return KymflowCliError, CycloptsError, KymflowZarrError, KymflowCoreError, OSError


def explain(error: Exception) -> Failure:
    """What to tell the user about one of `expected_errors`."""
    exit_code, message, hint = (
        _explain_cli(error)
        or _explain_store(error)
        or _explain_core(error)
        or _explain_system(error)
    )
    return Failure(
        exit_code=exit_code, kind=type(error).__name__, message=show(message), hint=show(hint)
    )


_Explanation = tuple[ExitCode, str, str]


def _explain_cli(error: Exception) -> _Explanation | None:
    from cyclopts import CoercionError, CycloptsError, MissingArgumentError, UnusedCliTokensError

    match error:
        case KymflowCliError():
            return ExitCode.USAGE, error.message, error.hint
        case UnusedCliTokensError():
            chain = error.command_chain
            return (
                ExitCode.USAGE,
                f"too many arguments: {' '.join(map(repr, error.unused_tokens or ()))}",
                f"quote what contains spaces; {_help_hint(chain)}",
            )
        case MissingArgumentError() if error.argument is not None and not error.tokens_so_far:
            # Where the option was given, its value is missing.
            what = "needs a value" if error.keyword else "is missing"
            return ExitCode.USAGE, f"{error.argument.name} {what}", _help_hint(error.command_chain)
        case CoercionError() if error.target_type in {int, float} and error.token is not None:
            option = error.token.keyword or (error.argument.name if error.argument else "")
            kind = "a number" if error.target_type is float else "a whole number"
            return (
                ExitCode.USAGE,
                f"{option} is {error.token.value!r}, not {kind}",
                "write it like 0.25" if error.target_type is float else "write it like 12",
            )
        case CycloptsError():
            message = (
                str(error).strip().splitlines()[0].split(" Available commands:")[0].rstrip(".")
            )
            return (
                ExitCode.USAGE,
                message[:1].lower() + message[1:],
                _help_hint(error.command_chain),
            )
    return None


def _help_hint(chain: object) -> str:
    words = " ".join(chain) if isinstance(chain, tuple | list) else ""
    return f"see: kymflow {words} --help" if words else "see: kymflow --help"


def _explain_store(error: Exception) -> _Explanation | None:
    from kymflow_zarr import errors

    match error:
        case errors.NotADatasetError():
            return ExitCode.NOT_A_DATASET, error.message, error.hint
        case errors.UnsupportedFormatError():
            if error.found > max(error.supported):
                return ExitCode.NEWER_FORMAT, error.message, error.hint
            return ExitCode.PROBLEMS, error.message, f"run: {command('upgrade', error.location)}"
        case errors.LockedError():
            more = f"{error.hint}, or give it more time: --wait SECONDS"
            return ExitCode.LOCKED, error.message, more
        case errors.CorruptDataError() if error.key != "zarr.json":  # without it nothing opens
            return (
                ExitCode.PROBLEMS,
                error.message,
                "see what else is: kymflow check DATASET --deep",
            )
        case errors.ImageNotFoundError():
            text = f"there is no image {error.image_id!r}"
            return ExitCode.USAGE, text, "see those that exist: kymflow ls DATASET"
        case errors.TableNotFoundError():
            text = f"there is no table {error.name!r}"
            return ExitCode.USAGE, text, "see those that exist: kymflow table DATASET"
        case errors.AlreadyExistsError() | errors.SourceFolderError():
            return ExitCode.USAGE, error.message, error.hint
        case errors.KymflowZarrError():
            return ExitCode.PROBLEMS, error.message, error.hint
    return None


def _explain_core(error: Exception) -> _Explanation | None:
    from kymflow.core import errors

    match error:
        case errors.OtherParametersError():
            hint = "keep both with --label NAME, or replace the old ones with --overwrite"
            return ExitCode.PROBLEMS, error.message, hint
        case errors.FolderPatternError() | errors.MetadataFileError():
            return ExitCode.USAGE, error.message, error.hint
        case errors.KymflowCoreError():
            return ExitCode.PROBLEMS, error.message, error.hint
    return None


def _explain_system(error: Exception) -> _Explanation:
    exit_code = ExitCode.USAGE if isinstance(error, FileNotFoundError) else ExitCode.PROBLEMS
    if not isinstance(error, OSError) or error.errno is None:
        message, _, hint = str(error).partition("; ")
        return exit_code, message or type(error).__name__, hint
    what = error.strerror or type(error).__name__
    if error.filename is not None:
        what = f"{error.filename!r}: {what}"
    hints = {
        errno.ENOENT: "check the path",
        errno.ENOSPC: "free some space and run the same command again",
        errno.EACCES: "check who may read and write there",
        errno.EPERM: "check who may read and write there",
        errno.EROFS: "name a place that can be written to",
    }
    return exit_code, what, hints.get(error.errno, "run again with --debug to see more")
