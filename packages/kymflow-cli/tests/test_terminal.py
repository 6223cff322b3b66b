"""What a person sees: pseudo-terminals of a given size, keys pressed in them."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kymflow.cli.blocks import counted
from kymflow.cli.verbs.export import ExportResult, export
from kymflow.cli.verbs.ingest import ingest
from kymflow.cli.verbs.report import report
from kymflow_zarr import UnreadableImageError, ZarrDataset

# Each test is several processes on a terminal, and says the same whatever the requirements.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals"),
]

# A machine that does much else at the time is slow, and still right.
PATIENCE_S = 300

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
INTERRUPTED = (
    "interrupted: what was done before stays\nhint: run the same command again to continue\n"
)
Damage = Callable[[str | Path], list[str]]
Screen = Callable[..., tuple[int, str]]


@pytest.fixture
def screen(environment: dict[str, str], tmp_path: Path) -> Screen:
    """Run a command line in a terminal; press Ctrl-C once something is on it."""

    def call(
        *arguments: str,
        program: Sequence[str] = ("-m", "kymflow.cli"),
        columns: int = 100,
        interrupt_at: str = "",
        **extra: str,
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
        command = [sys.executable, *program, *(str(item) for item in arguments)]
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
            while select.select([outer], [], [], PATIENCE_S)[0]:
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
            code = running.wait(PATIENCE_S)
        return code, seen.decode("utf-8").replace("\r\n", "\n")

    return call


NO_COLLECTOR = {"PYTHONWARNINGS": "error,ignore::ResourceWarning"}
"""Between `open(…)` and the `with` around it, a Ctrl-C leaves a file to Python's collector."""


def assert_clean(seen: str) -> None:
    """After Ctrl-C there is a cursor, and no bar but two lines in its place."""
    assert seen.rindex(HIDE_CURSOR) < seen.rindex(SHOW_CURSOR)
    after = COLOUR.sub("", seen[seen.rindex(SHOW_CURSOR) + len(SHOW_CURSOR) :])
    assert re.fullmatch(rf"(\^C)?\r?\n?\x1b\[1A\x1b\[2K{INTERRUPTED}", after)
    assert "Traceback" not in seen


def test_a_bar_moves_and_is_gone_at_the_end(screen: Screen, folder: Path) -> None:
    code, seen = screen("ingest", "images", "k.zarr")
    assert code == 0
    assert "ingesting" in seen
    assert "3/3" in seen
    assert seen.rindex(HIDE_CURSOR) < seen.rindex(SHOW_CURSOR)
    after = seen[seen.rindex(SHOW_CURSOR) + len(SHOW_CURSOR) :]
    # One line up and cleared: where the bar was stands the answer.
    assert re.fullmatch(r"\r?\x1b\[1A\x1b\[2K3 new images in k\.zarr\n", after)


def test_ctrl_c_leaves_a_clean_screen_and_a_valid_dataset(
    screen: Screen, unending: dict[str, str], tmp_path: Path, damage: Damage
) -> None:
    command = ("ingest", "many", "k.zarr", "--durability", "record", "--workers", "1")
    code, seen = screen(*command, interrupt_at=r"\D[1-9]/6", **unending)
    assert code == 130
    assert_clean(seen)
    kept = len(ZarrDataset(tmp_path / "k.zarr", mode="r").list_image_ids())
    assert kept >= 1
    assert damage(tmp_path / "k.zarr") == []
    (tmp_path / "many" / "z.unending").unlink()
    assert len(ingest(tmp_path / "many", str(tmp_path / "k.zarr")).items) == 5 - kept


BARS = [
    ("report k.zarr", "drawing", "3 images in k-report.html"),
    ("export k.zarr files", "exporting", "3 images in files"),
    ("check k.zarr --deep", "checking", "k.zarr: all is well"),
    ("analyze k.zarr velocity", "analyzing: velocity", "velocity: 3 images analyzed"),
    ("index k.zarr image_summary", "indexing: image_summary", "table"),
]
ONE_BY_ONE = (
    "import sys; from kymflow.cli.app import run; [run(line.split()) for line in sys.argv[1:]]"
)


def test_every_long_work_has_a_bar_that_fills(screen: Screen, dataset: str) -> None:
    assert dataset.endswith("k.zarr")
    code, seen = screen(*(command for command, _, _ in BARS), program=("-c", ONE_BY_ONE))
    assert code == 0
    seen = COLOUR.sub("", seen)
    for _, activity, answer in BARS:
        _, _, bar = seen.partition(f"{activity} ")
        bar, _, after = bar.partition(SHOW_CURSOR)
        assert re.search(r".*3/3", bar)
        assert re.match(rf"\r?\n?\x1b\[1A\x1b\[2K{re.escape(answer)}", after)


# --- Ctrl-C in the middle of every kind of work ------------------------------------------------
#
# One image never gets done, like one on a network share that does not answer: so the key is
# pressed in the middle of the work on any machine, however fast it is.


@pytest.fixture
def stuck(dataset: str, damage: Damage) -> Callable[[], None]:
    """The document of one image of the dataset never gets read, until this is called."""
    opened = ZarrDataset(dataset)
    opened.update_manifest()
    document = Path(dataset) / "images" / opened.list_image_ids()[-1] / "zarr.json"
    data = document.read_bytes()
    document.unlink()
    os.mkfifo(document)

    def release() -> None:
        document.unlink()
        document.write_bytes(data)
        assert damage(dataset) == []

    return release


@pytest.fixture
def stuck_plugins(tmp_path: Path) -> dict[str, str]:
    """An installed analysis and an indexer that never get done with an image of 61 lines."""
    site = tmp_path / "site"
    info = site / "lab_gate-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-gate\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[kymflow.analyses]\ngate = lab_gate:GATE\n[kymflow.indexers]\ngates = lab_gate:Gate\n",
        encoding="utf-8",
    )
    (site / "lab_gate.py").write_text(
        textwrap.dedent(
            """
            import os
            import pandas as pd

            from dataclasses import dataclass
            from kymflow.core.analysis import Analysis, Column, Result

            @dataclass(frozen=True)
            class Nothing:
                pass

            def run(pixels, calibration, params, region):
                wait(len(pixels))
                return Result(summary={"lines": len(pixels)})

            GATE = Analysis(
                name="gate", version="1", params=Nothing, run=run,
                summary=(Column("lines", int, "number of lines"),),
            )

            def wait(lines):
                if lines == 61 and os.path.exists("gate"):
                    with open("gate", "rb") as stream:
                        stream.read()

            class Gate:
                name = "gates"
                def extract_rows(self, rec):
                    wait(rec.shape[0])
                    return pd.DataFrame({"lines": [rec.shape[0]]})
                def params_hash(self, rec):
                    return "0" * 64
                def analysis_version(self):
                    return "1"
            """
        ),
        encoding="utf-8",
    )
    os.mkfifo(tmp_path / "gate")
    return {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)]), **NO_COLLECTOR}


@pytest.mark.parametrize("old", [None, "an old page"])
def test_ctrl_c_while_a_report_is_drawn_leaves_no_half_page(
    screen: Screen, dataset: str, stuck: Callable[[], None], tmp_path: Path, old: str | None
) -> None:
    place = tmp_path / "page.html"
    if old is not None:
        place.write_text(old, encoding="utf-8")
    before = sorted(path.name for path in tmp_path.iterdir())

    code, seen = screen(
        *("report", dataset, "page.html", "--workers", "1"), interrupt_at=r"\d/3", **NO_COLLECTOR
    )

    assert code == 130
    assert "drawing" in seen
    assert_clean(seen)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert old is None or place.read_text(encoding="utf-8") == old
    stuck()
    assert report(dataset, place).ok


def test_ctrl_c_during_an_export_leaves_one_that_says_so_and_can_continue(
    screen: Screen, dataset: str, stuck: Callable[[], None], tmp_path: Path
) -> None:
    code, seen = screen("export", dataset, "files", interrupt_at=r"\d/3", **NO_COLLECTOR)
    assert code == 130
    assert "exporting" in seen
    assert_clean(seen)
    files = tmp_path / "files"
    if (files / "kymflow_export.json").exists():
        with pytest.raises(UnreadableImageError, match="interrupted"):
            ZarrDataset(tmp_path / "new.zarr").plan_refresh(files)
    stuck()
    done = export(dataset, files)
    assert isinstance(done, ExportResult)
    assert (done.ok, done.images) == (True, 3)
    assert len(ingest(files, str(tmp_path / "new.zarr")).items) == 3


def tables_of(dataset: str) -> dict[str, bytes]:
    """All tables, but for the log, which tells of runs that were stopped, too."""
    files = (Path(dataset) / "tables").iterdir()
    return {path.name: path.read_bytes() for path in files if path.name != "run_log.parquet"}


@pytest.mark.parametrize(
    ("verb", "name", "activity"),
    [("analyze", "gate", "analyzing: gate"), ("index", "gates", "indexing: gates")],
)
def test_ctrl_c_keeps_what_was_done_and_the_next_run_continues(
    screen: Screen,
    dataset: str,
    tmp_path: Path,
    write_tiff: Callable[..., Path],
    stuck_plugins: dict[str, str],
    damage: Damage,
    verb: str,
    name: str,
    activity: str,
) -> None:
    slow = write_tiff(tmp_path / "slow.tif", lines=61)
    ZarrDataset(dataset).ingest_image(slow)
    tables = tables_of(dataset)

    command = (verb, dataset, name, "--workers", "1")
    code, seen = screen(*command, interrupt_at=r"\d/4", **stuck_plugins)

    assert code == 130
    assert activity in seen
    assert_clean(seen)
    assert damage(dataset) == []
    assert tables_of(dataset) == tables
    done = len(list((Path(dataset) / "images").glob("*/analysis/gate/params.json")))
    assert done < 4
    (tmp_path / "gate").unlink()
    again = (*command, "--missing") if verb == "analyze" else command
    code, seen = screen(*again, **stuck_plugins)
    assert code == 0, seen
    if verb == "analyze":
        left_alone = f", {done} left alone" if done else ""
        assert f"gate: {counted(4 - done, 'image')} analyzed{left_alone}\n" in seen
    else:
        assert re.search(r"kym_gates +4 +4 +0 +ok", COLOUR.sub("", seen))


def test_ctrl_c_reaches_worker_processes_only_through_their_parent(
    environment: dict[str, str], dataset: str, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    # Python runs this at its start: a worker gets no further, as on a machine with much else to do.
    (site / "sitecustomize.py").write_text(
        "import contextlib, sys\n"
        "if '--multiprocessing-fork' in sys.orig_argv:\n"
        "    with contextlib.suppress(FileNotFoundError), open('gate', 'rb') as stream:\n"
        "        stream.read()\n",
        encoding="utf-8",
    )
    os.mkfifo(tmp_path / "gate")
    with subprocess.Popen(
        [sys.executable, "-m", "kymflow.cli", "analyze", dataset, "velocity", "--workers", "2"],
        env={**environment, **NO_COLLECTOR, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as running:
        with (tmp_path / "gate").open("wb"):  # opens when a worker has come there
            os.killpg(running.pid, signal.SIGINT)  # as a terminal does: all of them at once
        (tmp_path / "gate").rename(tmp_path / "opened")
        os.close(os.open(tmp_path / "opened", os.O_RDWR))  # for a second one that waits there
        out, err = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, out, err) == (130, "", INTERRUPTED)


def test_failures_stand_above_the_summary_and_are_wrapped(screen: Screen, folder: Path) -> None:
    (folder / "text.tif").write_text("no picture", encoding="utf-8")
    code, seen = screen("ingest", "images", "k.zarr", columns=60)
    assert code == 1
    lines = COLOUR.sub("", seen[seen.rindex(SHOW_CURSOR) :]).splitlines()[1:]
    assert lines[0].endswith("1 file could not be ingested:")
    summary = lines.index("3 new images in k.zarr, 1 failed")
    assert summary > 2
    assert " ".join(lines[summary + 1 :]).startswith("a file that failed is tried again once")
    assert all(len(line) <= 60 for line in lines[1:summary])


def test_tables_fit_the_terminal_and_say_what_they_leave_out(screen: Screen, dataset: str) -> None:
    _, wide = screen("table", dataset, "kym_image_summary", columns=250)
    assert "saturated_fraction" in wide
    _, narrow = screen("table", dataset, "kym_image_summary", columns=70)
    lines = COLOUR.sub("", narrow).splitlines()
    (remark,) = [line for line in lines if line.startswith("too narrow for: ")]
    shown = lines[: lines.index(remark)]
    assert all(len(line) <= 70 for line in shown)
    assert "saturated_fraction" in remark
    assert "saturated_fraction" not in "".join(shown)


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


def test_no_colours_where_none_are_wanted(screen: Screen, dataset: str) -> None:
    _, seen = screen("ls", "nowhere")
    assert COLOUR.search(seen)
    _, seen = screen("ls", "nowhere", TERM="dumb")
    assert not COLOUR.search(seen)
    for arguments in (("ls", "nowhere"), ("status", dataset)):
        _, seen = screen(*arguments, NO_COLOR="1")
        assert not COLOUR.search(seen)
    _, seen = screen("--help", NO_COLOR="1")
    assert not re.search(r"\x1b\[3", seen)


def test_json_on_a_terminal_has_no_bar_in_it(screen: Screen, folder: Path) -> None:
    _, seen = screen("ingest", "images", "k.zarr", "--json")
    assert "\x1b" not in seen
    assert len(seen.splitlines()) == 4
