"""Experiment fields of many images: from a CSV file, and from the names of folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from kymflow.core.decisions import (
    apply_rule,
    import_metadata,
    load_rules,
    new_act_id,
    set_fields,
    set_fields_from_folders,
    undo,
)
from kymflow.core.errors import MetadataError, MetadataFileError
from kymflow.core.metadata import ExperimentMetadata, FolderPattern, load_metadata, load_source
from kymflow_zarr import ZarrDataset


@pytest.fixture
def dataset(tmp_path: Path) -> ZarrDataset:
    """Three animals, two days each, one recording a day."""
    for animal in ("m1", "m2", "m10"):
        for day in ("day1", "day2"):
            folder = tmp_path / "in" / animal / day
            folder.mkdir(parents=True)
            tifffile.imwrite(folder / "run1.tif", np.zeros((8, 4), np.uint16))
    dataset = ZarrDataset(tmp_path / "out.zarr")
    dataset.sources.refresh(tmp_path / "in", "**/*.tif")
    return dataset


def experiments(dataset: ZarrDataset) -> dict[str, ExperimentMetadata]:
    """By animal and day."""
    return {
        "/".join(load_source(record).folders[-2:]): load_metadata(record).experiment
        for record in dataset.values()
    }


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "animals.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_line_per_animal_reaches_all_its_images(dataset: ZarrDataset, tmp_path: Path) -> None:
    csv = write(
        tmp_path,
        "folder,genotype,depth,cage,weight\nm1,wt,120,007,21.5\nm2,ko,,008,\nm9,wt,1,009,20\n",
    )
    found = import_metadata(dataset, csv, on="folder")
    assert len(found.matched) == len(found.changed) == 4
    assert len(found.unmatched_images) == 2
    assert found.unmatched_lines == {4: "m9"}
    assert found.failures == {}
    said = experiments(dataset)
    assert [said[f"m1/day{n}"].genotype for n in (1, 2)] == ["wt", "wt"]
    assert (said["m1/day1"].depth, said["m2/day1"].depth) == (120, None)
    assert said["m1/day1"].extra == {"cage": "007", "weight": 21.5}
    assert said["m2/day2"].extra == {"cage": "008"}
    assert said["m10/day1"] == ExperimentMetadata()


def test_an_import_again_changes_nothing_and_one_undo_takes_all_of_it_back(
    dataset: ZarrDataset, tmp_path: Path
) -> None:
    csv = write(tmp_path, "folder,genotype\nm1,wt\nm2,ko\n")
    import_metadata(dataset, csv, on="folder")
    again = import_metadata(dataset, csv, on="folder")
    assert (len(again.matched), again.changed) == (4, ())
    assert len(undo(dataset)) == 4
    assert set(map(str, experiments(dataset).values())) == {str(ExperimentMetadata())}


@pytest.mark.parametrize("name", ["m2/day1/run1.tif", "m2/day1/run1", r"m2\day1\run1.tif"])
def test_a_line_names_a_file_by_the_end_of_its_path(
    dataset: ZarrDataset, tmp_path: Path, name: str
) -> None:
    csv = write(tmp_path, f"file;condition\n{name};baseline\n")
    found = import_metadata(dataset, csv, on="file")
    assert len(found.changed) == 1
    assert experiments(dataset)["m2/day1"].condition == "baseline"


def test_fields_come_from_the_names_of_folders_and_lead_to_more(
    dataset: ZarrDataset, tmp_path: Path
) -> None:
    found = set_fields_from_folders(dataset, "{animal}/day{day}")
    assert len(found.changed) == 6
    assert experiments(dataset)["m10/day2"].extra == {"animal": "m10", "day": "2"}
    csv = write(tmp_path, "animal\tsex\nm10\tf\n")
    found = import_metadata(dataset, csv, on="animal")
    assert len(found.changed) == 2
    assert experiments(dataset)["m10/day2"].sex == "f"
    assert experiments(dataset)["m1/day2"].sex == ""


def test_a_bad_value_is_reported_and_stops_only_its_images(
    dataset: ZarrDataset, tmp_path: Path
) -> None:
    csv = write(tmp_path, "folder,depth\nm1,deep\nm2,80\n")
    found = import_metadata(dataset, csv, on="folder")
    assert len(found.failures) == 2
    for error in found.failures.values():
        assert isinstance(error, MetadataError)
        assert error.field == "experiment_metadata.depth"
        assert str(error).endswith("give another value")
    assert {str(e.depth) for e in experiments(dataset).values()} == {"None", "80"}


def test_images_with_malformed_metadata_stop_only_themselves(
    dataset: ZarrDataset, tmp_path: Path
) -> None:
    bad, *_ = dataset
    dataset.record(bad).save_metadata_payload({"experiment_metadata": {"depth": "deep"}})
    csv = write(tmp_path, "animal,sex\nm1,f\n")
    found = import_metadata(dataset, csv, on="animal")
    assert list(found.failures) == [bad]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("animal,sex\nm1,f\n", "it has no column 'folder'"),
        ("folder,sex,sex\nm1,f,m\n", "two columns .sex.; rename one"),
        ("folder,sex\nm1,f,m\n", "line 2 has more cells"),
        ("folder,sex\n,f\n", "line 2 has no 'folder'"),
        ('folder,sex\n"m1,f\n', "it is not CSV"),
    ],
)
def test_a_file_that_is_not_such_a_table_is_refused(
    dataset: ZarrDataset, tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(MetadataFileError, match=reason):
        import_metadata(dataset, write(tmp_path, text), on="folder")


def test_lines_that_contradict_each_other_are_refused(dataset: ZarrDataset, tmp_path: Path) -> None:
    csv = write(tmp_path, "folder,genotype,sex\nm1,wt,f\nm2,ko,\nm1,ko,f\n")
    with pytest.raises(MetadataFileError, match="'wt' in line 2 and 'ko' in line 4; keep one"):
        import_metadata(dataset, csv, on="folder")
    assert not load_rules(dataset)
    csv = write(tmp_path, "folder,genotype,sex\nm1,wt,\nm1,wt,f\n")
    assert len(import_metadata(dataset, csv, on="folder").changed) == 2


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_number_may_have_a_decimal_comma_beside_other_delimiters(
    dataset: ZarrDataset, tmp_path: Path, delimiter: str
) -> None:
    csv = write(tmp_path, "\ufefffolder;depth;note\nm1;12,5;a, b\n".replace(";", delimiter))
    import_metadata(dataset, csv, on="folder")
    said = experiments(dataset)["m1/day1"]
    assert (said.depth, said.note) == (12.5, "a, b")


def test_a_file_in_another_encoding_is_refused(dataset: ZarrDataset, tmp_path: Path) -> None:
    path = tmp_path / "animals.csv"
    path.write_bytes("folder,note\nm1,Mäuse\n".encode("latin-1"))
    with pytest.raises(MetadataFileError, match="save it as UTF-8"):
        import_metadata(dataset, path, on="folder")


@pytest.mark.parametrize("text", ["", "animal", "{}", "{a}/{a}"])
def test_a_pattern_names_each_field_once(text: str) -> None:
    with pytest.raises(ValueError, match="give each field once"):
        FolderPattern.parse(text)


@pytest.mark.parametrize(
    ("pattern", "folders", "found"),
    [
        ("{animal}/{date}", ("data", "m1", "2026-01-31"), {"animal": "m1", "date": "2026-01-31"}),
        ("{animal}/{date}", ("m1",), None),
        ("m{n}/*", ("m12", "anything"), {"n": "12"}),
        ("m{n}/*", ("x12", "anything"), None),
        ("{animal}_{cage no}", ("m1_7",), {"animal": "m1", "cage no": "7"}),
    ],
)
def test_a_pattern_is_for_the_innermost_folders(
    pattern: str, folders: tuple[str, ...], found: dict[str, str] | None
) -> None:
    assert FolderPattern.parse(pattern).match(folders) == found


def test_a_field_is_cleared_by_none(dataset: ZarrDataset) -> None:
    record = next(iter(dataset.values()))
    assert set_fields(record, {"genotype": "wt", "cage": 7})
    assert set_fields(record, {"genotype": None, "cage": None})
    assert load_metadata(record).experiment == ExperimentMetadata()


def test_a_rule_holds_for_images_to_come_until_it_is_undone(
    dataset: ZarrDataset, tmp_path: Path
) -> None:
    set_fields_from_folders(dataset, "{animal}/{day}", author="Ada")
    for _ in range(2):
        import_metadata(dataset, write(tmp_path, "animal,sex\nm1,f\nm3,m\n"), on="animal")
    first, second = load_rules(dataset)
    assert (first.author, dict(first.document)) == ("Ada", {"folders": "{animal}/{day}"})
    assert second.document["on"] == "animal"

    (tmp_path / "in/m3/day1").mkdir(parents=True)
    tifffile.imwrite(tmp_path / "in/m3/day1/run1.tif", np.ones((8, 4), np.uint16))
    new = dataset.sources.refresh(tmp_path / "in", "**/*.tif")
    step = new_act_id()
    assert [apply_rule(dataset, rule, new, step=step) for rule in load_rules(dataset)] == [{}, {}]
    experiment = experiments(dataset)["m3/day1"]
    assert (experiment.sex, experiment.extra) == ("m", {"animal": "m3", "day": "day1"})

    assert len(undo(dataset)) == 2, "what the rules did to new images is one step"
    assert len(load_rules(dataset)) == 2
    undo(dataset)
    assert load_rules(dataset) == (first,)


def test_decisions_on_some_images_are_not_rules(dataset: ZarrDataset) -> None:
    one, *_ = dataset
    assert set_fields_from_folders(dataset, "{day}", image_ids=[one]).changed == (one,)
    assert load_rules(dataset) == ()
