"""Who may ask: requests that no page of the server makes are refused, over real HTTP."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from kymflow.cli.viewer import ViewServer
from kymflow.core.metadata import load_metadata
from kymflow_zarr import ZarrDataset

Ask = Callable[..., Any]


def test_the_page_is_served_and_its_data_with_the_token(ask: Ask, server: ViewServer) -> None:
    page = ask("/", headers={"X-Kymflow-Token": ""})

    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert ask("/api/recordings").status == 200
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#[\w-]{20,}", server.address)
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_without_the_token_there_is_no_data(ask: Ask, token: str) -> None:
    refused = ask("/api/recordings", headers={"X-Kymflow-Token": token.encode("utf-8")})
    assert refused.status == 401
    assert refused.json().keys() == {"error", "hint"}


def test_each_server_has_its_own_token(lab: ZarrDataset) -> None:
    with ViewServer(lab) as one, ViewServer(lab) as other:
        assert one.viewer.token != other.viewer.token


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "[::2]:80"]
)
@pytest.mark.parametrize("path", ["/", "/api/recordings"])
def test_another_host_is_refused(ask: Ask, host: str, path: str) -> None:
    assert ask(path, headers={"Host": host}).status == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9999", "[::1]:8000"])
def test_a_tunnel_from_another_port_works(ask: Ask, host: str) -> None:
    assert ask("/api/recordings", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"X-Kymflow-Token": ""},
    ],
)
def test_a_post_of_another_site_changes_nothing(
    ask: Ask, lab: ZarrDataset, image_ids: dict[str, str], headers: dict[str, str]
) -> None:
    path = f"/api/recordings/{image_ids['flow']}/borders"
    body = {"channel": 1, "roi": None, "pixels": [4, 30], "folder": False}

    assert ask(path, headers=headers, body=body).status in {401, 403, 415}
    assert load_metadata(lab.record(image_ids["flow"])).rois == ()

    assert ask(path, body=body).status == 200
    assert len(load_metadata(lab.record(image_ids["flow"])).rois) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/%2e%2e/server.py",
        "/..%2fserver.py",
        "/vendor/../../server.py",
        "//etc/passwd",
        "/..%5cserver.py",
        "/server.py",
        "/__init__.py",
        "/jsconfig.json",
        "/page.css%00",
        "/api/recordings/..%2f..%2fzarr.json",
        "/api/recordings/../../zarr.json",
        "//[",
        "/api/recordings/%2e%2e",
        "/api/recordings/..%2f..%2f..%2fetc%2fpasswd/trace?channel=1",
    ],
)
def test_no_path_leads_out(ask: Ask, path: str) -> None:
    assert ask(path).status in {400, 404, 409}


@pytest.mark.parametrize(
    "path",
    [
        "tile",
        "tile?channel=1&level=99&index=0",
        "tile?channel=1&level=0&index=99999999999999999999",
        "tile?channel=7&level=0&index=0",
        "tile?channel=-1&level=0&index=0",
        "tile?channel=1&level=²&index=0",
        "trace?channel=1&roi=77",
        "nothing",
    ],
)
def test_nonsense_is_answered_with_a_reason(ask: Ask, image_ids: dict[str, str], path: str) -> None:
    refused = ask(f"/api/recordings/{image_ids['flow']}/{path}".replace("²", "%C2%B2"))
    assert refused.status in {400, 404, 409}
    assert refused.json()["error"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff", b"{}", b'{"channel":1,"roi":null,"pixels":["0","9"]}', b"[" * 9000],
)
def test_a_malformed_body_is_refused(ask: Ask, image_ids: dict[str, str], body: bytes) -> None:
    assert ask(f"/api/recordings/{image_ids['flow']}/borders", body=body).status == 400


@pytest.mark.parametrize("length", [b"9999999", b"-1", b"\xb2", b"1e3", b""])
def test_a_body_of_a_wrong_length_is_refused_before_it_is_read(
    server: ViewServer, length: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=300) as connection:
        head = b"POST /api/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + length
        connection.sendall(head + b"\r\n\r\n")
        assert b" 413 " in connection.recv(4096)


@pytest.mark.parametrize("method", [b"DELETE", b"PUT", b"OPTIONS", b"<script>"])
def test_other_methods_are_refused(server: ViewServer, method: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=300) as connection:
        connection.sendall(method + b" /api/recordings HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        answer = connection.recv(4096)
    assert b" 501 " in answer
    assert b"text/html" not in answer


@pytest.mark.parametrize("path", ["/", "/app.js", "/api/recordings", "/nothing"])
def test_every_answer_forbids_what_the_page_does_not_need(ask: Ask, path: str) -> None:
    headers = ask(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not any(name.startswith("Access-Control") for name in headers)


def test_the_vendored_files_are_those_of_the_release() -> None:
    vendor = files("kymflow.cli.viewer") / "page" / "vendor"
    listed = re.findall(r"sha256:([0-9a-f]{64})  (\S+)", (vendor / "README.md").read_text("utf-8"))
    assert [name for _, name in listed] == ["uPlot.esm.js", "uPlot.min.css"]
    for digest, name in listed:
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest


def test_no_module_of_the_page_makes_markup_of_text() -> None:
    page = files("kymflow.cli.viewer") / "page"
    modules = [entry for entry in page.iterdir() if entry.name.endswith(".js")]
    assert len(modules) > 5
    for module in modules:
        text = module.read_text("utf-8")
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in text, f"{module.name} uses {way}"
