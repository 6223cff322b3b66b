"""Text for terminals, JSON and spreadsheets, whatever the data holds."""

from __future__ import annotations

import json
import os
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow.cli.safe_text import command, escape_json, show
from kymflow.cli.text_table import layout

any_text = st.text(st.characters(codec=None, exclude_categories=()))


@given(any_text)
def test_shown_text_is_one_printable_line(text: str) -> None:
    shown = show(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


@given(any_text)
def test_json_is_printable_and_means_the_same(text: str) -> None:
    line = escape_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert line.isprintable()
    assert json.loads(line) == {text: [text]}


def test_a_pipe_gets_tabs_and_exact_values() -> None:
    table = layout(
        ("name", "value"), [("a\tb", 1.0), ("long", 12.3456789), (None, None)], width=None
    )
    assert table.header == "name\tvalue"
    assert table.lines == (r"a\tb" + "\t1.0", "long\t12.3456789", "\t")


def test_numbers_stand_right_and_are_short() -> None:
    table = layout(("name", "value"), [("a", 1.0), ("long", 12.3456789), ("b", None)], width=80)
    assert table.header == "name    value"
    assert table.lines == ("a           1", "long  12.3457", "b")


def test_texts_are_wrapped_and_numbers_never_cut() -> None:
    rows = [("some words " * 3, "short", 123456789)]
    table = layout(("first", "two", "number"), rows, width=30)
    assert "".join(table.lines).count("some words") == 3
    assert table.lines[0].endswith("short  123456789")
    assert max(map(len, table.lines)) <= 30
    assert table.hidden == ()


def test_ids_are_cut_before_names() -> None:
    rows = [("0f8fad5b-d9cb-469f-a165-70867728950e", "a_name_to_be_read.tif")]
    table = layout(("id", "file"), rows, width=32)
    assert table.lines == ("0f8fad5…  a_name_to_be_read.tif",)


def test_columns_that_do_not_fit_are_named() -> None:
    table = layout(("a", "b", "c"), [("x" * 9, "y" * 9, 123456789)], width=24)
    assert table.hidden == ("c",)
    assert table.lines == (f"{'x' * 9}  {'y' * 9}",)


def test_columns_without_values_make_room_where_it_is_narrow() -> None:
    rows = [("a.tif", None, 0.123456), ("b.tif", None, 1.5)]
    narrow = layout(("file", "acquired", "median"), rows, width=20)
    assert (narrow.empty, narrow.hidden) == (("acquired",), ())
    assert narrow.lines == ("a.tif  0.123456", "b.tif       1.5")
    assert layout(("file", "acquired", "median"), rows, width=30).empty == ()


def test_paths_are_cut_by_what_they_share_and_names_are_not_broken() -> None:
    folder = "/data/lab of ours/2026"
    rows = [(f"recording_{n:04d}.tif", f"{folder}/m{n}/day1", float(n)) for n in range(2)]
    table = layout(("file", "folder", "value"), [*rows, ("none", "", 2.0)], width=44)
    assert table.lines == (
        "recording_0000.tif  …/m0/day1      0",
        "recording_0001.tif  …/m1/day1      1",
        "none                               2",
    )
    assert layout(("folder",), [(f"{folder}/m1",), (f"{folder}/m2",)], width=60).lines == (
        f"{folder}/m1",
        f"{folder}/m2",
    )


def test_wide_characters_take_two_cells() -> None:
    table = layout(("name", "n"), [("血流", 1), ("abcd", 2)], width=80)
    assert table.lines == ("血流  1", "abcd  2")


cell_values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), any_text)


@given(
    st.lists(st.tuples(cell_values, cell_values, cell_values), max_size=5),
    st.integers(20, 200),
)
def test_any_values_make_a_table_of_printable_lines(
    rows: list[tuple[object, object, object]], width: int
) -> None:
    table = layout(("a", "b", "c"), rows, width=width)
    assert len(table.lines) >= len(rows)
    assert all(line.isprintable() for line in table.lines)
    piped = layout(("a", "b", "c"), rows, width=None)
    assert len(piped.lines) == len(rows)
    assert all(line.count("\t") == 2 for line in piped.lines)


@pytest.mark.parametrize("text", ["", "plain", "µm - Gefäß"])
def test_harmless_text_stays(text: str) -> None:
    assert show(text) == escape_json(text) == text


@pytest.mark.skipif(os.name == "nt", reason="quotes of other shells")
def test_commands_in_hints_can_be_copied() -> None:
    assert command("ls", "lab.zarr") == "kymflow ls lab.zarr"
    assert command("ls", "my lab.zarr", "--sort", "id") == "kymflow ls 'my lab.zarr' --sort id"
    assert shlex.split(command("ls", "$(rm -r ~); it's `me`"))[2] == "$(rm -r ~); it's `me`"
    assert command("ls", "\x1b[2J\n") == r"kymflow ls '\x1b[2J\n'"
