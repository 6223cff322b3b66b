"""One image file, with what lies beside it, staged as one record."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kymflow_zarr._artifacts.json_kind import JSON
from kymflow_zarr._artifacts.sidecars import Sidecar, Sidecars, find_sidecars
from kymflow_zarr._catalog.source_issue import SourceIssue
from kymflow_zarr._catalog.sources import SourceRow, source_to_json
from kymflow_zarr._ingest.channel_files import header_of_channels
from kymflow_zarr._ingest.folder import ImageFolder
from kymflow_zarr._ingest.orientation import blocks_down, time_down
from kymflow_zarr._ingest.outcome import IngestJob
from kymflow_zarr._ingest.payload import metadata_payload
from kymflow_zarr._ingest.sidecars import stage_sidecars
from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._pixels.layout import check_axes, check_dtype, resolve_chunks
from kymflow_zarr._readers.header import Header
from kymflow_zarr._readers.image_file import ImageFile, open_image, read_header
from kymflow_zarr._readers.protocols import FolderListing
from kymflow_zarr._records.build import stage_artifact, stage_record
from kymflow_zarr._records.document import RecordDocument
from kymflow_zarr._records.facts import VENDOR_HEADER
from kymflow_zarr._storage.blobs import Staging
from kymflow_zarr._storage.json_text import JsonValue, is_unicode
from kymflow_zarr.errors import (
    CorruptDataError,
    InvalidNameError,
    SchemaValidationError,
    UnreadableImageError,
)
from kymflow_zarr.options import IngestOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedImage:
    """An image that was read and can be published.

    Attributes:
        sidecars: The files that became its artifacts.
        issues: What was left out or is doubtful.
    """

    row: SourceRow
    document: RecordDocument
    metadata: Mapping[str, JsonValue]
    vendor_texts: Mapping[str, str]
    sidecars: tuple[Sidecar, ...]
    issues: tuple[SourceIssue, ...]


def stage_image_file(
    staging: Staging, job: IngestJob, *, folder: ImageFolder, options: IngestOptions
) -> StagedImage:
    """Read an image file, or one image of it, and stage the record that is made of it.

    Several channel files become one image with a leading axis ``c``. What lies beside the file and
    cannot be read is left out, and named in the provenance.

    Raises:
        UnreadableImageError: The file cannot be ingested, or one beside it if the options are
            strict; nothing is published.
        IncompleteImageError: It is still being written, as far as can be seen.
    """
    try:
        return _stage(staging, job, folder=folder, options=options)
    except (SchemaValidationError, CorruptDataError, InvalidNameError) as error:
        raise UnreadableImageError(job.path, str(error)) from error


def _stage(
    staging: Staging, job: IngestJob, *, folder: ImageFolder, options: IngestOptions
) -> StagedImage:
    image_id, file, primary = job.image_id, job.file, job.path
    files = (primary, *map(Path, file.paths[1:]))
    _check_paths(files)
    ingested = time.time_ns()
    with ExitStack() as stack:
        channels = [
            stack.enter_context(
                open_image(
                    path,
                    folder.readers.get(path.name),
                    scene=job.scene,
                    limits=options.limits,
                    follow_links=options.follow_links,
                )
            )
            for path in files
        ]
        _check_channels(channels)
        header = read_header(
            channels[0],
            folder.listing,
            limits=options.limits,
            beside=options.sidecars,
            axes=options.axes,
            channel_files=[path.name for path in files[1:]],
        )
        header = header_of_channels(header, files, folder.sidecars)
        shape, axes = time_down(channels[0].shape, header.axes)
        if len(channels) > 1:
            shape, axes = (len(channels), *shape), ("c", *axes)
        check_axes(axes, shape)
        dtype = check_dtype(channels[0].dtype)
        chunks = resolve_chunks(shape, dtype, None)
        beside = find_sidecars(primary, folder.sidecars) if options.sidecars else Sidecars()
        sidecars = stage_sidecars(staging, image_id, beside, options=options)
        if options.strict:
            _refuse([*header.left_out, *sidecars.left_out])
        issues = (*_header_issues(primary, folder.listing, header), *sidecars.issues())
        artifacts = [*sidecars.digests]
        if header.vendor_texts:
            texts = dict(header.vendor_texts)
            artifacts.append(stage_artifact(staging, image_id, JSON, VENDOR_HEADER, texts))
        metadata = metadata_payload(header, shape=shape, axes=axes)
        document = stage_record(
            staging,
            image_id,
            _blocks(channels, chunks, time_across=axes[-len(header.axes) :] != header.axes),
            shape=shape,
            dtype=dtype,
            axes=axes,
            chunks=chunks,
            scale={axis: step for axis, step in header.scale.items() if step is not None},
            unit={axis: unit for axis, unit in header.unit.items() if unit is not None},
            metadata=metadata,
            source=source_to_json(
                file,
                ingested_epoch_ns=ingested,
                supersedes=job.supersedes,
                scene=job.scene,
                issues=issues,
                sidecars=sidecars.digests,
            ),
            artifacts=artifacts,
            block_axis=_block_axis(channels, chunks),
        )
    row = SourceRow(
        source_primary_path=str(primary),
        image_id=image_id,
        source_mtime_ns=file.held_mtime_ns,
        source_size_bytes=file.size_bytes,
        ingested_epoch_ns=ingested,
    )
    return StagedImage(
        row=row,
        document=document,
        metadata=metadata,
        vendor_texts=header.vendor_texts,
        sidecars=sidecars.staged,
        issues=issues,
    )


def _header_issues(primary: Path, listing: FolderListing, header: Header) -> Iterator[SourceIssue]:
    for error in header.left_out:
        file = listing.name_of(error.path)
        yield SourceIssue(file=file, kind="header_left_out", message=error.reason)
    for warning in header.warnings:
        yield SourceIssue(file=primary.name, kind="doubtful_header", message=warning)


def _refuse(left_out: Iterable[UnreadableImageError]) -> None:
    """Raise the first of what is wrong with files beside an image."""
    for error in left_out:
        raise error


def _block_axis(channels: Sequence[ImageFile], chunks: tuple[int, ...]) -> int:
    """The axis along which `_blocks` follow each other."""
    return 1 if len(channels) > 1 and chunks[0] == 1 else 0


def _blocks(
    channels: Sequence[ImageFile], chunks: tuple[int, ...], *, time_across: bool
) -> Iterator[AnyArray]:
    """The pixels of one image, or of its channels stacked, in blocks of bounded size."""
    read = blocks_down if time_across else ImageFile.iter_blocks
    if len(channels) == 1:
        yield from read(channels[0], chunks[0])
    elif _block_axis(channels, chunks) == 1:
        for channel in channels:
            for block in read(channel, chunks[1]):
                yield block[np.newaxis]
    else:  # a chunk holds whole channels: they are small
        for start in range(0, len(channels), chunks[0]):
            block = np.stack([channel.read() for channel in channels[start : start + chunks[0]]])
            yield block.swapaxes(-2, -1) if time_across else block


def _check_paths(paths: Sequence[Path]) -> None:
    """Refuse a path that provenance, which is UTF-8, cannot hold."""
    for path in paths:
        if not is_unicode(str(path)):
            raise UnreadableImageError(
                path, "its path is not valid UTF-8; rename the file, or its folder"
            )


def _check_channels(channels: Sequence[ImageFile]) -> None:
    first = channels[0]
    for other in channels[1:]:
        if (other.shape, other.dtype) != (first.shape, first.dtype):
            raise UnreadableImageError(
                other.path,
                f"it has shape {other.shape} and type {other.dtype}, but channel 1 in "
                f"{first.path.name!r} has {first.shape} and {first.dtype}; "
                "rename it, or ingest with channels='off', if it is not a channel of that image",
            )
