"""What people decide on an image: acts, what holds after them, and undoing."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from zarr.storage import MemoryStore

from kymflow.core import KymDataset
from kymflow.core.analysis import calibration_of, regions_of
from kymflow.core.decisions import (
    Decisions,
    accept,
    add_note,
    add_region,
    calibrate,
    change_region,
    exclude,
    include,
    mark_interval,
    move_mark,
    new_act_id,
    read_decisions,
    reject,
    remove_mark,
    remove_region,
    set_fields,
    undo,
)
from kymflow.core.errors import (
    DecisionError,
    MetadataError,
    NothingToUndoError,
    RoiError,
    UnknownKeyError,
)
from kymflow.core.metadata import (
    Header,
    ImageMetadata,
    RoiChange,
    load_metadata,
    save_metadata,
)
from kymflow_zarr import ReadOnlyError, ZarrDataset, ZarrImageRecord


def add_kymograph(dataset: ZarrDataset, *, calibrated: bool = True) -> ZarrImageRecord:
    """A kymograph of 40 lines and 12 pixels, of 2 ms and 0.5 µm."""
    record = dataset.add_image(np.ones((40, 12), np.uint16), axes=("t", "x"))
    header = Header(scale={"t": 2e-3, "x": 0.5}, unit={"t": "s", "x": "um"})
    save_metadata(record, ImageMetadata(header=header if calibrated else Header()))
    return record


@pytest.fixture
def dataset() -> ZarrDataset:
    return ZarrDataset(MemoryStore())


@pytest.fixture
def record(dataset: ZarrDataset) -> ZarrImageRecord:
    return add_kymograph(dataset)


def test_nothing_is_decided_at_first(record: ZarrImageRecord) -> None:
    assert read_decisions(record) == Decisions()


def test_an_excluded_image_has_a_reason_an_author_and_a_time(record: ZarrImageRecord) -> None:
    exclude(record, "moved", "Ada")
    exclusion = read_decisions(record).exclusion
    assert exclusion is not None
    assert (exclusion.reason, exclusion.author) == ("moved", "Ada")
    assert exclusion.at.endswith("+00:00")
    include(record)
    assert read_decisions(record).exclusion is None


def test_a_verdict_replaces_the_one_before(record: ZarrImageRecord) -> None:
    accept(record)
    reject(record, "the vessel is out of focus")
    verdict = read_decisions(record).verdict
    assert verdict is not None
    assert (verdict.verdict, verdict.reason) == ("rejected", "the vessel is out of focus")


def test_saying_it_twice_is_saying_it_once(record: ZarrImageRecord) -> None:
    roi = add_region(record, pixels=(2, 6))
    (region,) = regions_of(record, load_metadata(record))
    for _ in range(2):
        exclude(record, "moved")
        accept(record, "good")
        add_note(record, "sneezed")
        calibrate(record, seconds_per_line=1e-3)
        set_fields(record, {"genotype": "wt"})
        mark_interval(record, region, 0.0, 0.01)
        assert add_region(record, pixels=(2, 6)) == roi
    assert [act.kind for act in load_metadata(record).acts] == [
        *("add_region", "exclude", "accept", "note", "calibrate", "set_fields", "mark")
    ]


def test_a_reason_is_needed(record: ZarrImageRecord) -> None:
    for act in (exclude, reject, add_note):
        with pytest.raises(DecisionError, match="is empty; give one"):
            act(record, " ")
    assert load_metadata(record).acts == ()


def test_an_image_with_malformed_metadata_can_be_excluded(record: ZarrImageRecord) -> None:
    record.save_metadata_payload({"experiment_metadata": {"depth": "deep"}})
    exclude(record, "its metadata are wrong")
    with pytest.raises(MetadataError):
        load_metadata(record)
    exclusion = read_decisions(record).exclusion
    assert exclusion is not None
    assert exclusion.reason == "its metadata are wrong"
    save_metadata(record, ImageMetadata())
    assert read_decisions(record).exclusion == exclusion


# --- calibration ----------------------------------------------------------------------------------


def test_a_calibration_holds_for_analyses_and_coordinates(record: ZarrImageRecord) -> None:
    calibrate(record, seconds_per_line=1e-3, author="Ada")
    found = calibration_of(record, load_metadata(record))
    assert (found.seconds_per_line, found.um_per_pixel) == (1e-3, 0.5)
    assert record.get_coordinates()["t"][1] == 1e-3
    given_by = read_decisions(record).calibration
    assert given_by is not None
    assert (given_by.seconds_per_line, given_by.um_per_pixel) == (1e-3, None)
    (act,) = load_metadata(record).acts
    assert [(c.place, c.before, c.after) for c in act.changes] == [
        (("header", "scale", "t"), 2e-3, 1e-3)
    ]


def test_an_image_without_calibration_gets_one(dataset: ZarrDataset) -> None:
    record = add_kymograph(dataset, calibrated=False)
    calibrate(record, seconds_per_line=1e-3, um_per_pixel=0.25)
    found = calibration_of(record, load_metadata(record))
    assert (found.seconds_per_line, found.um_per_pixel) == (1e-3, 0.25)
    undo(record)
    found = calibration_of(record, load_metadata(record))
    assert (found.seconds_per_line, found.um_per_pixel) == (None, None)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_calibration_is_above_zero(record: ZarrImageRecord, value: float) -> None:
    with pytest.raises(DecisionError, match="give a number above 0"):
        calibrate(record, um_per_pixel=value)


def test_only_kymographs_are_calibrated(dataset: ZarrDataset) -> None:
    trace = dataset.add_image(np.ones(7, np.uint8), axes=("t",))
    with pytest.raises(DecisionError, match="only kymographs"):
        calibrate(trace, seconds_per_line=1.0)
    with pytest.raises(DecisionError, match="give one value at least"):
        calibrate(trace)


# --- marks ----------------------------------------------------------------------------------------


def test_a_mark_is_set_moved_and_removed(record: ZarrImageRecord) -> None:
    (region,) = regions_of(record, load_metadata(record))
    mark = mark_interval(record, region, 0.01, 0.03, author="Ada")
    assert (mark.start_line, mark.stop_line) == pytest.approx((5, 15))
    assert (mark.kind, mark.place) == ("stall", (1, None))
    moved = move_mark(record, mark.id, 0.02, 0.04, author="Bob")
    assert (moved.id, moved.start_line, moved.author) == (mark.id, 10, "Bob")
    assert read_decisions(record).marks == (moved,)
    remove_mark(record, mark.id)
    assert read_decisions(record).marks == ()
    with pytest.raises(UnknownKeyError, match="choose from: none"):
        remove_mark(record, mark.id)


def test_a_mark_stays_on_its_lines_when_the_line_period_is_corrected(
    record: ZarrImageRecord,
) -> None:
    (region,) = regions_of(record, load_metadata(record))
    mark = mark_interval(record, region, 0.01, 0.03)
    calibrate(record, seconds_per_line=1e-3)
    (now,) = read_decisions(record).marks
    assert (now.start_line, now.stop_line) == (mark.start_line, mark.stop_line)
    assert (now.start_s, now.stop_s) == pytest.approx((0.005, 0.015))


@pytest.mark.parametrize(("start", "stop"), [(-0.1, 0.01), (0.03, 0.02), (0.02, 0.09)])
def test_a_mark_lies_in_its_region(record: ZarrImageRecord, start: float, stop: float) -> None:
    (region,) = regions_of(record, load_metadata(record))
    with pytest.raises(DecisionError, match=r"reaches from 0 s to 0\.08 s"):
        mark_interval(record, region, start, stop)


def test_a_mark_needs_a_line_period_and_a_region_that_exists(dataset: ZarrDataset) -> None:
    record = add_kymograph(dataset, calibrated=False)
    (region,) = regions_of(record, load_metadata(record))
    with pytest.raises(DecisionError, match="calibrate it first"):
        mark_interval(record, region, 0.0, 0.01)
    add_region(record, pixels=(0, 4))
    with pytest.raises(DecisionError, match="no region with channel 1 and ROI None"):
        mark_interval(record, region, 0.0, 0.01)


# --- regions --------------------------------------------------------------------------------------


def test_the_borders_of_a_vessel_are_enough(record: ZarrImageRecord) -> None:
    roi = add_region(record, um=(1.0, 3.0), name="vein")
    assert (roi.dim0_start, roi.dim0_stop, roi.dim1_start, roi.dim1_stop) == (0, 40, 2, 6)
    assert load_metadata(record).rois == (roi,)
    assert add_region(record, pixels=(2, 6), name="vein") == roi


def test_borders_that_make_no_sense_are_refused(dataset: ZarrDataset) -> None:
    record = add_kymograph(dataset, calibrated=False)
    with pytest.raises(DecisionError, match="its pixel size is unknown"):
        add_region(record, um=(1.0, 3.0))
    with pytest.raises(DecisionError, match="give one of them"):
        add_region(record, um=(1.0, 3.0), pixels=(2, 6))
    with pytest.raises(RoiError, match="the region must end at pixel 5 to"):
        add_region(record, pixels=(4, 99))
    assert load_metadata(record).rois == ()


@pytest.mark.parametrize("um", [(2.0, 1.0), (-1.0, 3.0), (1.0, 99.0), (1.0, 1.1)])
def test_borders_in_um_are_refused_in_um(record: ZarrImageRecord, um: tuple[float, float]) -> None:
    with pytest.raises(DecisionError, match=r"give two places from 0 to [\d.]+ µm"):
        add_region(record, um=um)


def test_the_id_of_a_region_is_never_used_again(record: ZarrImageRecord) -> None:
    first = add_region(record, pixels=(0, 4))
    undo(record)
    second = add_region(record, pixels=(4, 8))
    remove_region(record, second.id)
    third = add_region(record, pixels=(8, 12))
    assert [first.id, second.id, third.id] == [1, 2, 3]


def test_a_removed_region_comes_back_by_undo(record: ZarrImageRecord) -> None:
    roi = add_region(record, pixels=(0, 4))
    wider = change_region(record, roi.id, RoiChange(dim1_stop=8))
    remove_region(record, roi.id)
    undo(record)
    assert load_metadata(record).rois == (wider,)
    undo(record)
    assert load_metadata(record).rois == (roi,)


# --- undo -----------------------------------------------------------------------------------------


def test_undo_takes_back_the_latest_act_over_a_dataset(dataset: ZarrDataset) -> None:
    first, second = add_kymograph(dataset), add_kymograph(dataset)
    exclude(first, "moved")
    add_note(second, "sneezed")
    exclude(second, "moved")
    assert [act.kind for act in undo(dataset)] == ["exclude"]
    assert read_decisions(first).exclusion is not None
    assert read_decisions(second).exclusion is None
    assert [act.kind for act in undo(dataset)] == ["note"]
    assert [act.kind for act in undo(dataset)] == ["exclude"]
    with pytest.raises(NothingToUndoError):
        undo(dataset)


def test_what_was_done_in_one_step_is_undone_in_one(dataset: ZarrDataset) -> None:
    records = [add_kymograph(dataset) for _ in range(3)]
    exclude(records[0], "too dark")
    step = new_act_id()
    for record in records:
        add_region(record, pixels=(2, 6), step=step)
    assert len(undo(dataset)) == 3
    assert all(not load_metadata(record).rois for record in records)
    assert read_decisions(records[0]).exclusion is not None


def test_undo_does_not_overwrite_what_was_changed_by_other_means(
    record: ZarrImageRecord,
) -> None:
    add_region(record, pixels=(0, 4))
    save_metadata(record, ImageMetadata(header=load_metadata(record).header))
    with pytest.raises(DecisionError, match=r"'rois\.1' is no longer"):
        undo(record)


def test_a_dataset_for_reading_takes_no_decisions(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    reading = dataset.as_read_only().record(record.image_id)
    with pytest.raises(ReadOnlyError):
        exclude(reading, "moved")


def test_an_act_of_a_later_version_is_kept_and_ignored(record: ZarrImageRecord) -> None:
    exclude(record, "moved")
    payload = record.load_metadata_payload()
    acts = payload["decisions"]
    assert isinstance(acts, list)
    assert isinstance(acts[0], dict)
    acts.append({**acts[0], "id": "later", "kind": "praise"})
    record.save_metadata_payload(payload)
    add_note(record, "sneezed")
    assert [act.kind for act in load_metadata(record).acts] == ["exclude", "praise", "note"]
    assert read_decisions(record).exclusion is not None


def test_metadata_that_were_loaded_before_do_not_remove_decisions(
    record: ZarrImageRecord,
) -> None:
    before = load_metadata(record)
    exclude(record, "moved")
    save_metadata(record, before)
    assert read_decisions(record).exclusion is not None


ACTS: dict[str, Callable[[ZarrImageRecord, int], object]] = {
    "exclude": lambda record, n: exclude(record, f"reason {n}"),
    "include": lambda record, _: include(record),
    "accept": lambda record, n: accept(record, f"reason {n}"),
    "note": lambda record, n: add_note(record, f"note {n}"),
    "calibrate": lambda record, n: calibrate(record, seconds_per_line=n * 1e-3),
    "fields": lambda record, n: set_fields(record, {"genotype": f"g{n}", "cage": n}),
    "region": lambda record, n: add_region(record, pixels=(n, n + 4)),
}


@given(st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(1, 3)), max_size=8))
def test_undoing_everything_leads_back_through_every_state(steps: list[tuple[str, int]]) -> None:
    record = add_kymograph(ZarrDataset(MemoryStore()))

    def state() -> tuple[object, ...]:
        metadata = load_metadata(record)
        return read_decisions(record), metadata.header, metadata.experiment, metadata.rois

    states = [state()]
    for name, number in steps:
        ACTS[name](record, number)
        if state() != states[-1]:
            states.append(state())
    assert len(states) - 1 == len(load_metadata(record).acts)
    for earlier in reversed(states[:-1]):
        undo(record)
        assert state() == earlier
    with pytest.raises(NothingToUndoError):
        undo(record)


def test_borders_are_given_to_several_images_by_name_in_one_step(dataset: ZarrDataset) -> None:
    records = [add_kymograph(dataset) for _ in range(2)]
    kym = KymDataset(dataset)
    found = kym.add_regions([record.image_id[:8] for record in records], um=(1, 3), name="vein")
    assert {roi.dim1_start for roi in found.values()} == {2}
    assert set(found) == {record.image_id for record in records}
    assert len(undo(dataset)) == 2
