"""An open dataset, as its views share it: the key space, and what may be done there."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from kymflow_zarr._storage.blobs import BlobStore, Durability
from kymflow_zarr.errors import ReadOnlyError, UnsupportedFormatError
from kymflow_zarr.schema import DatasetSchema

Mode: TypeAlias = Literal["r", "r+", "a"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a dataset is open; `ZarrDataset` says what its parts mean."""

    blobs: BlobStore
    schema: DatasetSchema
    mode: Mode
    durability: Durability
    lock_timeout_s: float

    def lock(self, name: str, action: str) -> AbstractContextManager[None]:
        """Hold a writer's lock for a block.

        Raises:
            LockedError: Another writer held it for `lock_timeout_s` seconds.
        """
        return self.blobs.lock(name, action=action, timeout_s=self.lock_timeout_s)

    def require_writable(self, action: str) -> None:
        """Refuse to write to a dataset that is open read-only."""
        if self.mode == "r":
            raise ReadOnlyError(action)

    def require_current_format(self, action: str) -> None:
        """Refuse what format 1 cannot hold."""
        self.require_writable(action)
        if self.schema.version != DatasetSchema.CURRENT:
            raise UnsupportedFormatError(
                self.blobs.location,
                found=self.schema.version,
                supported=(DatasetSchema.CURRENT,),
                hint=f"call upgrade() first, then {action}",
            )


def check_choice(argument: str, value: str, choices: object) -> None:
    """Refuse a value that is not one of a literal type's."""
    allowed = get_args(choices)
    if value not in allowed:
        listed = ", ".join(map(repr, allowed))
        raise ValueError(f"unknown {argument} {value!r}; choose one of {listed}")
