"""A header or sidecars that came or changed later, added to the image that is there already.

An artifact is replaced if it is still what the ingest made of its file. Nothing else that the image
has is replaced: a person, or an analysis, may have changed it since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kymflow_zarr._artifacts.kind import encoded
from kymflow_zarr._artifacts.sidecars import Sidecar
from kymflow_zarr._catalog.recorded_source import renew_source
from kymflow_zarr._catalog.source_issue import SourceIssue, issues_to_json
from kymflow_zarr._catalog.sources import BesideState, SourceFile, file_to_json, row_to_json
from kymflow_zarr._ingest.image import StagedImage
from kymflow_zarr._ingest.merged_metadata import axis_names, merged_metadata
from kymflow_zarr._ingest.sidecars import read_sidecar, stored_digest
from kymflow_zarr._pixels.ome import ome_attributes, ome_axes
from kymflow_zarr._records.document import RecordDocument, image_folder, read_record_document
from kymflow_zarr._records.facts import METADATA, PROVENANCE, VENDOR_HEADER
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.json_text import JsonValue, json_object
from kymflow_zarr.errors import ArtifactNotFoundError
from kymflow_zarr.options import IngestOptions
from kymflow_zarr.record import ZarrImageRecord, open_record


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
    """Bring what lies beside a file to the image of its pixels. May be cut off and made again.

    `staged` is what the file was read as now, and `known` what lay beside it when it was ingested,
    by the names of now.

    Returns:
        What was left out or is doubtful.

    Raises:
        ImageNotFoundError, CorruptDataError: There is no such image, or it is damaged.
        UnreadableImageError: A sidecar has changed since it was staged.
    """
    record = open_record(blobs, image_id, writable=True)
    issues = [*staged.issues]
    there = {(artifact.name, artifact.kind) for artifact in record.artifacts.entries()}
    source = json_object(_load(record, PROVENANCE).get("source"))
    digests: dict[str, JsonValue] = {**json_object(source.get("sidecars"))}
    unchanged = {name for name, *_ in set(file.beside or ()).intersection(known)}
    for sidecar in staged.sidecars:
        if sidecar.path.name in unchanged:
            continue
        path = sidecar.kind.path(sidecar.name)
        is_there = (sidecar.name, sidecar.kind.name) in there
        if not is_there or not _is_as_stored(record, sidecar, options):
            as_ingested = digests.get(path, "unknown")
            if is_there and stored_digest(blobs, image_id, sidecar) != as_ingested:
                issues.append(_kept(sidecar))
                continue
            value = read_sidecar(sidecar, options)
            record.artifacts.save(sidecar.name, value, sidecar.kind.name)
        if (digest := stored_digest(blobs, image_id, sidecar)) is not None:
            digests[path] = digest
    texts = {**staged.vendor_texts, **_load(record, VENDOR_HEADER)}
    if texts:
        record.save_json(VENDOR_HEADER, texts)
    metadata = _load(record, METADATA)
    merged, disagreeing = merged_metadata(metadata, staged.metadata)
    issues += [
        SourceIssue(file=file.primary.name, kind="doubtful_header", message=message)
        for message in disagreeing
    ]
    _save_axes(blobs, image_id, json_object(merged.get("header")))
    record.save_metadata_payload(merged)
    found = {**file_to_json(file), "issues": issues_to_json(issues), "sidecars": digests}
    renew_source(blobs, image_id, lambda said: {**row_to_json(staged.row), **said, **found})
    return tuple(issues)


def _is_as_stored(record: ZarrImageRecord, sidecar: Sidecar, options: IngestOptions) -> bool:
    """Whether an artifact holds what the file of its name does."""
    kind, stored = sidecar.kind, record.artifacts.load(sidecar.name, sidecar.kind.name)
    return encoded(kind, read_sidecar(sidecar, options)) == encoded(kind, stored)


def _kept(sidecar: Sidecar) -> SourceIssue:
    return SourceIssue(
        file=sidecar.path.name,
        kind="sidecar_left_out",
        message=f"the artifact {sidecar.name!r} was not made of this file, and is kept; "
        "delete it and touch this file to ingest it",
    )


def _load(record: ZarrImageRecord, name: str) -> dict[str, JsonValue]:
    """One of the record's own documents; empty if there is none."""
    try:
        value = record.load_json(name)
    except ArtifactNotFoundError:
        return {}
    return dict(json_object(value))


def _save_axes(blobs: BlobStore, image_id: str, header: Mapping[str, JsonValue]) -> None:
    """Update axes and steps in the record's own document from its metadata."""
    document = read_record_document(blobs, image_id)
    if document is None:
        return
    axes = axis_names(header.get("axes"))
    if len(axes) != len(document.shape) or len(set(axes)) != len(axes):  # someone has edited them
        axes = document.axes
    scale, unit = json_object(header.get("scale")), json_object(header.get("unit"))
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
