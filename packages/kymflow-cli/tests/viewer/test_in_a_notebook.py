"""The page in a notebook: a kernel's messages carry what a server would."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest

from kymflow.core import KymDataset
from kymflow.core.decisions import read_decisions
from kymflow_zarr import ZarrDataset, ZarrImageRecord

pytest.importorskip("anywidget", reason="anywidget is not installed")

import comm
from comm.base_comm import BaseComm

from kymflow.cli.notebook import RecordingsWidget, view


class BrowserSide(BaseComm):
    """The other end of a widget, as a notebook has it: its state, and what it sends."""

    def __init__(self, **options: Any) -> None:
        self.state: dict[str, Any] = {}
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        super().__init__(**options)

    def publish_msg(
        self,
        msg_type: str,
        data: Any = None,
        metadata: Any = None,  # noqa: ARG002 - its name
        buffers: Any = None,
        **keys: Any,  # noqa: ARG002
    ) -> None:
        if msg_type == "comm_open":
            self.state = data["state"]
        elif data.get("method") == "custom":
            self.sent.append((data["content"], buffers))

    def ask(self, method: str, path: str, body: str = "") -> tuple[int, bytes]:
        """Send what the page would, and wait for the answer."""
        content = {"id": "1", "method": method, "path": path, "body": body}
        sent = {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
        self.handle_msg(sent)
        answer, (data,) = self.sent.pop()
        assert answer["id"] == "1"
        return answer["status"], bytes(data)


@pytest.fixture(autouse=True)
def notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Widgets find a notebook, as those that a kernel makes do."""
    monkeypatch.setattr(comm, "create_comm", BrowserSide)


def side_of(widget: RecordingsWidget) -> BrowserSide:
    assert isinstance(widget.comm, BrowserSide)
    return widget.comm


@pytest.mark.parametrize(
    "what", [lambda lab: lab, KymDataset, lambda lab: lab.as_read_only()], ids=["ds", "kym", "ro"]
)
def test_a_dataset_is_viewed(lab: ZarrDataset, what: Callable[[ZarrDataset], Any]) -> None:
    side = side_of(view(what(lab)))
    assert side.state["chosen"] == ""
    status, body = side.ask("GET", "api/recordings?since=0")
    assert status == 200
    assert b"flow.tif" in body


def test_a_record_opens_the_page(lab: ZarrDataset, image_ids: dict[str, str]) -> None:
    side = side_of(view(lab.record(image_ids["stall"])))
    assert side.state["chosen"] == image_ids["stall"]
    assert side.ask("GET", f"api/recordings/{image_ids['stall']}")[0] == 200
    assert side.ask("GET", "api/recordings/nobody")[0] == 404
    assert side.ask("GET", "http://[")[0] == 400


def test_anything_else_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot view str; give a record"):
        view("lab.zarr")  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_person_decides_in_a_notebook(
    lab: ZarrDataset, image_ids: dict[str, str], notebook_page: Callable[[BrowserSide], Any]
) -> None:
    record: ZarrImageRecord = lab.record(image_ids["stall"])
    page = notebook_page(side_of(view(record, height=800)))
    frame = page.frame_locator("iframe")
    frame.locator("#file").filter(has_text="stall.tif").wait_for()
    frame.locator("#numbers div").filter(has_text=re.compile(r"median.*\d")).wait_for()
    frame.get_by_role("button", name="Accept").click()
    frame.get_by_role("button", name="Accept", pressed=True).wait_for()
    verdict = read_decisions(record).verdict
    assert verdict is not None
    assert verdict.verdict == "accepted"


@pytest.fixture
def notebook_page(open_page: Callable[..., Any]) -> Callable[[BrowserSide], Any]:
    """A page that holds a widget as a notebook would."""

    def show(side: BrowserSide) -> Any:
        page = open_page(
            "http://notebook.localhost/", html="<!doctype html><title>notebook</title>"
        )

        def answer(asked: dict[str, str]) -> dict[str, Any]:
            status, body = side.ask(asked["method"], asked["path"], asked["body"])
            return {"status": status, "body": base64.b64encode(body).decode()}

        page.expose_function("kernel", answer)
        page.evaluate(
            """async ({ esm, state }) => {
              const { default: widget } = await import(
                URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
              let listener;
              const send = async (asked) => {
                const { status, body } = await window.kernel(asked);
                const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
                listener({ id: asked.id, status }, [new DataView(bytes.buffer)]);
              };
              const on = (_, run) => { listener = run; };
              const model = { get: (name) => state[name], send, on };
              widget.render({ model, el: document.body });
            }""",
            {"esm": side.state["_esm"], "state": {**side.state, "_esm": ""}},
        )
        return page

    return show
