"""Numbers, units and dates as programs of all countries print them: for sure, or not at all."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kymflow_zarr._readers.clock import local_epoch_ns, stated_clock
from kymflow_zarr._readers.decimals import decimal_of, decimal_signs
from kymflow_zarr._readers.statements import Statements
from kymflow_zarr._readers.units import LENGTH, TIME, quantity

COMMA = frozenset({","})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0,450", "0.45"),
        ("8,5", "8.5"),
        ("34,020.000", "34020"),
        ("34.020,000", "34020"),
        ("1,234,567", "1234567"),
        ("1.234.567,5", "1234567.5"),
        ("34\u202f020,5", "34020.5"),
        ("34'020.5", "34020.5"),
        ("1,134E-03", "0.001134"),
        ("1e-05", "0.00001"),
        ("\u22123.5", "-3.5"),
        (" 12 ", "12"),
    ],
)
def test_numbers_that_can_be_read_in_one_way(text: str, value: str) -> None:
    assert decimal_of(text) == decimal_of(text, COMMA) == Decimal(value)


def test_one_separator_before_three_digits_is_settled_by_the_text_around() -> None:
    assert decimal_of("453,600") is None
    assert decimal_of("453,600", decimal_signs(["0,450", "12", "8,549"])) == Decimal("453.6")
    assert decimal_of("453,600", decimal_signs(["0.450", "0,450"])) is None
    assert decimal_of("453.600") == Decimal("453.6")
    assert decimal_of("453.600", decimal_signs(["0,450"])) is None


@pytest.mark.parametrize(
    "text",
    ["", "-", "1,23,4", "1.2.3", "1,2345,678", "1_000", "nan", "inf", "0x10", "12 um", "\u0661"],
)
def test_what_is_not_a_number(text: str) -> None:
    assert decimal_of(text) is None
    assert decimal_of(text, COMMA) is None


@given(
    st.decimals(0, 10**9, allow_nan=False, places=3),
    st.sampled_from([".", ","]),
    st.sampled_from(["", ".", ",", "'", " ", "\u00a0", "\u202f"]),
    st.integers(0, 3),
)
@example(Decimal("34020"), ",", ".", 0)
def test_a_printed_number_is_read_back_or_not_at_all(
    number: Decimal, sign: str, thousands: str, places: int
) -> None:
    assume(sign != thousands)

    def printed(value: Decimal) -> str:
        marks = str.maketrans({",": thousands, ".": sign})
        return f"{value:,.{places}f}".translate(marks)

    shown = Decimal(f"{number:.{places}f}")
    proof = decimal_signs([f"0{sign}45"])
    assert decimal_of(printed(number), proof) in {shown, None}
    if thousands not in {".", ","}:
        assert decimal_of(printed(number), proof) == shown


@given(st.text(alphabet="0123456789.,' -eE+\u202f", max_size=24))
def test_any_text_is_a_finite_number_or_none(text: str) -> None:
    for signs in (frozenset({"."}), COMMA, frozenset({".", ","})):
        number = decimal_of(text, signs)
        assert number is None or number.is_finite()


@pytest.mark.parametrize(
    "unit",
    [
        "\u00b5m",
        "\u03bcm",
        "\u00c2\u00b5m",
        "\u00ce\u00bcm",
        "\u00c3\u201a\u00c2\u00b5m",
        "\\u00B5m",
        "\\u03bcm",
        "&#181;m",
        "&micro;m",
        "\u0192\u00cam",
        "\u252c\u2561m",
        "\ufffdm",
        "\u339b",
        "um",
        "UM",
        "[um]",
        "um/pixel",
        "micron",
        "Microns",
        "micrometer",
        "micrometres",
        "Mikrometer",
        "microm\u00e8tres",
        "micr\u00f3metro",
        "\u5fae\u7c73",
        "\u043c\u043a\u043c",
        "\u6e2dm",
        "\u00ecm",
        "\u00b5",
    ],
)
def test_micrometres_by_every_name(unit: str) -> None:
    found = quantity("0.331", unit)
    assert found is not None
    assert (found.value, found.unit) == (0.331, LENGTH)


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [
        ("s", 1),
        ("sec", 1),
        ("Sec.", 1),
        ("seconds", 1),
        ("Sekunden", 1),
        ("secondes", 1),
        ("segundos", 1),
        ("\u79d2", 1),
        ("milisegundos", 1e-3),
        ("\u043c\u0441", 1e-3),
        ("ms", 1e-3),
        ("msec", 1e-3),
        ("milliseconds", 1e-3),
        ("Millisekunden", 1e-3),
        ("us", 1e-6),
        ("\u00b5s", 1e-6),
        ("\u00c2\u00b5s", 1e-6),
        ("microsec", 1e-6),
        ("ns", 1e-9),
        ("min", 60),
        ("minutes", 60),
        ("h", 3600),
        ("hr", 3600),
        ("hours", 3600),
        ("day", 86400),
    ],
)
def test_times_by_every_name(unit: str, seconds: float) -> None:
    found = quantity("1", unit)
    assert found is not None
    assert (found.value, found.unit) == (seconds, TIME)


@given(st.sampled_from(["\u00b5m", "\u03bcm", "\u00b5s"]), st.data())
def test_a_micro_sign_survives_a_program_that_reads_it_wrongly(
    unit: str, data: st.DataObject
) -> None:
    written = data.draw(st.sampled_from(["utf-8", "cp1252", "cp1253", "shift_jis", "gbk"]))
    read = data.draw(
        st.sampled_from(
            ["cp1252", "latin-1", "mac_roman", "cp437", "cp1251", "cp932", "gbk", "big5"]
        )
    )
    try:
        seen = unit.encode(written).decode(read)
    except UnicodeError:
        assume(False)
        raise
    assert quantity("1", seen) == quantity("1", unit)


@pytest.mark.parametrize(
    "unit",
    [
        *("inch", "frame", "lines", "reference frame", "kg", "", "pixel", "Hz", "x" * 99),
        *("Mm", "Ms", "Pm", "Ps"),  # mega- and peta-, or milli- and pico-
        *(
            "\u00fcm",
            "\u00b0m",
            "\u03b7s",
            "\u00e9c",
            "\u65e5m",
        ),  # no micro sign, whatever read them
    ],
)
def test_what_is_not_a_unit_of_length_or_time(unit: str) -> None:
    assert quantity("1", unit) is None


@pytest.mark.parametrize(
    ("value", "unit", "warned"),
    [
        ("453,600", "um", True),
        ("much", "um", True),
        ("1", "furlong", True),
        ("1", "ms", True),
        ("-1", "um", True),
        ("", "um", False),
        ("0", "um", False),
        ("1", "pixel", False),
    ],
)
def test_what_a_source_states_but_cannot_be_read_is_a_warning(
    value: str, unit: str, warned: bool
) -> None:
    stated = Statements(source="the lab's")
    assert stated.quantity(value, unit, of=LENGTH, what="pixel size") is None
    assert bool(stated.warnings) is warned
    assert all("the lab's pixel size" in warning for warning in stated.warnings)


@pytest.mark.parametrize(
    "text",
    [
        "07/22/2025 12:13:14 PM",
        "07/22/2025 12:13:14 pm",
        "22.07.2025 12:13:14",
        "22/07/2025 12:13:14",
        "2025/07/22 12:13:14",
        "2025-07-22 12:13:14",
        "2025-07-22T12:13:14",
        "2025-07-22T12:13:14+02:00",
        "22-Jul-2025 12:13:14",
        "22 Jul 2025 12:13:14",
        "22.07.2025, 12:13:14",
        "07/22/2025\u00a012:13:14\u202fPM",
        "07/22/25 12:13:14 PM",
        "22/07/2025 12:13:14 p. m.",
        "2025/07/22 \u5348\u5f8c 12:13:14",
    ],
)
def test_dates_that_can_be_read_in_one_way(text: str) -> None:
    warnings: list[str] = []
    expected = local_epoch_ns(datetime(2025, 7, 22, 12, 13, 14))
    assert stated_clock(text, what="the date", warnings=warnings) == expected
    assert warnings == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("05/07/2025 12:13:14", "several dates"),
        ("05-07-2025 03:13:14 p. m.", "several dates"),
        ("22/07/25 12:13:14", "several dates"),
        ("07/22/2025 15:13:14 PM", "not a known date"),
        ("31.02.2025 12:13:14", "not a known date"),
        ("yesterday", "not a known date"),
    ],
)
def test_dates_that_cannot_be_read_for_sure_are_warnings(text: str, says: str) -> None:
    warnings: list[str] = []
    assert stated_clock(text, what="the date", warnings=warnings) is None
    assert says in warnings[0]
    assert text in warnings[0]


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2190, 1, 1)),
    st.sampled_from(["%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m-%d-%Y %H:%M:%S"]),
)
def test_a_printed_date_is_read_back_or_not_at_all(wall: datetime, form: str) -> None:
    wall -= timedelta(microseconds=wall.microsecond)
    found = stated_clock(wall.strftime(form), what="the date", warnings=[])
    assert found in {None, local_epoch_ns(wall)}


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_warning(text: str) -> None:
    warnings: list[str] = []
    found = stated_clock(text, what="the date", warnings=warnings)
    assert found is not None or warnings or not text.strip()
