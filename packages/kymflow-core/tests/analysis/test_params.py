"""What an analysis' parameters may be, and what a person may give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from kymflow.core.analysis import Param, describe_params, make_params
from kymflow.core.analysis.params import check_params, params_json
from kymflow.core.analysis.velocity import StallRule, VelocityParams
from kymflow.core.errors import AnalysisDefinitionError, AnalysisParameterError


def test_velocitys_parameters_describe_themselves() -> None:
    known = {info.name: info for info in describe_params(VelocityParams)}
    assert list(known)[:3] == ["window_lines", "method", "tracked"]
    window = known["window_lines"]
    assert (window.type, window.default, window.about.unit) == (int, 16, "lines")
    assert window.rule() == "a whole number, a multiple of 4, at least 8, or None"
    assert known["method"].choices == ("shear", "radon")
    assert known["max_px_per_line"].optional
    assert known["stall_rule.merge_s"].default == 0.1
    assert all(info.about.doc for info in known.values())


def test_values_are_given_by_name() -> None:
    params = make_params(
        VelocityParams, {"window_lines": 32, "max_px_per_line": 3, "stall_rule.merge_s": 0.5}
    )
    assert params == VelocityParams(
        window_lines=32, max_px_per_line=3, stall_rule=StallRule(merge_s=0.5)
    )
    assert make_params(VelocityParams, {}) == VelocityParams()


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("window", 16, "one of the parameters: window_lines, method"),
        ("window_lines", 10, "a whole number, a multiple of 4, at least 8"),
        ("window_lines", 4, "at least 8"),
        ("window_lines", 16.0, "a whole number"),
        ("window_lines", True, "a whole number"),
        ("method", None, "'shear' or 'radon'"),
        ("window_lines", "16", "a whole number"),
        ("method", "fourier", "'shear' or 'radon'"),
        ("tracked", 1, "True or False"),
        ("max_px_per_line", 0, "a number, above 0, or None"),
        ("max_px_per_line", float("nan"), "a number"),
        ("unknown_below", 1.0, "below 1"),
        ("stall_rule.merge_s", -0.1, "at least 0"),
        ("stall_rule", StallRule(), "one of the parameters"),
    ],
)
def test_what_is_not_accepted(name: str, value: object, rule: str) -> None:
    with pytest.raises(AnalysisParameterError) as caught:
        make_params(VelocityParams, {name: value})
    assert caught.value.parameter == name
    assert caught.value.value is value
    assert rule in caught.value.rule


def test_parameters_that_were_made_by_hand_are_checked() -> None:
    check_params(VelocityParams(window_lines=8))
    with pytest.raises(AnalysisParameterError, match="window_lines=9"):
        check_params(VelocityParams(window_lines=9))
    with pytest.raises(AnalysisParameterError, match=r"stall_rule\.stall_s=inf"):
        check_params(VelocityParams(stall_rule=StallRule(stall_s=float("inf"))))


def test_the_json_of_parameters_is_that_of_version_0_1() -> None:
    assert params_json(VelocityParams()) == {
        "window_lines": 16,
        "method": "shear",
        "tracked": True,
        "max_px_per_line": None,
        "unknown_below": None,
        "correct_scan_speed": False,
        "stall_rule": {
            "enter_share": 0.05,
            "leave_share": 0.15,
            "merge_s": 0.1,
            "minimum_s": 0.2,
            "stall_s": 1.0,
        },
    }


@dataclass
class Mutable:
    """Not frozen."""

    a: Annotated[int, Param("a")] = 1


@dataclass(frozen=True)
class NoDefault:
    """A field without a default."""

    a: Annotated[int, Param("a")]


@dataclass(frozen=True)
class NoParam:
    """A field without an explanation."""

    a: int = 1


@dataclass(frozen=True)
class OddType:
    """A field of a type that JSON and options cannot hold."""

    a: Annotated[tuple[int, ...], Param("a")] = ()


@dataclass(frozen=True)
class OddDefault:
    """A default outside its range."""

    a: Annotated[int, Param("a", minimum=2)] = 1


@dataclass(frozen=True)
class OddLiteral:
    """Choices that are not texts."""

    a: Annotated[Literal[1, 2], Param("a")] = 1


@dataclass(frozen=True)
class OddInside:
    """A nested dataclass that breaks a rule."""

    inside: NoParam = field(default_factory=NoParam)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        (Mutable, "is not a frozen dataclass"),
        (int, "is not a frozen dataclass"),
        (NoDefault, "parameter 'a' has no default; give it one"),
        (NoParam, "parameter 'a' has no description; annotate it with a Param"),
        (OddType, "use bool, int, float, str"),
        (OddDefault, "the default 1 of parameter 'a' is not accepted; make it a whole number, at"),
        (OddLiteral, "use bool, int, float, str"),
        (OddInside, r"parameter 'inside\.a' has no description"),
    ],
)
def test_a_dataclass_that_cannot_be_parameters(params: type[Any], reason: str) -> None:
    with pytest.raises(AnalysisDefinitionError, match=reason):
        describe_params(params)
