"""Who may ask: a page that this server served, in a browser on this machine, with its token.

Other pages in the same browser can reach a server on this machine, and so can a name of theirs that
they point here (DNS rebinding). Each rule below refuses them by itself.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from kymflow.cli.viewer.messages import BadRequestError, Request

_HEADER: Final = "x-kymflow-token"

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_OWN_SITE: Final = frozenset({"same-origin", "none"})

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            # Scripts of the page cannot turn text into markup: the browser refuses it.
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""What every answer has."""


def check_request(request: Request, token: str) -> None:
    """Refuse what no page of this server asks.

    Through an SSH tunnel the port is another one, so ports are not compared.

    Args:
        request: The request.
        token: The secret that only the address of the page has.

    Raises:
        BadRequestError: It says why, and with which status to answer.
    """
    headers = request.headers
    host = headers.get("host", "")
    if _without_port(host) not in _LOOPBACK:
        raise BadRequestError(
            f"the host is {host!r}; open the page at 127.0.0.1", HTTPStatus.MISDIRECTED_REQUEST
        )
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        raise BadRequestError(
            f"a page of {origin!r} may not send requests here", HTTPStatus.FORBIDDEN
        )
    if headers.get("sec-fetch-site", "none") not in _OWN_SITE and request.path[:1] == ("api",):
        raise BadRequestError("another site may not send requests here", HTTPStatus.FORBIDDEN)
    if request.path[:1] != ("api",):
        return  # the page itself, which holds no data
    given = headers.get(_HEADER, "")
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise BadRequestError(
            "this address is no longer valid; open the one that kymflow view printed",
            HTTPStatus.UNAUTHORIZED,
        )
    if request.method == "POST" and headers.get("content-type") != "application/json":
        raise BadRequestError("the body must be JSON", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
