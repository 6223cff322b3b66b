"""A header or sidecars that came later, added to the image that is there already.

Nothing that the image has is replaced: a person, or an analysis, may have changed it since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kymflow_zarr._artifacts.sidecars import Sidecar
from kymflow_zarr._catalog.source_issue import SourceIssue
from kymflow_zarr._catalog.sources import BesideState, SourceFile, source_to_json
from kymflow_zarr._ingest.image import StagedImage
from kymflow_zarr._ingest.sidecars import read_sidecar
from kymflow_zarr._pixels.ome import ome_attributes, ome_axes
from kymflow_zarr._records.document import RecordDocument, image_folder, read_record_document
from kymflow_zarr._records.facts import METADATA, PROVENANCE, VENDOR_HEADER
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr.errors import ArtifactNotFoundError
from kymflow_zarr.options import IngestOptions
from kymflow_zarr.record import ZarrImageRecord, open_record

__all__ = ["can_extend", "extend_image"]

_JsonObject = Mapping[str, JsonValue]


def can_extend(document: RecordDocument, staged: RecordDocument) -> bool:
    """Whether an image can stand for one that was read again, whose pixels have the same digest.

    Its axes may get other names, but not in a way that concerns the pixels' own document.
    """
    before = (document.shape, document.dtype, ome_axes(document.axes) or document.axes)
    return before == (staged.shape, staged.dtype, ome_axes(staged.axes) or staged.axes)


def extend_image(
    blobs: BlobStore,
    image_id: str,
    file: SourceFile,
    staged: StagedImage,
    *,
    known: BesideState,
    options: IngestOptions,
) -> tuple[SourceIssue, ...]:
    """Add what lies beside a file to the image of its pixels. May be cut off and made again.

    Args:
        blobs: The dataset's key space.
        image_id: The image.
        file: The file.
        staged: What it was read as now.
        known: What lay beside it when it was ingested, by the names of now.
        options: How large sidecars may be, and whether links are followed.

    Returns:
        What was left out or is doubtful.

    Raises:
        ImageNotFoundError, CorruptDataError: There is no such image, or it is damaged.
        UnreadableImageError: A sidecar has changed since it was staged.
    """
    record = open_record(blobs, image_id, writable=True)
    issues = [*staged.issues]
    there = {(artifact.name, artifact.kind) for artifact in record.artifacts.entries()}
    unchanged = {name for name, *_ in set(file.beside or ()).intersection(known)}
    for sidecar in staged.sidecars:
        if sidecar.path.name in unchanged:
            continue
        if (sidecar.name, sidecar.kind.name) not in there:
            value = read_sidecar(sidecar, options)
            record.artifacts.save(sidecar.name, value, sidecar.kind.name)
        elif not _is_as_stored(record, sidecar, options):
            issues.append(_kept(sidecar))
    texts = {**staged.vendor_texts, **_load(record, VENDOR_HEADER)}
    if texts:
        record.save_json(VENDOR_HEADER, texts)
    metadata = _load(record, METADATA)
    merged, disagreeing = _merged(metadata, staged.metadata)
    issues += [
        SourceIssue(file=file.primary.name, kind="doubtful_header", message=message)
        for message in disagreeing
    ]
    _save_axes(blobs, image_id, _object(merged.get("header")), staged.document.axes)
    record.save_metadata_payload(merged)
    provenance = _load(record, PROVENANCE)
    before = _object(provenance.get("source"))
    ingested, supersedes = before.get("ingested_epoch_ns"), before.get("supersedes")
    source = source_to_json(
        file,
        ingested_epoch_ns=(ingested if isinstance(ingested, int) else staged.row.ingested_epoch_ns),
        supersedes=supersedes if isinstance(supersedes, str) else None,
        issues=issues,
    )
    record.save_json(PROVENANCE, {**provenance, "source": source})
    return tuple(issues)


def _is_as_stored(record: ZarrImageRecord, sidecar: Sidecar, options: IngestOptions) -> bool:
    """Whether an artifact holds what the file of its name does."""
    kind, stored = sidecar.kind, record.artifacts.load(sidecar.name, sidecar.kind.name)
    found: bytes = kind.encode(read_sidecar(sidecar, options))
    return found == kind.encode(stored)


def _kept(sidecar: Sidecar) -> SourceIssue:
    return SourceIssue(
        file=sidecar.path.name,
        kind="sidecar_left_out",
        message=f"the image has an artifact {sidecar.name!r} already, which is kept; "
        "delete that one and touch this file to have it ingested",
    )


def _load(record: ZarrImageRecord, name: str) -> dict[str, JsonValue]:
    """One of the record's own documents; empty if there is none."""
    try:
        value = record.load_json(name)
    except ArtifactNotFoundError:
        return {}
    return dict(_object(value))


def _object(value: JsonValue) -> _JsonObject:
    return value if isinstance(value, dict) else {}


def _merged(old: _JsonObject, new: _JsonObject) -> tuple[dict[str, JsonValue], list[str]]:
    """The image's metadata with what is new in them, and where the two disagree."""
    header, disagreeing = _merged_header(_object(old.get("header")), _object(new.get("header")))
    known = {name: value for name, value in old.items() if value not in ({}, [], None)}
    return {**old, **new, **known, "header": header}, disagreeing


def _merged_header(old: _JsonObject, new: _JsonObject) -> tuple[dict[str, JsonValue], list[str]]:
    """A header whose unknown values are filled in; values that are known stay."""
    merged: dict[str, Any] = {**new, **{k: v for k, v in old.items() if v not in (None, {}, [])}}
    sources = {**_object(new.get("sources")), **_object(old.get("sources"))}
    old_axes, new_axes = _names(old.get("axes")), _names(new.get("axes"))
    named_now = _object(new.get("sources")).get("axes")
    if _object(old.get("sources")).get("axes") in (None, "default") and named_now != "default":
        merged["axes"], sources["axes"] = [*new_axes], named_now
    before = dict(zip(merged["axes"], old_axes or new_axes, strict=False))
    steps = {name: _object(old.get(name)) for name in ("scale", "unit")}
    found = {name: _object(new.get(name)) for name in ("scale", "unit")}
    disagreeing: list[str] = []
    merged["scale"], merged["unit"] = {}, {}
    for axis in merged["axes"]:
        was = before.get(axis, axis)
        step, unit = steps["scale"].get(was), steps["unit"].get(was)
        new_step, new_unit = found["scale"].get(axis), found["unit"].get(axis)
        # Lines that were taken for rows of a picture have no step in micrometres.
        is_known = step is not None and (was == axis or unit == new_unit)
        merged["scale"][axis], merged["unit"][axis] = (
            (step, unit) if is_known else (new_step, new_unit)
        )
        if is_known and new_step is not None and (step, unit) != (new_step, new_unit):
            disagreeing.append(
                f"the step along {axis!r} is {step} {unit} in the dataset and {new_step} "
                f"{new_unit} by the files; that of the dataset is kept"
            )
    merged["vendor"] = {**_object(new.get("vendor")), **_object(old.get("vendor"))}
    merged["sources"] = sources
    merged["warnings"] = new.get("warnings", [])
    return merged, disagreeing


def _names(value: JsonValue) -> Sequence[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else ()


def _save_axes(
    blobs: BlobStore, image_id: str, header: _JsonObject, fallback: tuple[str, ...]
) -> None:
    """Have the record's own document say what its metadata do of axes and steps."""
    document = read_record_document(blobs, image_id)
    if document is None:
        return
    axes = tuple(_names(header.get("axes"))) or fallback
    scale, unit = _object(header.get("scale")), _object(header.get("unit"))
    renewed = replace(
        document,
        axes=axes,
        ome=ome_attributes(
            axes,
            scale={axis: step for axis, step in scale.items() if isinstance(step, (int, float))},
            unit={axis: name for axis, name in unit.items() if isinstance(name, str)},
        ),
    )
    if renewed != document:
        blobs.put(f"{image_folder(image_id)}/{COMMIT_KEY}", renewed.to_bytes())
