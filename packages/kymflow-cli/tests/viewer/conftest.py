"""A small lab's dataset, a server of it in this process, and requests over real HTTP."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from kymflow.cli.demo_images import DEMO_SCENES, save_kymograph, synthesize
from kymflow.cli.viewer import ViewServer
from kymflow.core.analysis import run_analysis
from kymflow.core.analysis.velocity import VELOCITY
from kymflow_zarr import ZarrDataset

_TOKEN = "the-token-of-the-tests"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# A machine that does much else at the time is slow, and still right.
_PATIENCE_MS = 300_000

Serve = Callable[..., AbstractContextManager[ViewServer]]
Ask = Callable[..., "Reply"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def _ask(
    server: ViewServer, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None
) -> Reply:
    port = server.server_port
    own = {"Host": f"127.0.0.1:{port}", "X-Kymflow-Token": _TOKEN}
    if body is not None:
        own["Content-Type"] = "application/json"
    sent = {name: value for name, value in {**own, **(headers or {})}.items() if value}
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body)
    connection.request("GET" if body is None else "POST", path, body=data, headers=sent)
    answer = connection.getresponse()
    reply = Reply(status=answer.status, headers=dict(answer.getheaders()), body=answer.read())
    connection.close()
    return reply


@pytest.fixture(scope="session")
def made_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings of two mice; the last has no results."""
    folder = tmp_path_factory.mktemp("lab")
    scenes = {
        "mouse1/flow.tif": dataclasses.replace(DEMO_SCENES[0], lines=3000, pixels=48),
        "mouse1/stall.tif": dataclasses.replace(
            DEMO_SCENES[3], stall_s=(1.2, 2.7), lines=3500, pixels=48
        ),
        "mouse2/todo.tif": dataclasses.replace(DEMO_SCENES[1], lines=600, pixels=24),
    }
    for name, scene in scenes.items():
        file = folder / "recordings" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        save_kymograph(file, synthesize(scene))
    dataset = ZarrDataset(folder / "lab.zarr")
    for name in ("mouse1", "mouse2"):
        dataset.refresh_from_folder(folder / "recordings" / name)
    ids = [_image_of(dataset, "flow.tif"), _image_of(dataset, "stall.tif")]
    assert all(one.error is None for one in run_analysis(dataset, VELOCITY, image_ids=ids))
    return folder / "lab.zarr"


@pytest.fixture
def lab(made_lab: Path, tmp_path: Path) -> ZarrDataset:
    """A separate copy for each test."""
    return ZarrDataset(shutil.copytree(made_lab, tmp_path / "lab.zarr"), mode="r+")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium is."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("there is no Chromium here")
    return found


@pytest.fixture(scope="session")
def chromium(chromium_path: str) -> Iterator[Any]:
    """One browser for all tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    playwright.expect.set_options(timeout=_PATIENCE_MS)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open an address in an empty profile; a complaint of the browser fails the test.

    With `html`, that is what lies at the address.
    """
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_it(address: str, *, html: str = "", **options: Any) -> Any:
        context = chromium.new_context(
            **{"viewport": {"width": 1400, "height": 1100}, "locale": "en-US", **options}
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        if html:
            page.route(address, lambda route: route.fulfill(body=html, content_type="text/html"))
        page.goto(address)
        return page

    yield open_it
    for context in contexts:
        context.close()
    # Of a request that fails or is refused, the page itself has to say so.
    assert [text for text in complaints if not text.startswith("Failed to load resource")] == []


@pytest.fixture
def serve() -> Serve:
    """Serve a dataset for the length of a block."""

    @contextmanager
    def serving(dataset: ZarrDataset, *, port: int = 0) -> Iterator[ViewServer]:
        with ViewServer(dataset, port=port, token=_TOKEN) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()

    return serving


@pytest.fixture
def server(lab: ZarrDataset, serve: Serve) -> Iterator[ViewServer]:
    """The server of `lab`."""
    with serve(lab) as running:
        yield running


@pytest.fixture
def ask(server: ViewServer) -> Ask:
    """Ask `server` as the page does; headers that are given replace the page's, "" drops one."""
    return partial(_ask, server)


@pytest.fixture
def image_ids(lab: ZarrDataset) -> dict[str, str]:
    """The ids of the recordings of `lab` by the names of their files, without endings."""
    return {name: _image_of(lab, f"{name}.tif") for name in ("flow", "stall", "todo")}


def _image_of(dataset: ZarrDataset, file: str) -> str:
    """The id of the image that was made of a file."""
    (found,) = (
        image_id
        for image_id, entry in dataset.load_manifest().entries.items()
        if entry.source is not None and entry.source.source_primary_path.endswith(file)
    )
    return found
