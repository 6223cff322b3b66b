"""Which folders writers are changing, in a store where each is changed key by key.

A writer says so in its own key, which it keeps up like a lock (see `lease`) and removes at the
end. So a folder without its commit key is told from a damaged one if a claim names it, and what a
killed writer left can be removed.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from kymflow_zarr._storage.lease import EXPIRES_S, Lease, Register, lock_key, new_note, to_bytes

if TYPE_CHECKING:
    from obstore import UpdateVersion

_PLACE: Final = "staging"
_POLL_S: Final = 1.0
_FOLDER = re.compile(r"images(/[A-Za-z0-9][A-Za-z0-9._-]*)+")


class _Claims(Register, Protocol):
    async def find(self, folder: str) -> dict[str, int]: ...

    async def remove(self, key: str) -> None: ...


class StoredClaim:
    """The claim of this process to some folders, from `claim_folders`; `end` it."""

    def __init__(self, register: _Claims, lease: Lease) -> None:
        self._register = register
        self._lease = lease

    async def is_mine(self) -> bool:
        """Whether it is still held, so that the folders may be published."""
        return await self._lease.is_mine()

    async def end(self, *, remove: bool = True) -> None:
        """Keep it up no longer; see `Claim.end`."""
        if remove:
            await self._lease.stop(self._register.remove(lock_key(self._lease.name)))
        else:
            await self._lease.stop()


async def claim_folders(register: _Claims, folders: Sequence[str]) -> StoredClaim:
    """Say that this process is changing some folders.

    Raises:
        OSError: The store does not take it.
    """
    name = f"{_PLACE}/{uuid.uuid4().hex}"
    note = {**new_note("write or delete folders"), "folders": list(folders)}
    version = await register.swap(lock_key(name), to_bytes(note), None)
    if version is None:
        raise OSError(f"{lock_key(name)!r} already exists; try again")
    return StoredClaim(register, Lease(register, name, note, version))


async def claimed_folders(register: _Claims, *, but: Collection[str]) -> set[str]:
    """The folders that claims name, except those under some keys."""
    keys = (await _claims(register)).keys() - set(but)
    found = await asyncio.gather(*map(register.read, keys))
    return {folder for one in found for folder in _folders(one)}


async def abandoned_claims(register: _Claims) -> list[str]:
    """The keys of claims whose writers are gone; waits until that is certain, if there are any."""
    clock = asyncio.get_running_loop().time
    end = clock() + EXPIRES_S
    silent = set((await _claims(register)).items())
    while silent and clock() < end:
        await asyncio.sleep(_POLL_S)
        silent &= (await _claims(register)).items()
    return sorted(key for key, _ in silent)


async def take_claim(register: _Claims, key: str) -> list[str]:
    """Take a claim away, so that its writer publishes nothing any more; returns its folders."""
    found = await register.read(key)
    if found is None:
        return []
    folders = _folders(found)
    note = to_bytes({**new_note("repair"), "folders": folders})
    return [] if await register.swap(key, note, found[1]) is None else folders


async def _claims(register: _Claims) -> dict[str, int]:
    return await register.find(f"index/{_PLACE}")


def _folders(found: tuple[bytes, UpdateVersion] | None) -> list[str]:
    """The folders of a claim; none if it is gone, damaged, or names what cannot be staged."""
    try:
        folders = [] if found is None else json.loads(found[0])["folders"]
    except (ValueError, TypeError, KeyError):
        return []
    if not isinstance(folders, list):
        return []
    return [one for one in folders if isinstance(one, str) and _FOLDER.fullmatch(one)]
