"""What `Analysis` refuses when it is made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from kymflow.core.analysis import Analysis, Column, Result, ResultTable
from kymflow.core.errors import AnalysisDefinitionError


@dataclass(frozen=True)
class Nothing:
    """No parameters."""


def run(*_: object) -> Result:
    """Nothing.

    More of it.
    """
    return Result(summary={"a": 1.0})


GOOD = Analysis(
    name="good", version="1", params=Nothing, run=run, summary=(Column("a", float, "a"),)
)


def test_its_first_line_says_what_it_computes() -> None:
    assert GOOD.doc == "Nothing."


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "Good"}, "'Good' cannot be a name here"),
        ({"name": "go/od"}, "cannot be a name here"),
        ({"version": ""}, "the version of analysis 'good' is ''; make it text"),
        ({"params": dict}, "is not a frozen dataclass"),
        ({"summary": (Column("a", float, "a"), Column("a", int, "a"))}, "'a' cannot be a name"),
        ({"summary": (Column("roi_id", int, "a"),)}, "column 'roi_id' of type"),
        ({"summary": (Column("a", list, "a"),)}, "use float, int, str or bool"),  # type: ignore[arg-type]
        ({"tables": (ResultTable(name="b c", columns=()),)}, "'b c' cannot be a name"),
        (
            {"tables": (ResultTable(name="b", columns=(Column("params_hash", str, "x"),)),)},
            "column 'params_hash' of type",
        ),
    ],
)
def test_a_definition_that_breaks_a_rule(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(AnalysisDefinitionError, match=reason):
        replace(GOOD, **change)


def test_a_result_as_a_data_frame() -> None:
    result = Result(summary={"a": 1.0, "b": None}, tables={"t": {"x": [1, 2]}})
    assert result.to_pandas().to_dict("records") == [{"a": 1.0, "b": None}]
    assert result.to_pandas("t")["x"].tolist() == [1, 2]
