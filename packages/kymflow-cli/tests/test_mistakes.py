"""What people get wrong is answered in their words, with what to do, and changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

Kymflow = Callable[..., tuple[int, str, str]]

EVERY = ("--where", "true")


def refusal(words: tuple[str, ...], dataset: str, kymflow: Kymflow) -> tuple[str, str]:
    """What a verb says, and what it advises, when it is used wrongly."""
    verb, *others = words
    code, _, err = kymflow(verb, dataset, *others)
    said, todo = err.splitlines()
    assert code == 2
    return said, todo


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("calibrate", "--um", "0,25", *EVERY), "--um is '0,25', not a number"),
        (("calibrate", "--um", "-1", *EVERY), 'invalid value "-1.0" for --um'),
        (("calibrate", "--line-ms", "nan", *EVERY), 'invalid value "nan" for --line-ms'),
        (("calibrate", "--um", "1"), "for all images: --where true"),
        (("table", "image_summary", "--rows", "x"), "--rows is 'x', not a whole number"),
        (("mark", "a", "one", "two"), "START is 'one', not a number"),
        (("exclude", "a"), "--reason is missing"),
        (("exclude", "a", "--reason"), "--reason needs a value"),
        (("analyze",), "ANALYSIS is missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_command_line_is_explained(
    words: tuple[str, ...], said: str, dataset: str, kymflow: Kymflow
) -> None:
    verb, *others = words
    code, _, err = kymflow(verb, dataset, *others)
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (("query", "SELECT shap FROM kym_image_summary"), "no column 'shap'", "'shape'"),
        (("query", "SELECT * FROM kym_image_sumary"), "no table", "'kym_image_summary'"),
        (("query", "SELCT 1"), "error: syntax error at", "the tables are: "),
        (("exclude", "--reason", "x", "--where", "fold = 1"), "no column 'fold'", "'folder'"),
        (
            ("exclude", "--reason", "x", "--where", "file = zz"),
            "no column 'zz'",
            "quotes, as in 'zz'",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_sql_is_explained(
    words: tuple[str, ...], error: str, hint: str, dataset: str, kymflow: Kymflow
) -> None:
    pytest.importorskip("duckdb")
    said, todo = refusal(words, dataset, kymflow)
    assert error in said
    assert hint in todo
    assert "Binder" not in said + todo


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (("metadata", "--import", "never.csv"), "'never.csv': No such file", "check the path"),
        (("metadata", "--folders", "{a}/{a}"), "the pattern '{a}/{a}'", "each field once"),
        (("relocate", "before", "never"), "there is no '", "check the path"),
        (("export", "."), "would lie among the recordings", "choose a folder"),
        (("export",), "error: no destination is given", "name a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_place_that_is_not_there_or_not_for_it_is_a_matter_of_usage(
    words: tuple[str, ...],
    error: str,
    hint: str,
    dataset: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    kymflow: Kymflow,
) -> None:
    monkeypatch.chdir(folder)
    said, todo = refusal(words, dataset, kymflow)
    assert error in said
    assert hint in todo


def test_an_ambiguous_name_is_answered_with_names_that_are_not(
    dataset: str, folder: Path, kymflow: Kymflow
) -> None:
    for place in ("one", "two"):
        (folder / place).mkdir()
        shutil.copy(folder / "a.tif", folder / place / "new.tif")
    kymflow("ingest", str(folder), dataset, "--recursive", "--settle", "0")
    code, _, err = kymflow("exclude", dataset, "new.tif", "--reason", "x")
    assert code == 2
    assert "'new.tif' matches 2 images: 'one/new.tif', 'two/new.tif'" in err
    assert kymflow("exclude", dataset, "one/new.tif", "--reason", "x")[0] == 0


def test_status_counts_new_files_in_subfolders(
    tmp_path: Path, folder: Path, kymflow: Kymflow
) -> None:
    (tmp_path / "all").mkdir()
    shutil.move(folder, tmp_path / "all" / "day1")
    dataset = str(tmp_path / "new.zarr")
    kymflow("ingest", str(tmp_path / "all"), dataset)
    _, _, err = kymflow("status", dataset)
    assert "3 new image files lie in subfolders" in err
    assert "--recursive" in err


def test_a_metadata_verb_without_its_dataset_says_the_order(kymflow: Kymflow) -> None:
    code, _, err = kymflow("metadata", "import", "animals.csv", "--on", "animal")
    assert code == 2
    assert "the dataset comes first" in err
    assert "kymflow metadata DATASET --import CSV" in err
