"""What an analysis is: parameters, a pure function of pixels, and the columns of its results.

All else is the layer's: which regions there are, hashes, storage, what is up to date, failures,
executors and tables.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow.core.analysis.display import Display, RegionData
from kymflow.core.analysis.params import describe_params
from kymflow.core.analysis.regions import Calibration, Place, Region
from kymflow.core.errors import AnalysisDefinitionError, AnalysisResultError
from kymflow.core.wording import ABSENT, quantity

if TYPE_CHECKING:
    import pandas as pd
    from _typeshed import DataclassInstance

    from kymflow_zarr import JsonValue

P = TypeVar("P", bound="DataclassInstance")

Scalar: TypeAlias = float | int | str | bool | np.generic | None
"""One value of a summary; None and NaN stand for "no value"."""

REGION_COLUMNS: Final = ("label", "channel", "roi_id", "region_hash")
"""What every table of results has before its own columns."""

_PLAIN_DISPLAY: Final = Display()
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_DTYPES: Final[Mapping[type, str]] = {float: "float64", int: "Int64", str: "str", bool: "boolean"}
_KINDS: Final[Mapping[type, str]] = {
    float: "a finite number",
    int: "a whole number",
    str: "text",
    bool: "True or False",
}
_TAKEN: Final = frozenset({"image_id", "analysis_version", "params_hash", *REGION_COLUMNS})


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a result; any of its values may be missing.

    Attributes:
        name: Its name, ``[a-z][a-z0-9_]*``.
        type: ``float``, ``int``, ``str`` or ``bool``.
        doc: What it means, in a few words.
        unit: The unit of its values.
    """

    name: str
    type: type[float | int | str | bool]
    doc: str
    unit: str = ""

    @property
    def dtype(self) -> str:
        """The pandas dtype of its values."""
        return _DTYPES[self.type]

    def accepts(self, value: object) -> bool:
        """Whether a summary may have this value; None and NaN are no value, infinity is refused."""
        plain = value.item() if isinstance(value, np.generic) else value
        if plain is None or (isinstance(plain, float) and math.isnan(plain)):
            return True
        if isinstance(plain, bool) or self.type in {str, bool}:
            return type(plain) is self.type
        if not isinstance(plain, int | float) or math.isinf(plain):
            return False
        return self.type is float or plain == int(plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultTable:
    """A table that a result has besides its summary, with any number of rows per region.

    Attributes:
        name: Its name, ``[a-z][a-z0-9_]*``.
        columns: Its columns.
        indexed: Whether there is a table ``kym_<analysis>_<name>`` over all images; if not, it
            stays with each image.
        marks: Whether it lists intervals, so that the table over all images has those that people
            marked, too.
    """

    name: str
    columns: tuple[Column, ...]
    indexed: bool = True
    marks: bool = False

    def frame(self, values: Mapping[str, ArrayLike]) -> pd.DataFrame:
        """Values of the columns as a data frame with the declared types."""
        import pandas as pd

        frame = pd.DataFrame(
            {column.name: np.asarray(values[column.name]) for column in self.columns}
        )
        return frame.astype({column.name: column.dtype for column in self.columns})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an analysis found in one region.

    Attributes:
        summary: One value for each column of `Analysis.summary`.
        tables: For each of `Analysis.tables`, the values of its columns, all equally many.
    """

    summary: Mapping[str, Scalar]
    tables: Mapping[str, Mapping[str, ArrayLike]] = field(default_factory=dict)

    def to_pandas(self, table: str = "") -> pd.DataFrame:
        """A table as a data frame; the summary, as one row, if none is named."""
        import pandas as pd

        return pd.DataFrame(dict(self.tables[table]) if table else [dict(self.summary)])


@dataclass(frozen=True, slots=True, kw_only=True)
class InputResult:
    """A stored result of one region that another analysis builds on.

    Attributes:
        parameters: The parameters that it was computed with.
        summary: Its summary.
        tables: Its tables by name.
        failure: Why it failed, in which case nothing else is known; "" if it did not.
    """

    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    summary: Mapping[str, JsonValue] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    failure: str = ""


def unknown_result(
    reason: str, summary: Iterable[Column], tables: Iterable[ResultTable] = (), **stated: Scalar
) -> Result:
    """A result without numbers: the status ``unknown``, the reason, and tables without rows.

    Args:
        reason: Why nothing is known, without a full stop.
        summary: The columns of the summary, ``status`` and ``reason`` among them.
        tables: The tables.
        stated: Values of the summary that are known nevertheless.
    """
    values: dict[str, Scalar] = dict.fromkeys((column.name for column in summary), None)
    return Result(
        summary=values | {"status": "unknown", "reason": reason} | stated,
        tables={table.name: {column.name: () for column in table.columns} for table in tables},
    )


def same_place(params: object, region: Region) -> Place | None:  # noqa: ARG001 - see `Input.place`
    """The region itself."""
    return region.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The analysis whose stored result another one builds on.

    It is read under the label of the run, or without a label where there is none under it. It must
    be current, and decides the result like a parameter: if it is recomputed with other
    parameters, what was built on it is outdated.

    Attributes:
        analysis: The analysis.
        place: From the parameters and the region, the channel and ROI of the same image whose
            result is needed; None if none is.
        may_fail: Whether `run` is called where it has failed, with `InputResult.failure`, to say
            what that means for its own result.
    """

    analysis: Analysis[Any]
    place: Callable[[Any, Region], Place | None] = same_place
    may_fail: bool = False


RunFunction: TypeAlias = Callable[Concatenate[NDArray[Any], Calibration, P, Region, ...], Result]
"""``run(pixels, calibration, params, region)``: from pixels to a result.

``pixels`` are those of the region, ``(time, space)``, read-only; ``region.lines[0]`` is the line of
the recording that they begin with. An analysis with inputs gets one argument more, ``inputs``: an
`InputResult` by the name of its analysis. Nothing but the arguments decides the result. An error
that it raises is remembered as the region's failure, and stops no other region.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis(Generic[P]):
    """An analysis of kymographs.

    Attributes:
        name: ``[a-z][a-z0-9_]*``: the folder of its artifacts, and its table ``kym_<name>``.
        version: The version of the computation, raised with every change of a result.
        params: The dataclass of its parameters, see `kymflow.core.analysis.params`.
        run: The computation; the first line of its docstring says what it computes.
        summary: Columns of which each region has one value.
        tables: Further tables.
        display: How its results are shown to people.
        inputs: Analyses whose stored results it builds on.

    Raises:
        AnalysisDefinitionError: A name, a parameter or a column breaks a rule.
    """

    name: str
    version: str
    params: type[P]
    run: RunFunction[P]
    summary: tuple[Column, ...]
    tables: tuple[ResultTable, ...] = ()
    display: Display = _PLAIN_DISPLAY
    inputs: tuple[Input, ...] = ()

    def __post_init__(self) -> None:
        """Check the definition."""
        if not self.version:
            raise AnalysisDefinitionError(
                f"the version of analysis {self.name!r} is {self.version!r}; make it text"
            )
        _check_names((self.name,))
        _check_names(table.name for table in self.tables)
        _check_names(needed.analysis.name for needed in self.inputs)
        describe_params(self.params)
        for columns in (self.summary, *(table.columns for table in self.tables)):
            _check_names(column.name for column in columns)
            for column in columns:
                if column.name in _TAKEN or column.type not in _DTYPES:
                    raise AnalysisDefinitionError(
                        f"column {column.name!r} of type {column.type!r} cannot be declared; use "
                        f"float, int, str or bool, and none of the names {sorted(_TAKEN)}"
                    )

    @property
    def doc(self) -> str:
        """What it computes, in one line."""
        return (self.run.__doc__ or "").strip().partition("\n")[0]

    def facts(self, data: RegionData) -> Mapping[str, str]:
        """What it found in a region as texts by name, values with their units, and marks."""
        by_hand = {"marked by hand": _marks_text(data)} if data.marks else {}
        if self.display.describe is not None:
            return {**self.display.describe(data), **by_hand}
        found = {
            column.name.replace("_", " "): _text(data.values.get(column.name), column.unit)
            for column in self.summary
        }
        return {**found, **by_hand}

    def table(self, name: str) -> ResultTable:
        """One of its tables; the summary is the one without a name.

        Raises:
            KeyError: It has no such table.
        """
        named = {table.name: table for table in self.tables}
        return named[name] if name else ResultTable(name="", columns=self.summary)

    def compute(
        self,
        pixels: NDArray[Any],
        calibration: Calibration,
        params: P,
        region: Region,
        inputs: Mapping[str, InputResult] | None = None,
    ) -> Result:
        """`run` on a view that cannot be written to, and check what it returns.

        Raises:
            AnalysisResultError: The result has other columns than those declared.
        """
        view = pixels.view()
        view.flags.writeable = False
        more = (inputs or {},) if self.inputs else ()
        found: object = self.run(view, calibration, params, region, *more)
        if not isinstance(found, Result):
            raise AnalysisResultError(self.name, f"a {type(found).__name__}", "a Result")
        expected = {table.name: table.columns for table in self.tables}
        self._compare("tables", found.tables, expected)
        self._compare("a summary of", found.summary, [column.name for column in self.summary])
        for column in self.summary:
            value = found.summary[column.name]
            if not column.accepts(value):
                raise AnalysisResultError(
                    self.name,
                    f"{value!r} for {column.name!r}",
                    f"{_KINDS[column.type]}, or None for no value",
                )
        for name, values in found.tables.items():
            self._compare(f"{name!r} with", values, [column.name for column in expected[name]])
            lengths = {np.shape(array) for array in values.values()}
            if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
                shapes = f"columns of shapes {sorted(lengths)} in {name!r}"
                raise AnalysisResultError(self.name, shapes, "one value per row in each column")
            try:
                self.table(name).frame(values)
            except (TypeError, ValueError) as error:
                raise AnalysisResultError(
                    self.name, f"other types in {name!r} ({error})", "those declared"
                ) from error
        return found

    def _compare(self, what: str, found: Iterable[str], declared: Iterable[str]) -> None:
        if set(found) != set(declared):
            raise AnalysisResultError(
                self.name, f"{what} {sorted(found)}", f"those declared: {sorted(declared)}"
            )


def _marks_text(data: RegionData) -> str:
    unit = "lines" if data.calibration.seconds_per_line is None else "s"
    spans = ((mark, *data.time([mark.start_line, mark.stop_line])) for mark in data.marks)
    return "; ".join(
        f"{mark.kind} from {start:.4g} to {stop:.4g} {unit} ({mark.author})"
        for mark, start, stop in spans
    )


def _text(value: object, unit: str) -> str:
    if isinstance(value, str | bool):
        return str(value)
    return quantity(value, unit) if isinstance(value, int | float) else ABSENT


def _check_names(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not _NAME.fullmatch(name) or name in seen:
            raise AnalysisDefinitionError(
                f"{name!r} cannot be a name here; use each name once, matching {_NAME.pattern}"
            )
        seen.add(name)
