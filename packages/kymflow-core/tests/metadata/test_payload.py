"""Typed metadata: what is missing is fine, what is malformed is not, what is unknown is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow.core.errors import MetadataError, RoiError
from kymflow.core.metadata import (
    ExperimentMetadata,
    ImageMetadata,
    Roi,
    load_metadata,
    save_metadata,
)
from kymflow_zarr import JsonValue, ZarrDataset

FULL: dict[str, JsonValue] = {
    "version": "1.0",
    "header": {
        "shape": [40, 12],
        "dtype": "uint16",
        "axes": ["t", "x"],
        "scale": {"t": 0.001134, "x": 0.45},
        "unit": {"t": "s", "x": "um"},
        "acquired_local_epoch_ns": 1667392215461000000,
        "bits_per_pixel": 12,
        "sources": {"scale.t": "vendor_text"},
        "vendor": {"zoom": 3.5},
    },
    "experiment_metadata": {
        **dict.fromkeys(("species", "region", "cell_type", "direction", "sex"), "a"),
        **dict.fromkeys(("genotype", "condition", "treatment", "date", "note"), "b"),
        "depth": 120.5,
        "branch_order": 3,
        "acq_date": "2022-11-02",
    },
    "rois": [
        {
            "id": 4,
            "name": "vessel",
            "note": "",
            "revision": 2,
            "channel": 1,
            "z": 0,
            "dim0_start": 0,
            "dim0_stop": 40,
            "dim1_start": 3,
            "dim1_stop": 9,
            "color": [1, 2, 3],
        }
    ],
    "lab": {"rig": 2},
}


def test_everything_comes_through(dataset: ZarrDataset) -> None:
    rec = dataset.record(dataset.list_image_ids()[0])
    rec.save_metadata_payload(FULL)

    metadata = load_metadata(rec)
    save_metadata(rec, metadata)

    assert rec.load_metadata_payload() == FULL
    assert metadata.header.shape == (40, 12)
    assert metadata.header.step("t", "s") == 0.001134
    assert metadata.header.step("t", "um") is None
    assert metadata.header.extra["vendor"] == {"zoom": 3.5}
    assert metadata.experiment.branch_order == 3
    assert metadata.experiment.extra == {"acq_date": "2022-11-02"}
    assert metadata.rois[0].extra == {"color": [1, 2, 3]}
    assert metadata.extra == {"lab": {"rig": 2}}


@given(
    st.dictionaries(
        st.text(max_size=6).map(lambda key: f"_{key}"),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=4),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner),
            max_leaves=5,
        ),
        max_size=3,
    )
)
def test_unknown_keys_survive_everywhere(unknown: dict[str, Any]) -> None:
    roi = Roi(id=1, dim0_start=0, dim0_stop=1, dim1_start=0, dim1_stop=1)
    payload: dict[str, Any] = {
        **unknown,
        "version": "1.0",
        "header": {**unknown, "dtype": "uint8"},
        "experiment_metadata": {**unknown, **ExperimentMetadata().to_json()},
        "rois": [{**unknown, **roi.to_json()}],
    }

    assert ImageMetadata.from_json(payload).to_json() == payload


def test_no_payload_is_empty_metadata(dataset: ZarrDataset) -> None:
    rec = dataset.record(dataset.list_image_ids()[0])

    assert load_metadata(rec) == ImageMetadata()
    assert load_metadata(rec).header.step("t", "s") is None


def test_null_counts_as_absent() -> None:
    metadata = ImageMetadata.from_json(
        {
            "header": {"scale": {"t": None}, "unit": {"t": None}, "bits_per_pixel": None},
            "experiment_metadata": {"species": None, "depth": None},
            "rois": None,
        }
    )
    assert metadata == ImageMetadata()


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ([], "payload"),
        ({"version": 1}, "payload.version"),
        ({"header": []}, "header"),
        ({"header": {"shape": "40x12"}}, "header.shape"),
        ({"header": {"shape": [40, -1]}}, "header.shape"),
        ({"header": {"shape": [40, 1.5]}}, "header.shape"),
        ({"header": {"axes": ["t", 1]}}, "header.axes"),
        ({"header": {"scale": {"t": "fast"}}}, "header.scale.t"),
        ({"header": {"scale": {"t": 0}}}, "header.scale.t"),
        ({"header": {"scale": {"t": float("nan")}}}, "header.scale.t"),
        ({"header": {"scale": 0.5}}, "header.scale"),
        ({"header": {"unit": {"t": 1}}}, "header.unit.t"),
        ({"header": {"acquired_local_epoch_ns": 1.5}}, "header.acquired_local_epoch_ns"),
        ({"header": {"acquired_local_epoch_ns": 2**64}}, "header.acquired_local_epoch_ns"),
        ({"header": {"bits_per_pixel": True}}, "header.bits_per_pixel"),
        ({"header": {"bits_per_pixel": 0}}, "header.bits_per_pixel"),
        ({"header": {"bits_per_pixel": 65}}, "header.bits_per_pixel"),
        ({"experiment_metadata": {"note": 3}}, "experiment_metadata.note"),
        ({"experiment_metadata": {"depth": "deep"}}, "experiment_metadata.depth"),
        ({"experiment_metadata": {"branch_order": 1.5}}, "experiment_metadata.branch_order"),
        ({"rois": {}}, "rois"),
        ({"rois": [3]}, "rois[0]"),
        ({"rois": [{"id": 1}]}, "rois[0].dim0_start"),
        ({"rois": [{"id": "1"}]}, "rois[0].id"),
        ({"rois": [FULL["rois"][0], FULL["rois"][0]]}, "rois[1].id"),  # type: ignore[index]
    ],
)
def test_what_is_malformed_is_named(payload: JsonValue, field: str) -> None:
    with pytest.raises(MetadataError, match=r"correct it in .* analysis/metadata\.json") as caught:
        ImageMetadata.from_json(payload)

    assert caught.value.field == field


def test_rois_that_do_not_fit_are_not_saved(dataset: ZarrDataset) -> None:
    rec = dataset.record(dataset.list_image_ids()[0])
    wide = Roi(id=1, dim0_start=0, dim0_stop=40, dim1_start=0, dim1_stop=13)

    with pytest.raises(RoiError, match="must end at pixel"):
        save_metadata(rec, ImageMetadata(rois=(wide,)))

    assert load_metadata(rec) == ImageMetadata()


def _shared() -> Path | None:
    given_folder = os.environ.get("KYMFLOW_SHARED")
    folders = [Path(given_folder)] if given_folder else []
    folders += [parent / "shared" for parent in Path(__file__).resolve().parents]
    return next((f for f in folders if (f / "data" / "kymographs").is_dir()), None)


def test_payloads_of_a_lab_come_through() -> None:
    shared = _shared()
    if shared is None:
        pytest.skip("the lab's files are not at hand")
    paths = sorted((shared / "data" / "kymographs").glob("*.json"))
    assert paths
    for path in paths:
        payload = json.loads(path.read_text(encoding="utf-8"))
        metadata = ImageMetadata.from_json(payload)
        written = metadata.to_json()
        assert metadata.rois
        assert written["header"] == payload["header"]
        assert written["rois"] == payload["rois"]
        kept = written["experiment_metadata"]
        assert isinstance(kept, dict)
        assert {name: kept[name] for name in payload["experiment_metadata"]} == payload[
            "experiment_metadata"
        ]
