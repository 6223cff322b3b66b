"""Olympus headers from computers that are set up in other ways."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kymflow_zarr._readers.facts import Facts
from kymflow_zarr._readers.headers.olympus_txt import read_olympus_text
from kymflow_zarr._readers.vendor_text import decode_vendor_text

Text = Callable[..., str]


def steps_of(facts: Facts) -> dict[str, float]:
    return {axis: step.value for axis, step in facts.steps.items()}


def with_commas(text: str) -> str:
    """Every number but those of the date with a decimal comma."""
    lines = text.splitlines(keepends=True)
    return "".join(
        line if line.startswith('"Date"') else re.sub(r"(\d)\.(\d)", r"\1,\2", line)
        for line in lines
    )


def test_decimal_commas(olympus_text: Text) -> None:
    facts = read_olympus_text(with_commas(olympus_text()))
    assert steps_of(facts) == {"x": 0.45, "t": 0.001134}
    assert facts.vendor["zoom"] == 2.21
    assert facts.vendor["dwell_time_us"] == 2.0
    assert facts.warnings == ()


@pytest.mark.parametrize(
    "duration", ["68,040.000", "68\u202f040.000", "68\u2007040.000", "68'040.000"]
)
def test_thousands_are_parted_in_many_ways(olympus_text: Text, duration: str) -> None:
    text = olympus_text(duration=duration, t_end="67.905").replace("7 * 60", "7 * 60,000")
    assert steps_of(read_olympus_text(text)) == {"x": 0.45, "t": 0.001134}
    assert read_olympus_text(text).pixels == {"x": 7, "t": 60_000}


def test_thousands_and_decimal_comma(olympus_text: Text) -> None:
    text = olympus_text(duration="68.040.000", t_end="67.905").replace("7 * 60", "7 * 60.000")
    text = with_commas(text).replace("68,040,000", "68.040,000").replace("60,000 ", "60.000 ")
    assert steps_of(read_olympus_text(text)) == {"x": 0.45, "t": 0.001134}


@given(st.characters(exclude_characters="0123456789.,eE"), st.integers(0, 6))
@example("*", 1)
def test_a_number_is_read_as_a_whole_or_not_at_all(
    olympus_text: Text, character: str, place: int
) -> None:
    """Whatever stands between its digits, its last digits alone are never a duration."""
    duration = f"{'68.040'[:place]}{character}{'68.040'[place:]}"
    facts = read_olympus_text(olympus_text(duration=duration, t_end="?"))
    period = steps_of(facts).get("t")
    assert period == 0.001134 or (period is None and facts.warnings)


def test_the_dwell_time_has_its_unit(olympus_text: Text) -> None:
    text = olympus_text().replace("2.0 [us/pixel]", "0.002 [ms/pixel]")
    assert read_olympus_text(text).vendor["dwell_time_us"] == 2.0


def test_a_number_that_can_be_two_is_not_used(olympus_text: Text) -> None:
    """The other numbers have points, so this comma may part thousands, or not."""
    facts = read_olympus_text(olympus_text(duration="68,040"))
    assert steps_of(facts)["t"] == pytest.approx(0.001134, rel=0.01)
    assert "extent along 't', '68,040' 'ms', cannot be interpreted" in facts.warnings[0]
    assert "rounded T Dimension" in facts.warnings[1]


def test_two_numbers_that_contradict_each_other(olympus_text: Text) -> None:
    facts = read_olympus_text(olympus_text(duration="680.40"))
    assert "0.01134 s a pixel or line" in facts.warnings[0]
    assert len(facts.warnings) == 1


@pytest.mark.parametrize("unit", ["\u00b5m", "\u03bcm", "micron"])
@pytest.mark.parametrize("encoding", ["utf-8", "shift_jis", "gbk", "cp1252", "utf-16"])
def test_units_of_all_encodings(olympus_text: Text, unit: str, encoding: str) -> None:
    data = olympus_text().replace("um", unit).encode(encoding, errors="replace")
    assert steps_of(read_olympus_text(decode_vendor_text(data))) == {"x": 0.45, "t": 0.001134}


def test_a_unit_that_is_not_known_is_a_warning(olympus_text: Text) -> None:
    facts = read_olympus_text(olympus_text().replace("[um/pixel]", "[cubit/pixel]"))
    assert steps_of(facts) == {"t": 0.001134}
    assert "pixel size along 'x', '0.450' 'cubit', cannot be interpreted" in facts.warnings[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"\t": "    "},
        {'"': ""},
        {"\t": ","},
        {"\t": ";"},
        {"\t": "    ", '"': ""},
        {"\r\n": "\r"},
        {'"XT"': '"xt"'},
    ],
    ids=["spaces", "no quotes", "commas", "semicolons", "plain", "old Mac", "lower case"],
)
def test_rows_that_went_through_an_editor(olympus_text: Text, changes: dict[str, str]) -> None:
    text = olympus_text()
    for old, new in changes.items():
        text = text.replace(old, new)
    plain, facts = read_olympus_text(olympus_text()), read_olympus_text(text)
    assert facts.line_scan
    assert facts.steps == plain.steps
    assert facts.channels == plain.channels
    assert facts.pixels == plain.pixels
    assert facts.warnings == ()


def test_a_long_row_is_read_at_once(olympus_text: Text) -> None:
    """Numbers are looked for in a bounded part of a row."""
    long = '"X Dimension"\t"' + "1" * 3_000_000 + " " * 3_000_000 + '"\r\n'
    facts = read_olympus_text(long + olympus_text())
    assert steps_of(facts) == {"x": 0.45, "t": 0.001134}
