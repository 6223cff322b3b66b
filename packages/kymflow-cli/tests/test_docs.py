"""The page about the command: nothing is missing from it."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable
from pathlib import Path

import pytest

from kymflow.cli.app import build_app

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
VERBS = [name for name in build_app() if not name.startswith("-")]

Kymflow = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def page() -> str:
    if not PAGE.is_file():
        pytest.skip("the docs are not in this distribution")
    return PAGE.read_text(encoding="utf-8")


def section(page: str, verb: str) -> str:
    """The part of the page about a verb."""
    _, _, rest = page.partition(f"\n## kymflow {verb}\n")
    return rest.partition("\n## ")[0]


def test_every_verb_has_a_section_and_no_other_has() -> None:
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    if not page:
        pytest.skip("the docs are not in this distribution")
    assert sorted(re.findall(r"^## kymflow (\w+)$", page, re.MULTILINE)) == sorted(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_documented(page: str, verb: str, kymflow: Kymflow) -> None:
    _, shown, _ = kymflow(verb, "--help")
    own, _, common = shown.partition("─ Everywhere ")
    for text, part in ((own, section(page, verb)), (common, page.partition("\n## kymflow ")[0])):
        options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", re.sub(r"\[.*?\]", "", text)))
        options.discard("-")
        told = set(re.findall(r"`(--?[a-z][a-z-]*)`", part))
        assert options <= told, options - told
    in_section = {
        name
        for row in re.findall(r"^\| (`-.+?) \|", section(page, verb), re.MULTILINE)
        for name in re.findall(r"`(--?[a-z-]+)`", row)
    }
    assert in_section <= set(re.findall(r"--?[a-z][a-z-]*", own)), (
        "the page has options that are gone"
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_json_field_is_documented(page: str, verb: str) -> None:
    function = build_app()[verb].default_command
    assert function is not None
    returned = typing.get_type_hints(function)["return"]
    told = set(re.findall(r"`([a-z_]+)`", section(page, verb)))
    common = {"verb", "ok", "exit_code", "items"}
    for result in typing.get_args(returned) or (returned,):
        (item_type, *_) = typing.get_args(typing.get_type_hints(result)["items"])
        records = typing.get_args(item_type) or (item_type,)
        for kind in [result, *(record for record in records if dataclasses.is_dataclass(record))]:
            fields = {
                field.name
                for field in dataclasses.fields(kind)
                if field.metadata.get("json", True) and field.name not in common
            }
            assert fields <= told, f"{kind.__name__}: {fields - told}"
