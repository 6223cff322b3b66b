"""Look at recordings in the browser: draw borders, decide, and see the answer at once."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, ClassVar

from cyclopts import Parameter
from cyclopts.validators import Number

from kymflow.cli.blocks import Block, Screen
from kymflow.cli.opening import open_writer
from kymflow.cli.options import DEFAULT_WAIT_S, ProgressParam, Wait
from kymflow.cli.progress import SILENT
from kymflow.cli.results import DatasetResult
from kymflow.cli.safe_text import show


def view(
    dataset: str,
    /,
    *,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 0,
    no_browser: bool = False,
    wait: Wait = DEFAULT_WAIT_S,
    progress: ProgressParam = SILENT,
) -> ViewResult:
    """Look at recordings in the browser: draw borders, decide, and see the answer at once.

    The page is served on this machine only, until Ctrl-C. Other commands can work on the dataset
    meanwhile, and the page shows what they did.

    Args:
        dataset: Path or URL of the dataset.
        port: The port of the page; 0 for any that is free.
        no_browser: Only print the address of the page.
        wait: How many seconds to wait for another writer.
        progress: Shows the address.

    Raises:
        OSError: The port is taken.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow.cli.viewer import ViewServer
    from kymflow.cli.viewer.warm_up import warm_up

    with ViewServer(open_writer(dataset, wait_s=wait), port=port) as server:
        page = ServedPage(address=server.address)
        progress.tell(page)
        progress.note([page.address, "Press Ctrl-C to stop it."])
        threading.Thread(target=warm_up, args=[server.viewer.shown], daemon=True).start()
        if not no_browser:
            threading.Thread(target=webbrowser.open, args=[page.address], daemon=True).start()
        with suppress(KeyboardInterrupt):
            server.serve_forever()
        with server.viewer.writing:  # a change that has begun is completed
            return ViewResult(dataset=dataset, items=(page,))


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewResult(DatasetResult):
    """What was served.

    Attributes:
        items: Its page.
    """

    streamed: ClassVar[bool] = True
    verb: ClassVar[str] = "view"
    items: tuple[ServedPage, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:  # noqa: ARG002
        """See `Result`."""
        yield Block(lines=[f"the page of {show(self.dataset)} is closed"], kind="remark")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPage:
    """The page.

    Attributes:
        address: Where it is.
    """

    type: ClassVar[str] = "page"
    address: str
