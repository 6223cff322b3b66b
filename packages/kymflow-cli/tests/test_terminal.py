"""What a person sees: pseudo-terminals of a given size, keys pressed in them."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kymflow.cli.verbs.check import check
from kymflow.cli.verbs.ingest import ingest
from kymflow_zarr import ZarrDataset

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals")

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
Screen = Callable[..., tuple[int, str]]


@pytest.fixture
def screen(environment: dict[str, str], tmp_path: Path) -> Screen:
    """Run a command line in a terminal; press Ctrl-C once something is on it."""

    def call(
        *arguments: str, columns: int = 100, interrupt_at: str = "", **extra: str
    ) -> tuple[int, str]:
        import fcntl
        import pty
        import struct
        import termios

        outer, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        # A session of its own with this terminal, so that Ctrl-C in it reaches the command.
        starter = (
            "import fcntl, os, sys, termios; os.setsid(); "
            "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
        )
        command = [sys.executable, "-m", "kymflow.cli", *(str(item) for item in arguments)]
        with subprocess.Popen(
            [sys.executable, "-c", starter, *command],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={**environment, **extra},
            cwd=tmp_path,
        ) as running:
            os.close(inner)
            seen = b""
            pressed = False
            while select.select([outer], [], [], 60)[0]:
                try:
                    data = os.read(outer, 65536)
                except OSError:  # Linux says so when the other end is closed
                    break
                if not data:
                    break
                seen += data
                if interrupt_at and not pressed and re.search(interrupt_at.encode(), seen):
                    os.write(outer, b"\x03")
                    pressed = True
            os.close(outer)
            code = running.wait(timeout=60)
        return code, seen.decode("utf-8").replace("\r\n", "\n")

    return call


def test_a_bar_moves_and_is_gone_at_the_end(screen: Screen, folder: Path) -> None:
    code, seen = screen("ingest", "images", "k.zarr")
    assert code == 0
    assert "taking in" in seen
    assert "3/3" in seen
    assert seen.rindex(HIDE_CURSOR) < seen.rindex(SHOW_CURSOR)
    after = seen[seen.rindex(SHOW_CURSOR) + len(SHOW_CURSOR) :]
    # One line up and cleared: where the bar was stands the answer.
    assert re.fullmatch(r"\r?\x1b\[1A\x1b\[2K3 new images in k\.zarr\n", after)


def test_ctrl_c_leaves_a_clean_screen_and_a_valid_dataset(
    screen: Screen, tmp_path: Path, write_tiff: Callable[..., Path]
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for seed in range(200):
        write_tiff(many / f"{seed:03}.tif", seed=seed)

    code, seen = screen(
        *("ingest", "many", "k.zarr", "--durability", "record"),
        interrupt_at=r"\D[1-9]\d?/200",
        # Between `os.scandir(…)` and the `with` around it, a Ctrl-C leaves Python's own iterator open.
        PYTHONWARNINGS="error,ignore::ResourceWarning",
    )

    assert code == 130
    assert seen.rindex(HIDE_CURSOR) < seen.rindex(SHOW_CURSOR)
    after = COLOUR.sub("", seen[seen.rindex(SHOW_CURSOR) + len(SHOW_CURSOR) :])
    assert after.endswith(
        "\x1b[1A\x1b[2Kinterrupted: what was done before stays\n"
        "hint: run the same command again to go on\n"
    )
    assert "Traceback" not in seen
    kept = len(ZarrDataset(tmp_path / "k.zarr", mode="r").list_image_ids())
    assert 1 <= kept < 200
    assert check(str(tmp_path / "k.zarr")).problems == 0
    assert len(ingest(many, str(tmp_path / "k.zarr")).items) == 200 - kept


def test_failures_stand_above_the_summary_and_are_wrapped(screen: Screen, folder: Path) -> None:
    (folder / "text.tif").write_text("no picture", encoding="utf-8")
    code, seen = screen("ingest", "images", "k.zarr", columns=60)
    assert code == 1
    lines = COLOUR.sub("", seen[seen.rindex(SHOW_CURSOR) :]).splitlines()[1:]
    assert lines[0].endswith("1 file could not be taken in:")
    assert lines[-1] == "3 new images in k.zarr, 1 failed"
    assert len(lines) > 4
    assert all(len(line) <= 60 for line in lines[1:])


def test_tables_fit_the_terminal_and_say_what_they_leave_out(screen: Screen, dataset: str) -> None:
    _, wide = screen("table", dataset, "kym_image_summary", columns=250)
    assert "saturated_fraction" in wide
    _, narrow = screen("table", dataset, "kym_image_summary", columns=70)
    lines = COLOUR.sub("", narrow).splitlines()
    assert all(len(line) <= 70 for line in lines[:-1])
    assert lines[-1].startswith("too narrow for: ")
    assert "saturated_fraction" in lines[-1]
    assert "saturated_fraction" not in "".join(lines[:-1])


@pytest.mark.slow
def test_a_long_table_is_cut_on_a_terminal_and_says_so(screen: Screen, dataset: str) -> None:
    import pandas as pd

    image_id = ZarrDataset(dataset).list_image_ids()[0]
    frame = pd.DataFrame({"image_id": image_id, "value": range(100)})
    ZarrDataset(dataset).save_table("long", frame)
    _, seen = screen("table", dataset, "long")
    assert len(seen.splitlines()) == 22
    assert "20 of 100 rows" in seen
    _, seen = screen("table", dataset, "long", "--rows", "50")
    assert len(seen.splitlines()) == 52


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["NO_COLOR", "TERM"])
def test_no_colours_where_none_are_wanted(screen: Screen, dataset: str, setting: str) -> None:
    extra = {"NO_COLOR": "1"} if setting == "NO_COLOR" else {"TERM": "dumb"}
    for arguments in (("ls", "nowhere"), ("status", dataset)):
        _, seen = screen(*arguments, **extra)
        assert not COLOUR.search(seen)
    _, seen = screen("--help", **extra)
    assert not re.search(r"\x1b\[3", seen)
    _, seen = screen("ls", "nowhere")
    assert COLOUR.search(seen)


def test_json_on_a_terminal_has_no_bar_in_it(screen: Screen, folder: Path) -> None:
    _, seen = screen("ingest", "images", "k.zarr", "--json")
    assert "\x1b" not in seen
    assert len(seen.splitlines()) == 4
