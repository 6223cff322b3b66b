"""``kymflow view`` as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

Kymflow = Callable[..., tuple[int, str, str]]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.slow
def test_it_serves_the_page_until_ctrl_c(made_lab: Path) -> None:
    command = [sys.executable, "-m", "kymflow.cli", "view", str(made_lab), "--no-browser", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            served = json.loads(process.stdout.readline())
            assert served["type"] == "page"
            page, _, token = served["address"].partition("#")
            asked = urllib.request.Request(
                f"{page}api/recordings", headers={"X-Kymflow-Token": token}
            )
            with urllib.request.urlopen(asked, timeout=300) as answer:
                assert len(json.load(answer)["rows"]) == 3
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 0
    assert json.loads(out)["type"] == "summary"
    assert served["address"] in err


def test_a_port_that_is_taken_is_an_error(kymflow: Kymflow, made_lab: Path) -> None:
    from kymflow.cli.viewer import ViewServer
    from kymflow_zarr import ZarrDataset

    with ViewServer(ZarrDataset(made_lab)) as server:
        port = str(server.server_port)
        code, _, err = kymflow("view", str(made_lab), "--no-browser", "--port", port)
    assert code == 1
    assert "in use" in err


def test_no_dataset_is_an_error(kymflow: Kymflow, tmp_path: Path) -> None:
    code, _, err = kymflow("view", str(tmp_path / "nothing.zarr"), "--no-browser")
    assert code == 3
    assert "nothing.zarr" in err
