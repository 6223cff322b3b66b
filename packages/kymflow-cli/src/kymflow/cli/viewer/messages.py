"""What the page asks and what it is answered, apart from HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


class BadRequestError(ValueError):
    """A request that the page would not make.

    Attributes:
        status: The HTTP status that says so.
    """

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request.

    Attributes:
        method: ``GET`` or ``POST``.
        path: The decoded path, split at its slashes.
        query: The query; of a name that is given twice, the last value.
        headers: The headers; names in lower case.
        body: The body; empty for ``GET``.
    """

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @classmethod
    def from_target(
        cls, method: str, target: str, *, headers: Mapping[str, str], body: bytes = b""
    ) -> Request:
        """The request for a path with a query, both as in an address.

        Raises:
            BadRequestError: The target is malformed.
        """
        try:
            address = urlsplit(target)
        except ValueError as error:
            raise BadRequestError(f"the path is malformed: {error}") from error
        path = unquote(address.path).strip("/")
        return cls(
            method=method,
            path=tuple(path.split("/")) if path else (),
            query=dict(parse_qsl(address.query)),
            headers=headers,
            body=body,
        )

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number of the query.

        Raises:
            BadRequestError: It is missing without a default, or no whole number.
        """
        text = self.query.get(name)
        if text is None and default is not None:
            return default
        if text is None or not text.isascii() or not text.isdigit():
            raise BadRequestError(f"{name} is {text!r}; give a whole number")
        return int(text)

    def json(self) -> Mapping[str, Any]:
        """The body as a JSON object.

        Raises:
            BadRequestError: It is not one.
        """
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BadRequestError(f"the body is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise BadRequestError("the body is not a JSON object")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer.

    Attributes:
        status: The HTTP status.
        media_type: What the body is.
        body: The body.
    """

    status: HTTPStatus = HTTPStatus.OK
    media_type: str
    body: bytes


def json_answer(value: object, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """An answer in JSON, which has no NaN."""
    body = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Answer(status=status, media_type="application/json", body=body.encode())


def binary_answer(body: bytes) -> Answer:
    """An answer of little-endian numbers."""
    return Answer(media_type="application/octet-stream", body=body)
