"""What the layer does for every analysis: regions, status, labels, failures, storage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from kymflow.core.analysis import (
    Analysis,
    AnalysisOutcome,
    Calibration,
    Column,
    Param,
    Region,
    Result,
    ResultTable,
    image_status,
    is_current,
    list_labels,
    load_result_table,
    load_results,
    regions_of,
    run_analysis,
)
from kymflow.core.errors import (
    AnalysisParameterError,
    AnalysisResultError,
    MetadataError,
    OtherParametersError,
)
from kymflow.core.metadata import (
    Header,
    RoiChange,
    delete_roi,
    edit_roi,
    image_extent,
    load_metadata,
    save_metadata,
)
from kymflow.core.provenance import params_hash
from kymflow_zarr import (
    CorruptDataError,
    InvalidNameError,
    ReadOnlyError,
    ZarrDataset,
    ZarrImageRecord,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrightnessParams:
    """What a person chooses."""

    block_lines: Annotated[int, Param("lines per block", unit="lines", minimum=1)] = 10
    of: Annotated[Literal["mean", "max"], Param("what of a block")] = "mean"


def measure(
    pixels: NDArray[Any], calibration: Calibration, params: BrightnessParams, region: Region
) -> Result:
    """Brightness over time."""
    if not pixels.any():
        raise ValueError("no light")
    starts = np.arange(0, len(pixels), params.block_lines)
    reduce = np.mean if params.of == "mean" else np.max
    values = [float(reduce(pixels[at : at + params.block_lines])) for at in starts]
    return Result(
        summary={"brightness": np.mean(values), "seconds": calibration.seconds_per_line},
        tables={"blocks": {"line": starts + region.lines[0], "brightness": values}},
    )


BRIGHTNESS = Analysis(
    name="brightness",
    version="1",
    params=BrightnessParams,
    run=measure,
    summary=(
        Column("brightness", float, "mean over all blocks", "counts"),
        Column("seconds", float, "line period", "s"),
    ),
    tables=(
        ResultTable(
            name="blocks",
            columns=(
                Column("line", int, "first line of the block", "lines"),
                Column("brightness", float, "brightness of the block", "counts"),
            ),
        ),
    ),
)

COARSE = BrightnessParams(block_lines=20)


def run(dataset: ZarrDataset, **options: Any) -> list[AnalysisOutcome]:
    return list(run_analysis(dataset, options.pop("analysis", BRIGHTNESS), **options))


def states(record: ZarrImageRecord, **options: Any) -> dict[int | None, tuple[str, ...]]:
    """For each ROI its state, and what has changed."""
    options = {"params": BrightnessParams(), **options}
    status = image_status(record, options.pop("analysis", BRIGHTNESS), **options)
    return {one.region.roi_id: (one.state, *one.causes) for one in status.regions}


def change_roi(record: ZarrImageRecord, roi_id: int, **change: Any) -> None:
    metadata = load_metadata(record)
    rois = edit_roi(metadata.rois, roi_id, image_extent(record), RoiChange(**change))
    save_metadata(record, replace(metadata, rois=rois))


# --- what is computed -------------------------------------------------------------------------


def test_a_result_is_that_of_the_function_on_the_regions_pixels(
    dataset: ZarrDataset, two_rois: ZarrImageRecord
) -> None:
    (outcome,) = run(dataset)
    assert [region.roi_id for region in outcome.computed] == [1, 2]
    pixels = two_rois.load_array()
    for entry, half in zip(load_results(two_rois, BRIGHTNESS).results, (0, 6), strict=True):
        assert entry.values == {
            "brightness": pytest.approx(pixels[:, half : half + 6].mean()),
            "seconds": 1e-3,
        }
    blocks = load_result_table(two_rois, BRIGHTNESS, "blocks")
    assert blocks["line"].tolist() == [0, 10, 20, 30] * 2
    assert blocks["roi_id"].tolist() == [1] * 4 + [2] * 4


def test_what_decided_a_result_is_found_by_its_hash(
    dataset: ZarrDataset, two_rois: ZarrImageRecord
) -> None:
    run(dataset)
    stored = load_results(two_rois, BRIGHTNESS)
    for entry in stored.results:
        document = stored.params[entry.params_hash]
        assert params_hash(document) == entry.params_hash
        assert document["parameters"] == {"block_lines": 10, "of": "mean"}
        assert document["pixels_digest"] == two_rois.pixels_digest


def test_only_what_is_not_current_is_computed(
    dataset: ZarrDataset, two_rois: ZarrImageRecord
) -> None:
    assert [outcome.status for outcome in run(dataset)] == ["ok"]
    assert [outcome.status for outcome in run(dataset)] == ["skipped"]
    change_roi(two_rois, 2, dim1_start=7)
    (outcome,) = run(dataset)
    assert [region.roi_id for region in outcome.computed] == [2]
    assert [region.roi_id for region in outcome.current] == [1]
    change_roi(two_rois, 1, name="arteriole")
    assert [outcome.status for outcome in run(dataset)] == ["skipped"], "a name decides nothing"
    assert len(run(dataset, recompute=True)[0].computed) == 2


def test_one_roi_alone(dataset: ZarrDataset, two_rois: ZarrImageRecord) -> None:
    (outcome,) = run(dataset, roi_ids=[2])
    assert [region.roi_id for region in outcome.computed] == [2]
    assert states(two_rois) == {1: ("missing",), 2: ("current",)}
    (outcome,) = run(dataset, roi_ids=[5])
    assert outcome.error is not None
    assert "there is no ROI 5; choose from: 1, 2" in outcome.error.reason


def test_parameters_are_checked_before_anything_is_computed(dataset: ZarrDataset) -> None:
    with pytest.raises(AnalysisParameterError, match=r"block_lines=0 .* at least 1"):
        run_analysis(dataset, BRIGHTNESS, params=BrightnessParams(block_lines=0))
    with pytest.raises(ReadOnlyError):
        run_analysis(dataset.as_read_only(), BRIGHTNESS)


@pytest.mark.parametrize("threads", [0, 2])
def test_an_image_that_fails_stops_only_itself(tmp_path: Path, threads: int) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr", durability="none")
    for level in (1, 2, 0, 3, 4, 5):
        dataset.add_image(np.full((40, 12), level, np.uint16), axes=("t", "x"))
    if threads:
        with ThreadPoolExecutor(threads) as executor:
            outcomes = run(dataset, executor=executor)
    else:
        outcomes = run(dataset)
    assert [outcome.image_id for outcome in outcomes] == dataset.list_image_ids()
    (failed,) = [outcome.error for outcome in outcomes if outcome.error is not None]
    assert failed.reason == "channel 1, the whole picture: ValueError: no light"
    assert "Traceback" in failed.details
    levels = [
        entry.values["brightness"]
        for record in dataset.iter_records()
        for entry in load_results(record, BRIGHTNESS).results
    ]
    assert sorted(str(level) for level in levels) == ["1.0", "2.0", "3.0", "4.0", "5.0"]


def test_what_an_analysis_returns_is_held_against_its_declaration(
    dataset: ZarrDataset, two_rois: ZarrImageRecord
) -> None:
    def lacks_a_column(*_: object) -> Result:
        return Result(
            summary={"brightness": 1.0}, tables={"blocks": {"line": [], "brightness": []}}
        )

    def uneven(*_: object) -> Result:
        blocks = {"line": np.arange(2), "brightness": np.ones(1)}
        return Result(summary={"brightness": 1.0, "seconds": None}, tables={"blocks": blocks})

    def with_value(brightness: object, seconds: object = None, line: object = 0) -> Any:
        blocks = {"line": np.array([line]), "brightness": np.ones(1)}
        summary: Any = {"brightness": brightness, "seconds": seconds}
        return lambda *_: Result(summary=summary, tables={"blocks": blocks})

    def writes(pixels: Any, *_: object) -> Result:
        pixels[0] = 0
        raise AssertionError("the pixels are read-only")

    cases: tuple[tuple[Any, str], ...] = (
        (lacks_a_column, "returned a summary of ['brightness']; return those declared"),
        (uneven, "columns of shapes [(1,), (2,)] in 'blocks'"),
        (lambda *_: None, "returned a NoneType; return a Result"),
        (with_value(np.inf), "returned inf for 'brightness'; return a finite number, or None"),
        (with_value("bright"), "returned 'bright' for 'brightness'"),
        (with_value(1.0, True), "returned True for 'seconds'"),
        (with_value(1.0, 1j), "returned 1j for 'seconds'"),
        (with_value(1.0, np.ones(2)), "for 'seconds'; return a finite number"),
        (with_value(1.0, line=0.5), "returned other types in 'blocks'"),
        (with_value(1.0, line="a"), "returned other types in 'blocks'"),
        (writes, "ValueError: assignment destination is read-only"),
    )
    for function, reason in cases:
        (outcome,) = run(dataset, analysis=replace(BRIGHTNESS, run=function))
        assert outcome.error is not None
        assert reason in outcome.error.reason
    assert issubclass(AnalysisResultError, TypeError)
    assert load_results(two_rois, BRIGHTNESS).results == ()


# --- how results stand ------------------------------------------------------------------------


def test_why_a_result_is_outdated(dataset: ZarrDataset, two_rois: ZarrImageRecord) -> None:
    assert set(states(two_rois).values()) == {("missing",)}
    run(dataset)
    assert set(states(two_rois).values()) == {("current",)}
    assert set(states(two_rois, params=None).values()) == {("current",)}
    assert set(states(two_rois, params=COARSE).values()) == {("outdated", "parameters")}
    newer = replace(BRIGHTNESS, version="2")
    assert set(states(two_rois, analysis=newer).values()) == {("outdated", "version")}
    change_roi(two_rois, 1, dim0_stop=30)
    assert states(two_rois) == {1: ("outdated", "geometry"), 2: ("current",)}
    header = Header(scale={"t": 2e-3, "x": 0.4}, unit={"t": "s", "x": "um"})
    save_metadata(two_rois, replace(load_metadata(two_rois), header=header))
    assert states(two_rois, params=COARSE) == {
        1: ("outdated", "parameters", "geometry", "calibration"),
        2: ("outdated", "parameters", "calibration"),
    }
    first, second = regions_of(two_rois, load_metadata(two_rois))
    assert is_current(two_rois, first, BRIGHTNESS).causes == ("geometry", "calibration")
    assert is_current(two_rois, second, BRIGHTNESS).causes == ("calibration",)


def test_a_result_of_other_pixels_is_outdated(
    dataset: ZarrDataset, two_rois: ZarrImageRecord
) -> None:
    run(dataset)
    params = two_rois.load_json("brightness/params")
    assert isinstance(params, dict)
    for document in params.values():
        assert isinstance(document, dict)
        document["pixels_digest"] = ""  # as version 0.1 left it in a dataset of format 1
    two_rois.save_json("brightness/params", params)
    assert set(states(two_rois).values()) == {("outdated", "pixels")}


@pytest.mark.parametrize("lost", ["blocks.parquet", "summary.json", "params.json"])
def test_an_artifact_that_was_lost_is_computed_again(tmp_path: Path, lost: str) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr", durability="none")
    record = dataset.add_image(np.ones((40, 12), np.uint16), axes=("t", "x"))
    run(dataset)
    run(dataset)
    (path,) = (tmp_path / "d.zarr").rglob(f"brightness/{lost}")
    path.unlink()
    assert states(record) == {None: ("missing",)}
    assert [outcome.status for outcome in run(dataset)] == ["ok"]
    assert states(record) == {None: ("current",)}
    assert path.is_file()


def test_a_failure_is_remembered_until_something_changes_or_a_run_succeeds(
    dataset: ZarrDataset,
) -> None:
    record = dataset.add_image(np.zeros((40, 12), np.uint16), axes=("t", "x"))
    run(dataset)
    (region,) = image_status(record, BRIGHTNESS, params=BrightnessParams()).regions
    assert (region.state, region.reason) == ("failed", "ValueError: no light")
    assert image_status(record, BRIGHTNESS).regions == (region,)
    assert states(record, params=COARSE) == {None: ("missing",)}
    fixed = replace(
        BRIGHTNESS,
        run=lambda *_: Result(
            summary={"brightness": 0.0, "seconds": None},
            tables={"blocks": {"line": [], "brightness": []}},
        ),
    )
    assert [outcome.status for outcome in run(dataset, analysis=fixed)] == ["ok"]
    assert states(record) == {None: ("current",)}
    assert "failures" not in str(record.load_json("brightness/summary"))


def test_a_failure_leaves_the_older_result(dataset: ZarrDataset, two_rois: ZarrImageRecord) -> None:
    run(dataset)

    def fails(*_: object) -> Result:
        raise OSError("the disk is gone")

    before = load_results(two_rois, BRIGHTNESS).results
    run(dataset, analysis=replace(BRIGHTNESS, run=fails), recompute=True, roi_ids=[1])
    after = load_results(two_rois, BRIGHTNESS)
    assert after.results == before
    assert [failure.reason for failure in after.failures] == ["OSError: the disk is gone"]
    assert states(two_rois) == {1: ("failed",), 2: ("current",)}
    assert [len(outcome.computed) for outcome in run(dataset)] == [1]
    assert set(states(two_rois).values()) == {("current",)}


def test_damaged_pixels_are_a_failure_of_every_region(tmp_path: Path) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr", durability="none")
    record = dataset.add_image(np.ones((40, 12), np.uint16), axes=("t", "x"))
    (chunk,) = (tmp_path / "d.zarr").rglob("data/c.*")
    chunk.write_bytes(chunk.read_bytes()[:-1])
    run(dataset)
    (region,) = image_status(record, BRIGHTNESS).regions
    assert region.state == "failed"
    assert "data/c." in region.reason


# --- labels -----------------------------------------------------------------------------------


def test_labels_keep_sets_of_parameters_side_by_side(
    dataset: ZarrDataset, two_rois: ZarrImageRecord
) -> None:
    run(dataset)
    run(dataset, params=COARSE, label="coarse")
    assert list_labels(two_rois, "brightness") == ["", "coarse"]
    assert set(states(two_rois).values()) == {("current",)}
    assert set(states(two_rois, params=COARSE, label="coarse").values()) == {("current",)}
    assert len(load_result_table(two_rois, BRIGHTNESS, "blocks")) == 8
    assert len(load_result_table(two_rois, BRIGHTNESS, "blocks", label="coarse")) == 4


def test_a_label_cannot_be_two_folders(dataset: ZarrDataset) -> None:
    with pytest.raises(InvalidNameError, match="'a/b' is not a valid label name"):
        run_analysis(dataset, BRIGHTNESS, label="a/b")


def test_nothing_is_overwritten_unasked(dataset: ZarrDataset, two_rois: ZarrImageRecord) -> None:
    run(dataset)
    before = load_results(two_rois, BRIGHTNESS)
    with pytest.raises(OtherParametersError, match="give the new ones a label") as caught:
        run_analysis(dataset, BRIGHTNESS, params=COARSE)
    assert caught.value.image_ids == (two_rois.image_id,)
    with pytest.raises(OtherParametersError):
        run_analysis(dataset, BRIGHTNESS, params=COARSE, recompute=True)
    assert load_results(two_rois, BRIGHTNESS) == before
    assert [outcome.status for outcome in run(dataset, params=COARSE, overwrite=True)] == ["ok"]
    assert set(states(two_rois, params=COARSE).values()) == {("current",)}


# --- storage ----------------------------------------------------------------------------------


def test_recomputing_one_roi_leaves_the_others_alone(
    dataset: ZarrDataset, two_rois: ZarrImageRecord
) -> None:
    run(dataset)
    before = load_result_table(two_rois, BRIGHTNESS, "blocks")
    run(dataset, params=COARSE, roi_ids=[1], overwrite=True)
    after = load_result_table(two_rois, BRIGHTNESS, "blocks")
    pd.testing.assert_frame_equal(
        after[after["roi_id"] == 2].reset_index(drop=True),
        before[before["roi_id"] == 2].reset_index(drop=True),
    )
    assert (after["roi_id"] == 1).sum() == 2
    stored = load_results(two_rois, BRIGHTNESS)
    assert set(after["params_hash"]) == {entry.params_hash for entry in stored.results}
    assert set(stored.params) == set(after["params_hash"])


@pytest.mark.parametrize("analyze_again", [True, False])
def test_results_of_a_deleted_roi_are_removed_by_the_next_run(
    dataset: ZarrDataset, two_rois: ZarrImageRecord, analyze_again: bool
) -> None:
    run(dataset)
    metadata = load_metadata(two_rois)
    save_metadata(two_rois, replace(metadata, rois=delete_roi(metadata.rois, 1)))
    status = image_status(two_rois, BRIGHTNESS)
    assert [entry.place for entry in status.gone] == [(1, 1)]
    (outcome,) = run(dataset, recompute=analyze_again)
    assert outcome.status == ("ok" if analyze_again else "skipped")
    stored = load_results(two_rois, BRIGHTNESS)
    assert [entry.place for entry in stored.results] == [(1, 2)]
    assert len(stored.params) == 1
    assert set(load_result_table(two_rois, BRIGHTNESS, "blocks")["roi_id"]) == {2}


@pytest.mark.parametrize("name", ["params.json", "summary.json", "blocks.parquet"])
@pytest.mark.parametrize("content", [b"", b'{"regions": 5}', b"PAR1", b"[]"])
def test_damaged_results_are_replaced_by_new_ones(
    tmp_path: Path, name: str, content: bytes
) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr", durability="none")
    record = dataset.add_image(np.ones((40, 12), np.uint16), axes=("t", "x"))
    run(dataset)
    (damaged,) = (tmp_path / "d.zarr").rglob(f"brightness/{name}")
    damaged.write_bytes(content)
    read = load_result_table if name == "blocks.parquet" else load_results
    options = ("blocks",) if name == "blocks.parquet" else ()
    with pytest.raises((CorruptDataError, MetadataError)):
        read(record, BRIGHTNESS, *options)
    assert [outcome.status for outcome in run(dataset, recompute=True)] == ["ok"]
    assert states(record) == {None: ("current",)}
    assert len(load_result_table(record, BRIGHTNESS, "blocks")) == 4
    assert dataset.check(deep=True) == []


class _CutOff(BaseException):
    pass


class _Fragile(ZarrImageRecord):
    """A record whose process dies after some writes."""

    left = 0

    def save_json(self, name: str, value: Any) -> str:
        self._count()
        return super().save_json(name, value)

    def save_df_parquet(self, name: str, df: pd.DataFrame) -> str:
        self._count()
        return super().save_df_parquet(name, df)

    def _count(self) -> None:
        if self.left == 0:
            raise _CutOff
        self.left -= 1


class _FragileDataset(ZarrDataset):
    """A dataset whose records are fragile once `writes` is set."""

    writes: int | None = None

    def record(self, image_id: str) -> ZarrImageRecord:
        record = super().record(image_id)
        if self.writes is None:
            return record
        fragile = object.__new__(_Fragile)
        vars(fragile).update(vars(record))
        fragile.left = self.writes
        return fragile


@pytest.mark.parametrize("writes", range(4))
def test_cut_off_at_any_write_no_result_is_read_with_anothers_parameters(writes: int) -> None:
    dataset = _FragileDataset(MemoryStore())
    record = dataset.add_image(np.ones((40, 12), np.uint16), axes=("t", "x"))
    run(dataset)
    dataset.writes = writes
    with pytest.raises(_CutOff):
        run(dataset, params=COARSE, overwrite=True)
    dataset.writes = None
    stored = load_results(record, BRIGHTNESS)
    if writes == 0:
        assert states(record) == {None: ("current",)}, "nothing was written yet"
    else:
        assert stored.results == ()
        assert states(record) == {None: ("missing",)}
    assert [outcome.status for outcome in run(dataset, params=COARSE, overwrite=True)] == ["ok"]
    assert len(load_result_table(record, BRIGHTNESS, "blocks")) == 2


def test_a_run_on_images_that_are_known_to_be_current_opens_none(tmp_path: Path) -> None:
    opened: list[str] = []

    class Counting(ZarrDataset):
        def record(self, image_id: str) -> ZarrImageRecord:
            opened.append(image_id)
            return super().record(image_id)

    dataset = Counting(tmp_path / "d.zarr", durability="none")
    ids = [
        dataset.add_image(np.full((20, 6), level, np.uint8), axes=("t", "x")).image_id
        for level in (1, 2, 3)
    ]
    run(dataset)
    opened.clear()
    assert [outcome.status for outcome in run(dataset)] == ["skipped"] * 3
    assert opened == []
    record = ZarrDataset(tmp_path / "d.zarr").record(ids[1])
    save_metadata(record, replace(load_metadata(record), header=Header(bits_per_pixel=12)))
    run(dataset)
    assert set(opened) == {ids[1]}
    opened.clear()
    run(dataset, analysis=replace(BRIGHTNESS, version="2"))
    assert set(opened) == set(ids)
