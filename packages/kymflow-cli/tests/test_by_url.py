"""Every verb on a dataset in an object store, which moto stands for."""

from __future__ import annotations

import http.client
import logging
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kymflow_zarr import ZarrDataset

Kymflow = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3 server with a bucket ``lab``."""
    pytest.importorskip("obstore")
    pytest.importorskip("moto", reason="object stores are not tested: moto is not installed")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("PUT", "/lab")
        assert connection.getresponse().status == 200
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def url(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place for a dataset."""
    for name, value in {
        "AWS_ENDPOINT": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "of-a-test",
        "AWS_SECRET_ACCESS_KEY": "of-a-test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return f"s3://lab/{uuid.uuid4().hex}.zarr"


@pytest.mark.slow
def test_each_verb_works_on_a_url(
    url: str, folder: Path, tmp_path: Path, kymflow: Kymflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)  # where `update` leaves the report of a dataset that is far away
    shutil.copytree(folder, tmp_path / "moved")
    failed: list[tuple[str, int, str]] = []
    for line in (
        f"ingest {folder} {url}",
        f"refresh {url}",
        f"ls {url}",
        f"info {url} a.tif",
        f"metadata {url} a.tif --set subject=m1",
        f"analyze {url} velocity --workers 1",
        f"index {url} velocity",
        f"index {url} image_summary",
        f"update {url} --workers 1",
        f"status {url}",
        f"table {url}",
        f"table {url} kym_image_summary",
        f"exclude {url} b.tif --reason blurred",
        f"include {url} b.tif",
        f"note {url} a.tif --text seen",
        f"log {url}",
        f"undo {url} a.tif",
        f"report {url} {tmp_path / 'report.html'} --limit 1",
        f"figure {url} a.tif --out {tmp_path / 'figure.png'}",
        f"export {url} {tmp_path / 'export'}",
        f"relocate {url} {folder} {tmp_path / 'moved'}",
        f"check {url} --deep",
        f"repair {url} --unlock",
        f"upgrade {url}",
    ):
        code, _, err = kymflow(*line.split())
        failed += [(line, code, err)] if code else []
    assert failed == []
    code, out, _ = kymflow("query", url, "SELECT count(*) AS n FROM kym_image_summary")
    assert code == 0
    assert "3" in out
    assert len(ZarrDataset(url, "r")) == 3
    assert "a.tif" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_url_without_a_dataset_is_a_clear_error(url: str, kymflow: Kymflow) -> None:
    code, _, err = kymflow("ls", url)
    assert code != 0
    assert f"{url!r}" in err
