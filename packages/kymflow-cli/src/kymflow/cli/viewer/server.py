"""The server: HTTP on this machine alone."""

from __future__ import annotations

import logging
import os
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from kymflow.cli.viewer.guard import SECURITY_HEADERS
from kymflow.cli.viewer.messages import Answer
from kymflow.cli.viewer.routes import Viewer, refusal

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset

logger = logging.getLogger(__name__)

_MOST_BODY_BYTES: Final = 64 * 1024


class ViewServer(ThreadingHTTPServer):
    """Serves the page of a dataset, to browsers on this machine.

    Args:
        dataset: The dataset, writable.
        port: The port; 0 for any that is free.
        token: The secret of the address; a new one if None.

    Raises:
        OSError: The port is taken.
    """

    daemon_threads = True
    # On Windows it would let another program take the port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, dataset: ZarrDataset, *, port: int = 0, token: str | None = None) -> None:
        self.viewer = Viewer.of(dataset, token=token)
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def address(self) -> str:
        """The address to open. The token comes after ``#``, which browsers send nowhere."""
        return f"http://127.0.0.1:{self.server_port}/#{self.viewer.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log what went wrong; a browser that leaves in mid-answer is nothing to report."""
        level = logging.DEBUG if isinstance(sys.exception(), ConnectionError) else logging.ERROR
        logger.log(level, "a request from %s failed", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    # For requests that are not HTTP, or have other methods.
    error_content_type = "text/plain"
    error_message_format = "%(message)s\n"
    server: ViewServer

    def do_GET(self) -> None:
        self._respond(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > _MOST_BODY_BYTES:
            self.close_connection = True
            self._send(refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large"))
            return
        self._respond(self.rfile.read(int(length)))

    def _respond(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self.server.viewer.answer(self.command, self.path, headers=headers, body=body))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in SECURITY_HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def version_string(self) -> str:
        """No version is sent."""
        return "kymflow"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        logger.debug(format, *args)
