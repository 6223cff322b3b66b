"""What is known of an image without reading a pixel: one row of the table of images."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from kymflow.core.analysis.regions import calibration_of
from kymflow.core.decisions.state import fold_acts
from kymflow.core.metadata import ExperimentMetadata, load_metadata, load_source, picture_axes
from kymflow.core.provenance import PROVENANCE_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import JsonValue, ZarrImageRecord

EXPERIMENT_FIELDS: Final = tuple(f.name for f in fields(ExperimentMetadata) if f.name != "extra")
"""The fields of the experiment that have their own column."""

FACTS: Final[Mapping[str, str]] = {
    "file": "str",
    "folder": "str",
    "folder_1": "str",
    "folder_2": "str",
    "folder_3": "str",
    "scene": "str",
    "acquired": "datetime64[ns]",
    "shape": "str",
    "dtype": "str",
    "axes": "str",
    "seconds_per_line": "float64",
    "um_per_pixel": "float64",
    "rois": "Int64",
    "marks": "Int64",
    "excluded": "boolean",
    "exclusion_reason": "str",
    "verdict": "str",
    "verdict_reason": "str",
    "notes": "str",
    **dict.fromkeys(EXPERIMENT_FIELDS, "str"),
    "depth": "float64",
    "branch_order": "Int64",
    "supersedes": "str",
    "pixels_digest": "str",
}
"""The columns that every image has, and their pandas dtypes. Free fields follow them."""

_FOLDERS: Final = ("folder_1", "folder_2", "folder_3")


def image_facts(record: ZarrImageRecord) -> dict[str, object]:
    """The facts of an image, by column; those that are unknown are left out.

    ``folder_1`` is the folder of the file, ``folder_2`` the one around it, and so on.
    Fields of the experiment without their own column follow as text. One whose name cannot
    be a column beside the others is called ``field_<name>``.

    Raises:
        MetadataError: The metadata of the image are malformed.
        CorruptDataError: They are damaged.
    """
    metadata = load_metadata(record)
    decisions = fold_acts(metadata.acts)
    exclusion, verdict = decisions.exclusion, decisions.verdict
    experiment = metadata.experiment.to_json()
    facts: dict[str, object] = {
        **file_facts(record),
        "acquired": metadata.header.acquired_local_epoch_ns,
        "rois": len(metadata.rois),
        "marks": len(decisions.marks),
        "excluded": exclusion is not None,
        "exclusion_reason": None if exclusion is None else exclusion.reason,
        "verdict": None if verdict is None else verdict.verdict,
        "verdict_reason": None if verdict is None else verdict.reason or None,
        "notes": "; ".join(note.text for note in decisions.notes) or None,
        **{name: None if (said := experiment[name]) == "" else said for name in EXPERIMENT_FIELDS},
        **_free_fields(metadata.experiment.extra),
    }
    if len(picture_axes(record)) == 2:
        calibration = calibration_of(record, metadata)
        facts["seconds_per_line"] = calibration.seconds_per_line
        facts["um_per_pixel"] = calibration.um_per_pixel
    return {name: fact for name, fact in facts.items() if fact is not None}


def file_facts(record: ZarrImageRecord) -> dict[str, object]:
    """The facts that need no metadata.

    Raises:
        CorruptDataError: The provenance is damaged.
    """
    source = load_source(record)
    facts: dict[str, object] = {
        "file": source.file,
        "scene": source.scene,
        "folder": None if source.path is None else source.path.parent.as_posix(),
        **dict(zip(_FOLDERS, reversed(source.folders), strict=False)),
        "shape": "x".join(str(length) for length in record.shape),
        "dtype": record.dtype.name,
        "axes": ",".join(record.get_axes()),
        "supersedes": source.supersedes,
        "pixels_digest": record.pixels_digest or None,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def facts_frame(facts: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Facts of images as a data frame, one row each: the columns of `FACTS`, then free fields."""
    import pandas as pd

    free = sorted({name for each in facts for name in each} - FACTS.keys())
    dtypes = {**FACTS, **dict.fromkeys(free, "str")}
    return pd.DataFrame(
        {
            name: pd.Series([each.get(name) for each in facts], dtype=dtype)
            for name, dtype in dtypes.items()
        }
    )


def _free_fields(extra: Mapping[str, JsonValue]) -> dict[str, str]:
    """Fields of any name and type as columns of text."""
    found: dict[str, str] = {}
    for field, value in extra.items():
        if value is None or value == "":
            continue
        name = re.sub(r"\W+", "_", field.strip().casefold()).strip("_")
        while not name or name in {*FACTS, *PROVENANCE_COLUMNS, *found}:
            name = f"field_{name}"
        found[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return found
