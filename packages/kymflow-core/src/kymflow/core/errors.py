"""The error tree of kymflow-core.

Every error is a `KymflowCoreError` and also the builtin that a caller would expect, carries its
data as attributes, and has a message that ends with what to do::

    KymflowCoreError
    ├── a table cannot be made under this name
    │   ├── TableNameError            ValueError    breaks a rule for names, or is taken
    │   └── TableSchemaError          ValueError    … or it has columns of other types (TypeError)
    ├── one image cannot be indexed: ImageIndexError
    │   ├── IndexerFailedError        RuntimeError  its record, or the indexer, raised
    │   └── RowError                  ValueError    its rows break a rule
    │       └── ColumnTypeError       TypeError     … a column does not have the table's type
    ├── a run did not succeed
    │   ├── IndexUpdateError          RuntimeError  lists every image that failed
    │   ├── IndexerCycleError         ValueError    indexers depend on each other
    │   └── WorkerError               RuntimeError  the executor could not do the work
    ├── provenance
    │   ├── ParamsValueError          ValueError    parameters that canonical JSON cannot hold
    │   └── ParamsNotFoundError       KeyError      no document with this hash
    ├── metadata
    │   ├── MetadataError             ValueError    a field of the payload is malformed
    │   ├── MetadataFileError         ValueError    a file of metadata cannot be imported
    │   ├── FolderPatternError        ValueError    a pattern for names of folders is malformed
    │   └── RoiError                  ValueError    a region that does not fit its image
    ├── decisions
    │   ├── DecisionError             ValueError    it makes no sense for its image
    │   └── NothingToUndoError        LookupError   no decision is left to undo
    ├── UnknownKeyError               KeyError      no ROI, mark, indexer or analysis is called so
    ├── PluginError                   ImportError   a plugin that cannot be used
    ├── ComparisonError               ValueError    groups that cannot be compared
    └── analyses
        ├── AnalysisDefinitionError   TypeError     an analysis is not well defined
        ├── AnalysisResultError       TypeError     it returned something else than it declares
        ├── AnalysisFailedError       RuntimeError  regions of one image failed
        ├── OtherParametersError      ValueError    results of other parameters would be replaced
        ├── RegionError               ValueError    an image, or regions of it, cannot be analyzed
        │   └── NotAKymographError                  it is a picture or a movie
        ├── ResultNotFoundError       LookupError   a region has no result of an analysis
        ├── FigureError               RuntimeError  a result cannot be drawn
        ├── InvalidKymographError     ValueError    pixels that no analysis can make sense of
        ├── AnalysisInputError        LookupError   the result that it builds on is not current
        ├── AnalysisParameterError    ValueError    a parameter outside its range
        └── MissingExtraError         ImportError   an optional dependency is not installed

Where several plugins are asked for, one that is left out is a `PluginWarning`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kymflow_zarr.errors import KymflowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "AnalysisDefinitionError",
    "AnalysisFailedError",
    "AnalysisInputError",
    "AnalysisParameterError",
    "AnalysisResultError",
    "ColumnTypeError",
    "ComparisonError",
    "DecisionError",
    "FigureError",
    "FolderPatternError",
    "ImageIndexError",
    "IndexUpdateError",
    "IndexerCycleError",
    "IndexerFailedError",
    "InvalidKymographError",
    "KymflowCoreError",
    "MetadataError",
    "MetadataFileError",
    "MissingExtraError",
    "NotAKymographError",
    "NothingToUndoError",
    "OtherParametersError",
    "ParamsNotFoundError",
    "ParamsValueError",
    "PluginError",
    "PluginWarning",
    "RegionError",
    "ResultNotFoundError",
    "RoiError",
    "RowError",
    "TableNameError",
    "TableSchemaError",
    "UnknownKeyError",
    "WorkerError",
]


class KymflowCoreError(KymflowError):
    """Base of every error that this package raises on purpose."""


class UnknownKeyError(KymflowCoreError, KeyError):
    """No ROI, mark, indexer or analysis has this id or name.

    Attributes:
        kind: What was asked for.
        key: The id or name.
        known: Those that exist.
    """

    def __init__(self, kind: str, key: object, known: Iterable[object], *, where: str = "") -> None:
        self.kind = kind
        self.key = key
        self.known = tuple(known)
        super().__init__(
            f"there is no {kind} {key!r}{where}",
            hint=f"choose from: {', '.join(map(str, self.known)) or 'none'}",
        )


# --- tables ---------------------------------------------------------------------------------------


class TableNameError(KymflowCoreError, ValueError):
    """An indexer has a name that no table can have, or that a table of another kind has.

    Attributes:
        name: The name.
        rule: The rule that it breaks.
    """

    def __init__(self, name: object, rule: str, *, hint: str = "choose another name") -> None:
        self.name = name
        self.rule = rule
        super().__init__(f"{name!r} cannot name an index: {rule}", hint=hint)


class TableSchemaError(KymflowCoreError, ValueError, TypeError):
    """An indexer declares a column with another type than its table has.

    Attributes:
        table: The table's name.
        column: The column.
    """

    def __init__(self, table: str, column: str, *, stored: str, declared: str) -> None:
        self.table = table
        self.column = column
        super().__init__(
            f"column {column!r} of table {table!r} holds {stored}, "
            f"but the indexer now declares {declared}",
            hint=how_to_rebuild(table),
        )


def how_to_rebuild(table: str) -> str:
    """What to do when a table should have other types."""
    return f"to rebuild the table with new types, call delete_table({table!r}) and update it again"


# --- one image ------------------------------------------------------------------------------------


class ImageIndexError(KymflowCoreError):
    """One image cannot be indexed.

    Attributes:
        indexer: The indexer's name.
        image_id: The image; "" if no image is at fault.
        details: The traceback of the cause as text, "" if there is none. The cause itself is
            ``__cause__``, unless this error comes from another process.
    """

    def __init__(
        self, message: str, *, indexer: str, image_id: str, details: str = "", hint: str = ""
    ) -> None:
        self.indexer = indexer
        self.image_id = image_id
        self.details = details
        super().__init__(message, hint=hint)


class IndexerFailedError(ImageIndexError, RuntimeError):
    """An indexer raised while it worked on an image, or the image could not be read.

    Attributes:
        reason: The cause as one line, its type first.
    """

    def __init__(self, *, indexer: str, image_id: str, reason: str, details: str = "") -> None:
        self.reason = reason
        where = f"on image {image_id!r}" if image_id else "before the first image"
        alternative = (
            ", or give on_error='collect' to continue without such images" if image_id else ""
        )
        super().__init__(
            f"indexer {indexer!r} failed {where}: {reason}",
            indexer=indexer,
            image_id=image_id,
            details=details,
            hint=f"correct the cause{alternative}",
        )


class RowError(ImageIndexError, ValueError):
    """The rows that an indexer returned for an image break a rule.

    Attributes:
        column: The column at fault, "" if it is not one.
        reason: What is wrong, ending with what to do.
    """

    def __init__(
        self, *, indexer: str, image_id: str, column: str, reason: str, details: str = ""
    ) -> None:
        self.column = column
        self.reason = reason
        image = f", image {image_id!r}" if image_id else ""
        where = f", column {column!r}" if column else ""
        super().__init__(
            f"indexer {indexer!r}{image}{where}: {reason}",
            indexer=indexer,
            image_id=image_id,
            details=details,
        )


class ColumnTypeError(RowError, TypeError):
    """A column has another type than it has in the table."""


# --- a run ----------------------------------------------------------------------------------------


class IndexUpdateError(KymflowCoreError, RuntimeError):
    """Some images could not be indexed; the rows of all others are published.

    Attributes:
        table: The table.
        failures: The images that failed, each with its error. Their old rows were kept.
        indexed: How many images succeeded.
    """

    def __init__(self, table: str, failures: Mapping[str, ImageIndexError], indexed: int) -> None:
        self.table = table
        self.failures = dict(failures)
        self.indexed = indexed
        listed = "; ".join(f"{image_id!r}: {cause_of(e)}" for image_id, e in failures.items())
        super().__init__(
            f"{len(failures)} image(s) could not be indexed into {table!r}, {indexed} were: "
            f"{listed}",
            hint="their old rows were kept: correct the cause and update the index again",
        )


def cause_of(error: ImageIndexError) -> str:
    """Why an image could not be indexed, without the names of the indexer and the image."""
    match error:
        case IndexerFailedError():
            return error.reason
        case RowError():
            return f"column {error.column!r}: {error.reason}" if error.column else error.reason
        case _:
            return str(error)


class IndexerCycleError(KymflowCoreError, ValueError):
    """Indexers depend on each other, so that none of them can be the first.

    Attributes:
        indexers: Their names, each depending on one beside it.
    """

    def __init__(self, indexers: Iterable[str]) -> None:
        self.indexers = tuple(indexers)
        listed = " → ".join(self.indexers)
        super().__init__(
            f"indexers depend on each other: {listed}", hint="remove one of them from a depends_on"
        )


class WorkerError(KymflowCoreError, RuntimeError):
    """An executor could not do the work; no image is at fault."""


# --- provenance -----------------------------------------------------------------------------------


class ParamsValueError(KymflowCoreError, ValueError):
    """Parameters hold something that canonical JSON cannot.

    Attributes:
        path: Where, like ``$.windows[2]``.
        reason: What is wrong with it.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"parameters cannot be hashed, {path} is {reason}",
            hint="use text, finite numbers, booleans, None, lists and mappings with text keys",
        )


class ParamsNotFoundError(KymflowCoreError, KeyError):
    """The parameters that a hash stands for cannot be found.

    Attributes:
        table: The table that was asked.
        params_hash: The hash.
    """

    def __init__(self, table: str, params_hash: str, reason: str) -> None:
        self.table = table
        self.params_hash = params_hash
        super().__init__(f"no parameters for {params_hash!r} of table {table!r}: {reason}")


# --- metadata -------------------------------------------------------------------------------------


_CORRECT_IT: Final = "correct it in the metadata payload, analysis/metadata.json of the image"


class MetadataError(KymflowCoreError, ValueError):
    """A field of a metadata payload is malformed.

    Attributes:
        field: The field, like ``header.scale.t``.
        reason: What is wrong with it.
    """

    def __init__(self, field: str, reason: str, *, remedy: str = _CORRECT_IT) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"metadata field {field!r} {reason}", hint=remedy)


class MetadataFileError(KymflowCoreError, ValueError):
    """A file of metadata cannot be imported; nothing was.

    Attributes:
        path: The file.
        reason: What is wrong with it.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"the metadata in {path!r} cannot be imported: {reason}")


class FolderPatternError(KymflowCoreError, ValueError):
    """A pattern for the names of folders cannot be used.

    Attributes:
        pattern: The pattern.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        super().__init__(
            f"the pattern {pattern!r} cannot be used",
            hint="give each field once and by name, as in '{animal}/{date}'",
        )


class RoiError(KymflowCoreError, ValueError):
    """A region of interest does not fit its image.

    Attributes:
        field: The field at fault.
    """

    def __init__(self, field: str, needed: str) -> None:
        self.field = field
        super().__init__(f"the region must {needed}")


# --- decisions ------------------------------------------------------------------------------------


class DecisionError(KymflowCoreError, ValueError):
    """A decision makes no sense for its image; nothing was written.

    Attributes:
        image_id: The image.
        reason: What is wrong, ending with what to do.
    """

    def __init__(self, image_id: str, reason: str) -> None:
        self.image_id = image_id
        self.reason = reason
        super().__init__(f"image {image_id!r}: {reason}")


class NothingToUndoError(KymflowCoreError, LookupError):
    """No decision is left to undo.

    Attributes:
        where: The image or the dataset.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(
            f"no decision is left to undo in {where}", hint="the log lists those that were undone"
        )


# --- plugins --------------------------------------------------------------------------------------


class PluginError(KymflowCoreError, ImportError):
    """A plugin cannot be used.

    Attributes:
        plugin: The plugin's name.
        origin: The distribution that it comes from.
    """

    def __init__(self, plugin: str, *, origin: str, reason: str) -> None:
        self.plugin = plugin
        self.origin = origin
        self.reason = reason
        super().__init__(
            f"plugin {plugin!r} of {origin!r} cannot be used: {reason}",
            hint=f"update or uninstall {origin!r}",
        )


# --- analyses -------------------------------------------------------------------------------------


class AnalysisDefinitionError(KymflowCoreError, TypeError):
    """An analysis, or its parameters, are not well defined; the message says what to change."""


class AnalysisResultError(KymflowCoreError, TypeError):
    """An analysis returned something else than it declares.

    Attributes:
        analysis: The analysis' name.
    """

    def __init__(self, analysis: str, returned: str, expected: str) -> None:
        self.analysis = analysis
        super().__init__(f"analysis {analysis!r} returned {returned}", hint=f"return {expected}")


class AnalysisFailedError(KymflowCoreError, RuntimeError):
    """Regions of an image could not be analyzed, or the image could not be read.

    Attributes:
        image_id: The image.
        analysis: The analysis' name.
        reason: The causes as one line.
        details: The tracebacks as text: they may come from another process.
    """

    def __init__(self, *, image_id: str, analysis: str, reason: str, details: str) -> None:
        self.image_id = image_id
        self.analysis = analysis
        self.reason = reason
        self.details = details
        super().__init__(
            f"analysis {analysis!r} failed on image {image_id!r}: {reason}",
            hint="correct the cause and run it again: only what is missing is computed",
        )


class AnalysisInputError(KymflowCoreError, LookupError):
    """The result that an analysis builds on is missing or not current.

    Attributes:
        analysis: The name of the analysis whose result is needed.
        state: How that result stands: ``missing``, ``outdated`` or ``failed``.
    """

    def __init__(self, analysis: str, where: str, state: str, *, reason: str = "") -> None:
        self.analysis = analysis
        self.state = state
        because = f": {reason}" if reason else ""
        super().__init__(
            f"{analysis!r} of {where} is {state}{because}",
            hint=f"run {analysis!r} on the image first",
        )


class OtherParametersError(KymflowCoreError, ValueError):
    """Results of other parameters exist under the same label.

    Attributes:
        analysis: The analysis' name.
        label: The label; "" for results without one.
        image_ids: The images that have such results.
    """

    def __init__(self, analysis: str, label: str, image_ids: Iterable[str]) -> None:
        self.analysis = analysis
        self.label = label
        self.image_ids = tuple(image_ids)
        under = f"under the label {label!r}" if label else "without a label"
        super().__init__(
            f"{len(self.image_ids)} image(s) have results of {analysis!r} {under} that were "
            "computed with other parameters",
            hint=(
                "give the new ones a label of their own to keep both, "
                "or ask for the old ones to be overwritten"
            ),
        )


class RegionError(KymflowCoreError, ValueError):
    """An image, or some regions of it, cannot be analyzed.

    Attributes:
        image_id: The image.
        reason: What is wrong, ending with what to do.
    """

    def __init__(self, image_id: str, reason: str) -> None:
        self.image_id = image_id
        self.reason = reason
        super().__init__(f"image {image_id!r} cannot be analyzed: {reason}")


class NotAKymographError(RegionError):
    """An image is a picture or a movie, whose rows are places and not times.

    A person who knows better gives it a line period or a ROI.
    """


class ResultNotFoundError(KymflowCoreError, LookupError):
    """A region has no result of an analysis.

    Attributes:
        image_id: The image.
        analysis: The analysis' name.
        label: The label asked for; "" for none.
    """

    def __init__(self, image_id: str, analysis: str, label: str = "") -> None:
        self.image_id = image_id
        self.analysis = analysis
        self.label = label
        under = f" under the label {label!r}" if label else ""
        super().__init__(
            f"image {image_id!r} has no result of {analysis!r} in this region{under}",
            hint="run the analysis, or name another region" + (" or label" if label else ""),
        )


class FigureError(KymflowCoreError, RuntimeError):
    """The result of an analysis cannot be drawn.

    Attributes:
        analysis: The analysis' name.
        reason: Why.
    """

    def __init__(self, analysis: str, reason: str) -> None:
        self.analysis = analysis
        self.reason = reason
        super().__init__(
            f"no figure of {analysis!r}: {reason}", hint="see the `panels` of what it declares"
        )


class InvalidKymographError(KymflowCoreError, ValueError):
    """An array cannot be analyzed as a kymograph.

    Attributes:
        reason: What is wrong with it, and what to do.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"cannot analyze this kymograph: {reason}")


class AnalysisParameterError(KymflowCoreError, ValueError):
    """A parameter of an analysis is outside its range.

    Attributes:
        parameter: The parameter's name.
        value: What was given.
        rule: What is accepted.
    """

    def __init__(self, parameter: str, value: object, rule: str) -> None:
        self.parameter = parameter
        self.value = value
        self.rule = rule
        super().__init__(f"{parameter}={value!r} cannot be used: give {rule}")


class ComparisonError(KymflowCoreError, ValueError):
    """Two groups of a study cannot be compared.

    Attributes:
        value: The column that was to be compared.
        reason: Why not, ending with what to do.
    """

    def __init__(self, value: str, reason: str) -> None:
        self.value = value
        self.reason = reason
        super().__init__(f"{value!r} cannot be compared: {reason}")


class MissingExtraError(KymflowCoreError, ImportError):
    """An optional dependency is not installed.

    Attributes:
        package: The distribution that is missing.
        extra: The extra of kymflow-core that installs it.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"{purpose} needs {package!r}, which is not installed",
            hint=f"run: pip install 'kymflow-core[{extra}]'",
        )


class PluginWarning(UserWarning):
    """A plugin is left out: it cannot be used, or its name is taken."""


# Names of version 0.1, for the `except` clauses of its users.
RoiNotFoundError = UnknownPluginError = UnknownKeyError
NotAKymTableError = TableNameError
