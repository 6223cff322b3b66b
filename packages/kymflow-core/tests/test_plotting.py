"""Pictures of kymographs: what is drawn where, and what the labels say of it."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from kymflow.core import KymDataset, plot_velocity
from kymflow.core.analysis import Calibration
from kymflow.core.analysis.velocity import estimate_velocity
from kymflow.core.decisions import calibrate
from kymflow.core.errors import InvalidKymographError, MissingExtraError, RegionError
from kymflow.core.metadata import RoiChange, create_roi, image_extent, load_metadata, save_metadata
from kymflow.core.plotting import load_picture, plot_kymograph
from kymflow_zarr import ZarrDataset, ZarrImageRecord

MakeRecord = Callable[..., ZarrImageRecord]


@pytest.fixture
def make_record() -> MakeRecord:
    def make(
        pixels: NDArray[np.generic], axes: tuple[str, ...] = ("t", "x"), *, calibrated: bool = True
    ) -> ZarrImageRecord:
        record = ZarrDataset(MemoryStore()).add_image(pixels, axes=axes)
        if calibrated:
            metadata = load_metadata(record)
            header = dataclasses.replace(
                metadata.header, scale={"t": 0.002, "x": 0.5}, unit={"t": "s", "x": "um"}
            )
            save_metadata(record, dataclasses.replace(metadata, header=header))
        return record

    return make


@pytest.fixture(autouse=True)
def no_screen() -> Iterator[None]:
    """Figures are drawn without a screen, and closed."""
    pytest.importorskip("matplotlib").use("agg")
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def test_time_goes_right_and_position_up(make_record: MakeRecord) -> None:
    pixels = np.zeros((50, 8), np.uint16)
    pixels[40, 6] = 1000
    record = make_record(pixels)

    ax = plot_kymograph(record)

    (image,) = ax.images
    left, right, bottom, top = image.get_extent()
    values = np.asarray(image.get_array())
    assert values.shape == (8, 50)
    assert image.origin == "lower"
    assert values[6, 40] == 1000
    assert (left, right) == pytest.approx((-0.001, 0.099))
    assert (bottom, top) == pytest.approx((-0.25, 3.75))
    assert ax.get_xlim() == pytest.approx((left, right))
    assert ax.get_ylim() == pytest.approx((bottom, top))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (s)", "position (µm)")


def test_without_calibration_axes_are_in_lines_and_pixels(make_record: MakeRecord) -> None:
    ax = plot_kymograph(make_record(np.eye(9, 5), calibrated=False))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("line", "pixel")
    assert ax.get_xlim() == (-0.5, 8.5)
    assert ax.get_ylim() == (-0.5, 4.5)


def test_a_long_recording_is_reduced_by_means_and_says_so(make_record: MakeRecord) -> None:
    pixels = np.random.default_rng(1).integers(0, 4096, (1003, 30)).astype(np.uint16)
    record = make_record(pixels)

    picture = load_picture(record, max_columns=100, max_rows=10)

    assert (picture.lines_per_column, picture.pixels_per_row) == (11, 3)
    assert picture.values.shape == (10, 92)
    assert picture.values[2, 5] == pytest.approx(pixels[55:66, 6:9].mean())
    assert picture.values[9, 91] == pytest.approx(pixels[1001:, 27:].mean())
    assert picture.time_label == "time (s), each column the mean of 11 lines"
    assert picture.position_label == "position (µm), mean of 3"
    assert picture.time_span == pytest.approx((-0.001, 1003 * 0.002 - 0.001))
    # No line is left out: the mean of the whole is kept.
    weights = np.outer(np.full(10, 3), np.array([11] * 91 + [2]))
    assert np.average(picture.values, weights=weights) == pytest.approx(pixels.mean())


def test_a_stretch_keeps_its_place_in_the_recording(make_record: MakeRecord) -> None:
    pixels = np.arange(200 * 4, dtype=np.uint16).reshape(200, 4)
    picture = load_picture(make_record(pixels), lines=(120, 150))
    assert np.array_equal(picture.values, pixels[120:150].T)
    assert picture.time_span == pytest.approx((119.5 * 0.002, 149.5 * 0.002))


def test_contrast_ignores_extremes_and_what_is_not_a_number(make_record: MakeRecord) -> None:
    pixels = np.linspace(0.0, 1.0, 1000).reshape(100, 10)
    pixels[0, 0], pixels[50, 5], pixels[51, 5] = np.nan, np.inf, 1e30
    picture = load_picture(make_record(pixels), percentiles=(10.0, 90.0))
    assert picture.limits == pytest.approx((0.1, 0.9), abs=0.01)
    assert np.isnan(picture.values[0, 0])
    assert np.isnan(picture.values[5, 50])


@pytest.mark.parametrize("value", [0, 7], ids=["black", "grey"])
def test_an_even_picture_is_drawn(make_record: MakeRecord, value: int) -> None:
    picture = load_picture(make_record(np.full((6, 3), value, np.uint8)))
    low, high = picture.limits
    assert low == value < high


def test_channels_and_slices_are_chosen(make_record: MakeRecord) -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (2, 3, 20, 5)).astype(np.uint8)
    record = make_record(pixels, ("c", "z", "t", "x"))
    picture = load_picture(record, channel=2, z=1)
    assert np.array_equal(picture.values, pixels[1, 1].T)
    for wrong in ({"channel": 3}, {"channel": 0}, {"z": 3}, {"lines": (5, 21)}, {"lines": (5, 5)}):
        with pytest.raises(RegionError, match="give"):
            load_picture(record, **wrong)


def test_what_is_not_a_kymograph_is_refused(make_record: MakeRecord) -> None:
    with pytest.raises(RegionError, match="lines and pixels"):
        plot_kymograph(make_record(np.zeros(5), ("t",), calibrated=False))


def test_regions_of_the_channel_are_boxes_with_numbers(make_record: MakeRecord) -> None:
    record = make_record(np.zeros((2, 40, 10), np.uint8), ("c", "t", "x"))
    metadata, extent = load_metadata(record), image_extent(record)
    rois = create_roi((), extent, RoiChange(dim0_start=10, dim0_stop=30, dim1_stop=5))
    rois = create_roi(rois, extent, RoiChange(channel=2))
    rois = create_roi(rois, extent, RoiChange(dim0_start=10, dim1_stop=5))
    save_metadata(record, dataclasses.replace(metadata, rois=rois))

    ax = plot_kymograph(record)

    first, second = ax.patches
    assert first.get_extents().transformed(ax.transData.inverted()).bounds == pytest.approx(
        (9.5 * 0.002, -0.25, 20 * 0.002, 2.5)
    )
    assert second.get_window_extent().width > first.get_window_extent().width
    assert [text.get_text() for text in ax.texts] == ["ROI 1, 3"]
    assert not plot_kymograph(record, rois=False).patches


def test_it_draws_on_given_axes(make_record: MakeRecord) -> None:
    from matplotlib import pyplot

    _, (_, below) = pyplot.subplots(2)
    before = pyplot.get_fignums()
    assert plot_kymograph(make_record(np.eye(9)), ax=below) is below
    assert pyplot.get_fignums() == before


def test_without_matplotlib_it_says_how_to_get_it(
    make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import util

    find = util.find_spec
    monkeypatch.setattr(
        util, "find_spec", lambda name, *rest: None if name == "matplotlib" else find(name, *rest)
    )
    with pytest.raises(MissingExtraError, match=r"pip install 'kymflow-core\[plot\]'"):
        plot_kymograph(make_record(np.eye(9)))


def test_a_part_at_a_time_is_in_memory(
    make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (300, 7)).astype(np.uint8)
    record = make_record(pixels)
    whole = load_picture(record, max_columns=40)
    monkeypatch.setattr("kymflow.core.picture._SLAB_VALUES", 200)
    assert np.array_equal(load_picture(record, max_columns=40).values, whole.values)


@pytest.mark.parametrize("column", [100, 101, 102, 103])
def test_what_is_narrower_than_a_pixel_is_still_seen(make_record: MakeRecord, column: int) -> None:
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    pixels = np.zeros((1500, 4), np.uint16)
    pixels[column] = 1000
    figure = Figure(figsize=(4, 1), dpi=100)
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    plot_kymograph(make_record(pixels), percentiles=(0.0, 100.0), ax=ax)
    ax.set_axis_off()
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    stream.seek(0)
    drawn = imread(stream)[50, :, 0]
    assert drawn[15:40].max() > 0.1
    assert drawn[60:].max() == 0


def test_the_box_of_a_whole_picture_is_seen_in_full_on_all_sides(make_record: MakeRecord) -> None:
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    record = make_record(np.zeros((300, 20), np.uint8))
    rois = create_roi((), image_extent(record), RoiChange())
    save_metadata(record, dataclasses.replace(load_metadata(record), rois=rois))

    def orange(lines: tuple[int, int] | None) -> NDArray[np.bool_]:
        figure = Figure(figsize=(8, 2), dpi=100)
        ax = figure.add_axes((0.1, 0.25, 0.8, 0.6))
        plot_kymograph(record, lines=lines, ax=ax)
        for text in ax.texts:
            text.remove()
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
        stream.seek(0)
        pixels = imread(stream)[..., :3]
        return np.asarray(np.abs(pixels - (1.0, 176 / 255, 0.0)).max(axis=-1) < 0.3)

    whole = orange(None)
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    middle = whole[(rows[0] + rows[-1]) // 2], whole[:, (columns[0] + columns[-1]) // 2]
    for line in middle:  # at both ends about two pixels, not one
        (at,) = np.nonzero(line)
        assert len(at) >= 4
        assert at[0] + 1 in at
        assert at[-1] - 1 in at
    # Of a stretch from the middle there is no left and no right side.
    stretch = orange((100, 200))
    assert not stretch[(rows[0] + rows[-1]) // 2].any()


def test_an_array_is_drawn_as_an_image_with_its_pixels_is(make_record: MakeRecord) -> None:
    pixels = np.random.default_rng(3).integers(0, 99, (3100, 900)).astype(np.uint16)
    own = Calibration(seconds_per_line=0.002, um_per_pixel=0.5)
    of_record = plot_kymograph(make_record(pixels), lines=(7, 3100))
    of_array = plot_kymograph(pixels, lines=(7, 3100), calibration=own)
    (image,), (other) = of_record.images, of_array.images[0]
    np.testing.assert_array_equal(np.asarray(image.get_array()), np.asarray(other.get_array()))
    assert image.get_extent() == other.get_extent()
    assert of_array.get_xlabel() == of_record.get_xlabel()


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (0, 5)])
def test_an_array_has_lines_and_pixels(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidKymographError, match="axes"):
        plot_kymograph(np.zeros(shape))
    with pytest.raises(InvalidKymographError, match="within 0 to 4"):
        plot_kymograph(np.zeros((4, 3)), lines=(2, 9))


def test_velocity_is_plotted_of_an_estimate_as_of_a_stored_result() -> None:
    rng = np.random.default_rng(1)
    texture = rng.normal(100, 20, 700)
    pixels = np.array([texture[300 - at : 332 - at] for at in range(300)]).astype(np.uint16)
    dataset = ZarrDataset(MemoryStore())
    record = dataset.add_image(pixels, axes=("t", "x"))
    calibrate(record, seconds_per_line=0.002, um_per_pixel=0.5)
    KymDataset(dataset).run("velocity")
    estimate = estimate_velocity(pixels, seconds_per_line=0.002, um_per_pixel=0.5)

    stored, alone = plot_velocity(record), plot_velocity(estimate)

    assert len(stored.axes) == len(alone.axes) + 1
    for one, other in zip(stored.axes[1:], alone.axes, strict=True):
        assert one.get_ylabel() == other.get_ylabel()
        assert one.get_xlim() == other.get_xlim()
        for line, same in zip(one.lines, other.lines, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), same.get_ydata())
    np.testing.assert_array_equal(estimate.to_pandas()["velocity_mm_s"], estimate.velocity_mm_s)
