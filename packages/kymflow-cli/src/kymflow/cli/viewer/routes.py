"""The requests of the page, and their answers."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from kymflow.cli.errors import expected_errors, explain
from kymflow.cli.viewer.changes import CHANGES, make_change
from kymflow.cli.viewer.guard import check_request
from kymflow.cli.viewer.messages import (
    Answer,
    BadRequestError,
    Request,
    binary_answer,
    json_answer,
)
from kymflow.cli.viewer.page_files import page_files
from kymflow.cli.viewer.recording import describe_recording, draw_figure, read_trace
from kymflow.cli.viewer.recording_list import RecordingList
from kymflow.cli.viewer.tiles import Tile, TileCache

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Viewer:
    """A dataset that is looked at, and all that is kept in memory for it.

    Attributes:
        dataset: The dataset, writable.
        token: The secret that each request has to bring.
        recordings: Its recordings.
        tiles: Pictures of them.
        writing: Held while something is changed.
        shown: Set when the velocity of a recording was sent for the first time.
    """

    dataset: ZarrDataset
    token: str
    recordings: RecordingList
    tiles: TileCache = field(default_factory=TileCache)
    writing: threading.Lock = field(default_factory=threading.Lock)
    shown: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, dataset: ZarrDataset, *, token: str | None = None) -> Viewer:
        """Look at a dataset that is writable; with a new token if None."""
        return cls(
            dataset=dataset,
            token=token or secrets.token_urlsafe(32),
            recordings=RecordingList(dataset),
        )

    def answer(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Answer a request; what is wrong with it, or with the data, is an answer, too.

        Args:
            method: ``GET`` or ``POST``.
            target: The path with its query, as in an address.
            headers: The headers; names in lower case.
            body: The body; empty for ``GET``.
        """
        try:
            request = Request.from_target(method, target, headers=headers, body=body)
            check_request(request, self.token)
            return self._answer(request)
        except BadRequestError as error:
            return refusal(error.status, str(error))
        except expected_errors() as error:
            failure = explain(error)
            missing = isinstance(error, LookupError | FileNotFoundError)
            status = HTTPStatus.NOT_FOUND if missing else HTTPStatus.CONFLICT
            return refusal(status, failure.message, failure.hint)

    def _answer(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", ("api", "recordings"):
                changes = self.recordings.changes(request.integer("since", 0))
                return json_answer({"dataset": self.dataset.location, **changes})
            case "GET", ("api", "recordings", image_id):
                return json_answer(describe_recording(self.dataset, image_id))
            case "GET", ("api", "recordings", image_id, "tile"):
                return binary_answer(self.tiles.get(self.dataset, _tile(image_id, request)))
            case "GET", ("api", "recordings", image_id, "figure"):
                figure = draw_figure(
                    self.dataset.record(image_id),
                    channel=request.integer("channel"),
                    roi=_roi(request),
                    lines=(request.integer("first"), request.integer("stop")),
                )
                return Answer(media_type="image/svg+xml", body=figure)
            case "GET", ("api", "recordings", image_id, "trace"):
                record = self.dataset.record(image_id)
                trace = read_trace(record, channel=request.integer("channel"), roi=_roi(request))
                self.shown.set()
                return binary_answer(trace)
            case "POST", ("api", "recordings", image_id, change) if change in CHANGES:
                record = self.dataset.record(image_id)
                with self.writing:
                    make_change(self.dataset, record, change, request.json())
                self.recordings.look_again(image_id)
                return json_answer(describe_recording(self.dataset, image_id))
            case "GET", path if path in page_files():
                return page_files()[path]
        raise BadRequestError("there is nothing here", HTTPStatus.NOT_FOUND)


def refusal(status: HTTPStatus, message: str, hint: str = "") -> Answer:
    """An answer that says what is wrong, and what to do."""
    return json_answer({"error": message, "hint": hint}, status)


def _roi(request: Request) -> int | None:
    return request.integer("roi") if "roi" in request.query else None


def _tile(image_id: str, request: Request) -> Tile:
    return Tile(
        image_id=image_id,
        channel=request.integer("channel"),
        z=request.integer("z", 0),
        level=request.integer("level"),
        index=request.integer("index"),
    )
