"""The parameters of an analysis: a frozen dataclass whose annotations say what may be given.

::

    @dataclass(frozen=True, slots=True, kw_only=True)
    class BrightnessParams:
        block_lines: Annotated[int, Param("lines per block", unit="lines", minimum=1)] = 100

From these annotations come the options of the command, the check of what a person gives, the hash
and the documentation. A field is a `bool`, `int`, `float`, `str` or a `Literal` of texts, may be
``None`` besides, or is such a dataclass itself; every field has a default.
"""

from __future__ import annotations

import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as type_hints

from kymflow.core.errors import AnalysisDefinitionError, AnalysisParameterError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from kymflow_zarr import JsonValue

P = TypeVar("P")

_PLAIN = (bool, int, float, str)


@dataclass(frozen=True, slots=True)
class Param:
    """What a parameter means, and which values it may have.

    Attributes:
        doc: What it means, in a few words.
        unit: The unit of its values.
        minimum: The smallest value.
        maximum: The largest value.
        above: A value that it must exceed.
        below: A value that it must stay below.
        multiple_of: What it must be a multiple of.
    """

    doc: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    multiple_of: int | None = None

    def rule(self) -> str:
        """The range as words; empty if there is none."""
        bounds = (
            ("a multiple of {}", self.multiple_of),
            ("at least {}", self.minimum),
            ("above {}", self.above),
            ("at most {}", self.maximum),
            ("below {}", self.below),
        )
        return ", ".join(text.format(value) for text, value in bounds if value is not None)

    def accepts(self, value: float) -> bool:
        """Whether a number lies in the range."""
        return (
            math.isfinite(value)
            and (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
            and (self.multiple_of is None or value % self.multiple_of == 0)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamInfo:
    """One parameter, as an option of a command or a line of documentation needs it.

    Attributes:
        name: Its name; that of a nested one is like ``stall_rule.merge_s``.
        type: ``bool``, ``int``, ``float`` or ``str``.
        choices: The only texts that it may be; empty if any.
        optional: Whether it may be None.
        default: The value if none is given.
        about: What it means, and its range.
    """

    name: str
    type: type[bool | int | float | str]
    choices: tuple[str, ...]
    optional: bool
    default: JsonValue
    about: Param

    def rule(self) -> str:
        """What may be given, as words."""
        allowed = " or ".join(repr(choice) for choice in self.choices) or _TYPE_WORDS[self.type]
        rule = self.about.rule()
        allowed += f", {rule}" if rule else ""
        return f"{allowed}, or None" if self.optional else allowed

    def accepts(self, value: object) -> bool:
        """Whether a value has the right type, and lies in the range."""
        match value:
            case None:
                return self.optional
            case bool():
                return self.type is bool
            case int():
                return self.type in {int, float} and self.about.accepts(value)
            case float():
                return self.type is float and self.about.accepts(value)
            case str():
                return self.type is str and (not self.choices or value in self.choices)
        return False


_TYPE_WORDS: Mapping[type, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
}


def describe_params(params: type[Any]) -> tuple[ParamInfo, ...]:
    """All parameters of a dataclass, in the order of its fields, nested ones in their place.

    Raises:
        AnalysisDefinitionError: It is not a frozen dataclass, or a field has no default, no `Param`
            or a type that parameters cannot have.
    """
    return tuple(_describe(params, ""))


def make_params(params: type[P], values: Mapping[str, object]) -> P:
    """Parameters with some values given and defaults for the rest.

    Args:
        params: The dataclass.
        values: Values by name, those of nested parameters by names like ``stall_rule.merge_s``.

    Raises:
        AnalysisParameterError: There is no such parameter, or a value is not accepted.
    """
    known = {info.name: info for info in describe_params(params)}
    for name, value in values.items():
        if name not in known:
            raise AnalysisParameterError(name, value, f"one of the parameters: {', '.join(known)}")
        if not known[name].accepts(value):
            raise AnalysisParameterError(name, value, known[name].rule())
    return _make(params, values, "")


def check_params(params: object) -> None:
    """Refuse parameters with a value of another type, or outside its range.

    Raises:
        AnalysisParameterError: It names the parameter.
    """
    for info in describe_params(type(params)):
        value = attrgetter(info.name)(params)
        if not info.accepts(value):
            raise AnalysisParameterError(info.name, value, info.rule())


def params_json(params: DataclassInstance) -> dict[str, JsonValue]:
    """The parameters as a JSON object, nested ones as objects in it."""
    return asdict(params)


def params_from_json(params: type[P], document: Mapping[str, JsonValue]) -> P:
    """The parameters that `params_json` made a document of; defaults for those it does not have.

    Raises:
        AnalysisParameterError: There is no such parameter, or a value is not accepted.
    """
    return make_params(params, dict(_flat(document, "")))


def _flat(document: Mapping[str, JsonValue], prefix: str) -> Iterator[tuple[str, JsonValue]]:
    """Nested parameters by names like ``stall_rule.merge_s``."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _describe(params: type[Any], prefix: str) -> Iterator[ParamInfo]:
    if not (is_dataclass(params) and _is_frozen(params)):
        raise AnalysisDefinitionError(f"{params!r} is not a frozen dataclass; make parameters one")
    try:
        hints = type_hints(params, include_extras=True)
    except NameError as error:
        raise AnalysisDefinitionError(
            f"a type of {params.__name__} cannot be found ({error}); import it at run time"
        ) from error
    for field in fields(params):
        name = f"{prefix}{field.name}"
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if default is MISSING:
            raise AnalysisDefinitionError(f"parameter {name!r} has no default; give it one")
        hint, about = _unwrap(hints[field.name])
        if isinstance(hint, type) and is_dataclass(hint):
            yield from _describe(hint, f"{name}.")
            continue
        if about is None:
            raise AnalysisDefinitionError(
                f"parameter {name!r} has no description; annotate it with a Param"
            )
        kind, choices, optional = _type_of(hint, name)
        info = ParamInfo(
            name=name, type=kind, choices=choices, optional=optional, default=default, about=about
        )
        if not info.accepts(default):
            raise AnalysisDefinitionError(
                f"the default {default!r} of parameter {name!r} is not accepted; "
                f"make it {info.rule()}"
            )
        yield info


def _is_frozen(params: type[Any]) -> bool:
    options: Any = params.__dataclass_params__
    return bool(options.frozen)


def _unwrap(hint: Any) -> tuple[Any, Param | None]:
    if get_origin(hint) is not Annotated:
        return hint, None
    inner, *marks = get_args(hint)
    return inner, next((mark for mark in marks if isinstance(mark, Param)), None)


def _type_of(hint: Any, name: str) -> tuple[type[Any], tuple[str, ...], bool]:
    """The plain type of a field, its choices, and whether it may be None."""
    options = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    optional = type(None) in options
    (*inner,) = (option for option in options if option is not type(None))
    if len(inner) == 1:
        choices = get_args(inner[0])
        if get_origin(inner[0]) is Literal and all(isinstance(text, str) for text in choices):
            return str, choices, optional
        if inner[0] in _PLAIN:
            return inner[0], (), optional
    raise AnalysisDefinitionError(
        f"parameter {name!r} is of type {hint!r}; use bool, int, float, str, a Literal of texts, "
        "one of them or None, or a dataclass of such fields"
    )


def _make(params: type[P], values: Mapping[str, object], prefix: str) -> P:
    hints = type_hints(params, include_extras=True)
    given: dict[str, object] = {}
    for name in hints:
        path = f"{prefix}{name}"
        hint, _ = _unwrap(hints[name])
        if path in values:
            given[name] = values[path]
        elif any(other.startswith(f"{path}.") for other in values):
            given[name] = _make(hint, values, f"{path}.")
    return params(**given)
