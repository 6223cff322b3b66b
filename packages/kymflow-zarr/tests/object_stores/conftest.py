"""Object stores on loopback, behind a proxy that counts requests and makes them fail.

moto stands for S3. The RADOS gateway of Ceph, a real S3 server, is used if its programs are on the
path (see `radosgw.py`), and Azurite, an emulator of Azure, if `azurite-blob` is (`npm install
--global azurite`): their conditional writes are one step.
"""

from __future__ import annotations

import base64
import hmac
import http.client
import logging
import shutil
import socket
import subprocess
import sys
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import pytest

_PROGRAMS_OF_CEPH = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "monmaptool")

Fault = Literal["", "fail", "cut", "answer lost", "hang", "unconditional"]


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a server, and does to each what `fault` says.

    Args:
        port: Where the server listens.
        around: What is held while a request is carried out.

    Attributes:
        fault: What to do to a request, by its number, method and key. ``"fail"`` answers 503,
            ``"cut"`` closes the connection before the request is carried out, ``"answer lost"``
            after that, ``"hang"`` never answers, ``"unconditional"`` drops the conditions.
        before: Called before each request is carried out, with its number.
        log: Method and key of each request.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, around: AbstractContextManager[object]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = port
        self.fault: Callable[[int, str, str], Fault] = lambda *_: ""
        self.before: Callable[[int], object] = lambda _: None
        self.log: list[tuple[str, str]] = []
        self.guard = threading.Lock()
        self.around = around
        self.ended = threading.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that was killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        proxy = self.server
        with proxy.guard:
            proxy.log.append((self.command, self.path))
            number = len(proxy.log)
        proxy.before(number)
        fault = proxy.fault(number, self.command, self.path)
        if fault == "hang":
            proxy.ended.wait()
        if fault in {"hang", "cut"}:
            self.close_connection = True
            return
        if fault == "fail":
            self._answer(503, [("Content-Length", "0")], b"")
            return
        kept = {
            name: value
            for name, value in self.headers.items()
            if fault != "unconditional" or name.lower() not in {"if-match", "if-none-match"}
        }
        with proxy.around, closing(http.client.HTTPConnection("127.0.0.1", proxy.upstream)) as up:
            up.request(self.command, self.path, body, kept)
            answer = up.getresponse()
            content = answer.read()
        if fault == "answer lost":
            self.close_connection = True
            return
        self._answer(answer.status, answer.getheaders(), content)

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET  # noqa: N815 - names of HTTP

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        self.send_header("Content-Length", lengths[0] if lengths else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as there
        """Write nothing."""


@pytest.fixture(scope="session")
def moto_port() -> Iterator[int]:
    """An S3 server with a bucket ``lab``."""
    pytest.importorskip("obstore")
    pytest.importorskip("moto", reason="object stores are not tested: moto is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("PUT", "/lab")
        assert connection.getresponse().status == 200
    yield port
    server.stop()


@pytest.fixture(scope="session")
def ceph_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The S3 server of Ceph with a bucket ``lab``."""
    if any(shutil.which(program) is None for program in _PROGRAMS_OF_CEPH):
        pytest.skip("a real S3 server is not tested: there is no radosgw, ceph-mon and ceph-osd")
    boto3 = pytest.importorskip("boto3")
    script = Path(__file__).with_name("radosgw.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path_factory.mktemp("ceph"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id="of-a-test",
            aws_secret_access_key="of-a-test",
        ).create_bucket(Bucket="lab")
        yield port


@pytest.fixture(scope="session")
def azurite_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An Azure server."""
    command = shutil.which("azurite-blob")
    if command is None:
        pytest.skip("object stores with real semantics are not tested: there is no azurite-blob")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = str(tmp_path_factory.mktemp("azurite"))
    options = ["--silent", "--skipApiVersionCheck", "--location", place, "--blobPort", str(port)]
    with subprocess.Popen(
        [command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if "successfully listens" in line or "successfully listening" in line:
                break
        yield port
        server.kill()


@contextmanager
def _proxy(port: int, around: AbstractContextManager[object]) -> Iterator[Proxy]:
    with Proxy(port, around) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield proxy
        proxy.ended.set()
        proxy.shutdown()
        thread.join()


@pytest.fixture
def serve_s3(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Proxy]]:
    """Starts a proxy before ``moto`` or ``ceph``, which URLs ``s3://lab/...`` lead to."""
    with ExitStack() as running:

        def serve(server: str) -> Proxy:
            port: int = request.getfixturevalue(f"{server}_port")
            # moto looks at a condition, then writes: what a real store does in one step.
            around = threading.Lock() if server == "moto" else nullcontext()
            proxy = running.enter_context(_proxy(port, around))
            for name, value in {
                "AWS_ENDPOINT": f"http://127.0.0.1:{proxy.port}",
                "AWS_ALLOW_HTTP": "true",
                "AWS_ACCESS_KEY_ID": "of-a-test",
                "AWS_SECRET_ACCESS_KEY": "of-a-test",
                "AWS_REGION": "us-east-1",
            }.items():
                monkeypatch.setenv(name, value)
            return proxy

        yield serve


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.slow)])
def s3(request: pytest.FixtureRequest, serve_s3: Callable[[str], Proxy]) -> Proxy:
    """A proxy before an S3 server."""
    return serve_s3(request.param)


@pytest.fixture
def url(s3: Proxy) -> str:
    """A place for a dataset in S3."""
    return _new_url()


def _new_url() -> str:
    return f"s3://lab/{uuid.uuid4().hex}/d.zarr"


@pytest.fixture
def url_in(
    request: pytest.FixtureRequest, serve_s3: Callable[[str], Proxy]
) -> Callable[[str], str]:
    """Makes a place for a dataset in ``moto``, ``ceph`` or ``azurite``."""

    def make(server: str) -> str:
        if server == "azurite":
            place: str = request.getfixturevalue("azure_url")
            return place
        serve_s3(server)
        return _new_url()

    return make


@pytest.fixture
def azure_url(azurite_port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place for a dataset in Azure."""
    name = f"lab{uuid.uuid4().hex}"
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", f"http://127.0.0.1:{azurite_port}")
    # The account and key that Azurite documents for everybody.
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    date = formatdate(usegmt=True)
    headers = {"x-ms-date": date, "x-ms-version": "2021-08-06", "Content-Length": "0"}
    signed = "\n".join(
        [
            *("PUT", *([""] * 11), f"x-ms-date:{date}", "x-ms-version:2021-08-06"),
            *(f"/{account}/{account}/{name}", "restype:container"),
        ]
    )
    digest = hmac.digest(base64.b64decode(key), signed.encode(), "sha256")
    headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(digest).decode()}"
    with closing(http.client.HTTPConnection("127.0.0.1", azurite_port)) as connection:
        connection.request("PUT", f"/{account}/{name}?restype=container", headers=headers)
        assert connection.getresponse().status == 201
    return f"az://{name}/d.zarr"


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process that runs some code; whatever is left of them is ended."""
    running: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: object) -> subprocess.Popen[str]:
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", code, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()
