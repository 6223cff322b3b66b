"""What a dataset keeps for the next time: the manifest, and what was derived from images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kymflow_zarr._catalog.derived import artifact_stamps, load_derived, save_derived
from kymflow_zarr._catalog.listing import list_image_ids
from kymflow_zarr._catalog.manifest import (
    Manifest,
    build_manifest,
    with_analysis_keys,
    with_sources,
)
from kymflow_zarr._catalog.manifest_cache import load_cache, save_cache
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._front.access import Access


class Caches:
    """The part of `ZarrDataset` about caches in ``index/``, which may be lost."""

    _access: Access

    def load_manifest(self, *, include_analysis_keys: bool = False) -> Manifest:
        """What each image says of itself, without opening those that have not changed.

        It is current: images added a moment ago are in it, deleted ones are not. Nothing is
        written.

        Args:
            include_analysis_keys: Whether each entry lists the image's artifacts, too; for that,
                every image's folder is listed.
        """
        return self._manifest(include_analysis_keys, cached=True)

    def update_manifest(self, *, include_analysis_keys: bool = False) -> Manifest:
        """`load_manifest`, and store the result for next time."""
        manifest = self.load_manifest(include_analysis_keys=include_analysis_keys)
        self.save_manifest(manifest)
        return manifest

    def rebuild_manifest(self, *, include_analysis_keys: bool = False) -> Manifest:
        """Read every image again, and store the result."""
        self._access.require_writable("rebuild the manifest")
        manifest = self._manifest(include_analysis_keys, cached=False)
        self.save_manifest(manifest)
        return manifest

    def save_manifest(self, manifest: Manifest) -> None:
        """Keep a manifest as the cache that `load_manifest` starts from."""
        self._access.require_writable("write the manifest")
        with self._access.lock("tables", "write the manifest"):
            save_cache(self._access.blobs, manifest)

    def _manifest(self, include_analysis_keys: bool, *, cached: bool) -> Manifest:
        blobs = self._access.blobs
        manifest = build_manifest(blobs, list_image_ids(blobs), load_cache(blobs) if cached else {})
        rows = SourcesIndex(blobs).stored_or_none()
        manifest = with_sources(manifest, {row.image_id: row for row in rows or ()})
        return with_analysis_keys(blobs, manifest) if include_analysis_keys else manifest

    def artifact_stamps(self, image_ids: Iterable[str]) -> dict[str, str]:
        """For each image a text that changes whenever one of its artifacts does.

        No file is opened: names, sizes and times of files decide, and on object stores entity tags.
        The text is empty for an image that does not exist, and in a Zarr store in memory.
        """
        return artifact_stamps(self._access.blobs, image_ids)

    def load_derived(self, name: str) -> dict[str, str]:
        """What `save_derived` kept, by image id; empty if it was lost.

        Raises:
            InvalidNameError: The name breaks a rule for names.
        """
        return load_derived(self._access.blobs, name)

    def save_derived(self, name: str, values: Mapping[str, str]) -> None:
        """Keep one text per image, such as the `artifact_stamps` that something was made from.

        Only for what can be derived again: it is in ``index/``, which may be deleted.

        Args:
            name: Segments joined by ``/``, as for tables.
            values: The texts by image id.

        Raises:
            InvalidNameError: The name breaks a rule for names.
        """
        self._access.require_writable(f"write {name!r}")
        save_derived(self._access.blobs, name, values)
