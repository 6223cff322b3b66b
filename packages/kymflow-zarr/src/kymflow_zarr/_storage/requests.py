"""Requests to an object store: so many at a time, tried again, and given up after a while."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Final, TypeVar

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_ANSWER_S: Final = 12.0  # a person is told after this time that there is no answer
_TRY_S: Final = 6.0  # a request without an answer is made again after this time
_BYTES_PER_S: Final = 2**15  # a request that carries much may be as slow as this
_TRIES: Final = 5
_FIRST_PAUSE_S: Final = 0.1

_ADVICE = "check the URL, the network and the credentials"


class ChangedError(Exception):
    """A key is not what it was when it was looked at, or is there already."""


class Requests:
    """The requests of one dataset, so many at a time."""

    at_once: Final = 64

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(self.at_once)
        self._is_silent = False

    async def ask(
        self,
        request: Callable[[asyncio.Timeout], Awaitable[_T]],
        *,
        size: int = 0,
    ) -> _T:
        """Make a request, and make it again if the store or the network fails.

        The argument of `request` ends it after a while, later if it sends many bytes; see `allow`.

        Raises:
            FileNotFoundError: There is no such key, or bucket.
            ChangedError: The condition of a write does not hold.
            PermissionError: The store does not allow it.
            TimeoutError: There was no answer.
            OSError: The store says something else.
        """
        from obstore.exceptions import BaseError

        if os.getpid() != _first_pid():
            raise OSError(
                "a forked process cannot use object stores if its parent has; start "
                'workers with multiprocessing.get_context("spawn")'
            )
        extra_s = size / _BYTES_PER_S
        clock = asyncio.get_running_loop().time
        async with self._slots:
            # Once a caller was told that there is no answer, cleaning up must not take as long.
            try_s, answer_s = (1.0, 1.0) if self._is_silent else (_TRY_S, _ANSWER_S)
            begun = clock()
            end = begun + answer_s + extra_s
            for tried in range(1, _TRIES + 1):
                try:
                    async with asyncio.timeout(try_s + extra_s) as limit:
                        answer = await request(limit)
                    self._is_silent = False
                    return answer
                except TimeoutError:
                    failure: OSError = TimeoutError(
                        f"the object store has not answered for {clock() - begun:.0f} s; {_ADVICE}"
                    )
                except (BaseError, FileNotFoundError, NotImplementedError) as error:
                    failure = _failure(error)
                pause_s = _FIRST_PAUSE_S * 2**tried * random.uniform(0.5, 1)  # noqa: S311 - no secret
                if tried == _TRIES or clock() + pause_s >= end:
                    self._is_silent = isinstance(failure, TimeoutError)
                    raise failure
                logger.warning("%s; trying again (%d of %d)", failure, tried, _TRIES - 1)
                await asyncio.sleep(pause_s)
        raise AssertionError("unreachable")

    @staticmethod
    def allow(limit: asyncio.Timeout, size: int) -> None:
        """Give a request more time, for so many bytes that come."""
        when = limit.when()
        if when is not None:
            limit.reschedule(when + size / _BYTES_PER_S)


@cache
def _first_pid() -> int:
    """The process that made the first request: forked ones lack the threads of the library."""
    return os.getpid()


def _failure(error: Exception) -> OSError:
    """A failure after which a request is worth another try; others are raised.

    Raises:
        FileNotFoundError, ChangedError, PermissionError: As for `Requests.ask`.
        OSError: The store cannot do what it was asked.
    """
    from obstore import exceptions

    said, *_ = str(error).splitlines()
    if isinstance(error, (FileNotFoundError, exceptions.NotFoundError)):
        raise FileNotFoundError(said) from error
    if isinstance(error, (exceptions.AlreadyExistsError, exceptions.PreconditionError)):
        raise ChangedError(said) from error
    if isinstance(error, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)):
        raise PermissionError(f"the object store says {said!r}; {_ADVICE}") from error
    failure = OSError(f"the object store says {said!r}; {_ADVICE}")
    if not isinstance(error, exceptions.GenericError):
        raise failure from error
    failure.__cause__ = error
    return failure
