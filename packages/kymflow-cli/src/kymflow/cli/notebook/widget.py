"""A widget that holds the page, and answers what it asks."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

import anywidget
import traitlets

from kymflow.cli.viewer.page_files import page_files
from kymflow.cli.viewer.routes import Viewer
from kymflow.core import KymDataset
from kymflow_zarr import ZarrDataset, ZarrImageRecord

_HERE: Final = files("kymflow.cli.notebook")


def view(
    what: ZarrImageRecord | ZarrDataset | KymDataset, /, *, height: int = 900
) -> RecordingsWidget:
    """Look at recordings in a notebook: draw borders, decide, and see the answer at once.

    Args:
        what: A recording to open the page with, or a dataset. It is opened again for writing, by
            its path or URL, since what is decided on the page is saved at once.
        height: Height of the page, in CSS pixels.

    Returns:
        The widget; the last line of a cell shows it.

    Raises:
        kymflow_zarr.ReadOnlyError: Nothing can be written there.
        TypeError: `what` is none of these.
    """
    chosen = ""
    match what:
        case ZarrImageRecord():
            location, chosen = what.dataset_location, what.image_id
        case ZarrDataset():
            location = what.location
        case KymDataset():
            location = what.ds.location
        case _:
            raise TypeError(
                f"cannot view {type(what).__name__}; give a record, a ZarrDataset or a KymDataset"
            )
    return RecordingsWidget(ZarrDataset(location, mode="r+"), chosen=chosen, height=height)


class RecordingsWidget(anywidget.AnyWidget):
    """The page of a dataset in a notebook.

    Args:
        dataset: The dataset, writable.
        chosen: Id of the recording that is opened first; empty for the first of the list.
        height: Height of the page, in CSS pixels.
    """

    _esm = (_HERE / "notebook.js").read_text(encoding="utf-8")
    page = traitlets.Dict().tag(sync=True)
    chosen = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int().tag(sync=True)

    def __init__(self, dataset: ZarrDataset, *, chosen: str = "", height: int = 900) -> None:
        self._viewer = Viewer.of(dataset)
        super().__init__(page=_page(), chosen=chosen, height=height)
        self.on_msg(self._answer)

    def _answer(self, _: object, asked: dict[str, Any], __: object) -> None:
        # Jupyter lets only the notebook's own page talk to its kernel, and that has no token: the
        # headers are those that a page with the token would send.
        headers = {
            "host": "localhost",
            "x-kymflow-token": self._viewer.token,
            "content-type": "application/json",
        }
        body = str(asked["body"]).encode()
        answer = self._viewer.answer(asked["method"], asked["path"], headers=headers, body=body)
        self.send({"id": asked["id"], "status": int(answer.status)}, buffers=[answer.body])


def _page() -> dict[str, str]:
    """The text of every file of the page by its path, and of what its frame needs besides."""
    page = {"/".join(path): file.body.decode() for path, file in page_files().items() if path}
    return {**page, "frame.js": (_HERE / "frame.js").read_text(encoding="utf-8")}
