"""The command as a process: exit codes, streams, what it imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from kymflow_zarr import RowUpdate, ZarrDataset

Kymflow = Callable[..., tuple[int, str, str]]
Damage = Callable[[Path], list[str]]
Process = Callable[..., subprocess.CompletedProcess[str]]


def test_0_done(process: Process, folder: Path, tmp_path: Path) -> None:
    done = process("ingest", "images", "k.zarr")
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 new images in k.zarr\n", "")
    assert (tmp_path / "k.zarr" / "zarr.json").is_file()


def test_1_done_with_failures(
    kymflow: Kymflow, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "text.tif").write_text("no picture", encoding="utf-8")
    monkeypatch.chdir(folder.parent)
    code, out, err = kymflow("ingest", "images", "k.zarr")
    assert (code, out) == (1, "3 new images in k.zarr, 1 failed\n")
    assert "text.tif" in err


def test_1_problems_found(kymflow: Kymflow, dataset: str) -> None:
    (Path(dataset) / "tables" / "sources.parquet").unlink()
    code, out, _ = kymflow("check", dataset)
    assert code == 1
    assert "record_without_source" in out
    for verb in ("repair", "check"):
        code, _, err = kymflow(verb, dataset)
        assert code == 0, err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ingst",), 'unknown command "ingst". Did you mean "ingest"?'),
        (("ls",), "DATASET is missing"),
        (("ls", "k.zarr", "--nope"), "unknown option: --nope"),
        (("ls", "k.zarr", "--sort", "colour"), "colour"),
        (("ingest", "images", "k.zarr", "--workers", "0"), "workers"),
        (("analyze", "k.zarr", "velocity", "--window-lines", "17"), "multiple of 4"),
        (("--nope",), "--nope"),
        (("query", "k.zarr", "SELECT", "1"), "too many arguments: '1'"),
    ],
    ids=["verb", "argument", "option", "choice", "number", "multiple", "common", "unquoted"],
)
def test_2_usage(kymflow: Kymflow, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = kymflow(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    error, hint = err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")


def test_2_usage_of_a_process(process: Process, tmp_path: Path) -> None:
    done = process("ingest", "nowhere", "k.zarr")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: there is no folder 'nowhere'\nhint: check the path\n"
    assert not (tmp_path / "k.zarr").exists()


def test_2_no_verb_shows_the_help_on_stderr(process: Process) -> None:
    done = process()
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: kymflow" in done.stderr


def test_3_not_a_dataset(process: Process, kymflow: Kymflow, folder: Path) -> None:
    (folder / "file").touch()
    done = process("ls", "images")
    assert (done.returncode, done.stdout) == (3, "")
    for place in ("nowhere.zarr", "images", "images/file"):
        code, out, err = kymflow("ls", folder.parent / place)
        assert (code, out) == (3, "")
        assert "is not a kymflow dataset" in err
        assert len(err.splitlines()) == 2


def test_4_a_newer_format(kymflow: Kymflow, dataset: str) -> None:
    document = Path(dataset) / "zarr.json"
    text = document.read_text(encoding="utf-8")
    written = json.loads(text)
    written["attributes"]["schema_version"] = 99
    document.write_text(json.dumps(written), encoding="utf-8")
    code, _, err = kymflow("ls", dataset)
    assert code == 4
    assert "format version 99" in err
    assert "hint: install a newer kymflow-zarr" in err


def test_5_locked(process: Process, kymflow: Kymflow, dataset: str) -> None:
    rows = pa.table({"image_id": ["a"]})

    def writes_for_long() -> Iterator[RowUpdate]:
        done = process("index", dataset, "velocity", "--wait", "0")
        assert done.returncode == 5
        assert f"held by process {os.getpid()}" in done.stderr
        assert "--wait" in done.stderr.splitlines()[1]
        yield RowUpdate(image_ids=frozenset({"a"}), rows=rows)

    ZarrDataset(dataset).replace_rows("t", writes_for_long(), schema=rows.schema)
    code, _, err = kymflow("index", dataset, "velocity", "--wait", "0")
    assert code == 0, err


@contextmanager
def ingesting(unending: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """An ingest that has taken in an image and does not end."""
    arguments = ["ingest", "many", "k.zarr", "--durability", "record", "--workers", "1", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "kymflow.cli", *arguments],
        env=unending,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for one process alone")
def test_130_interrupted(
    unending: dict[str, str], process: Process, tmp_path: Path, damage: Damage
) -> None:
    with ingesting(unending, tmp_path) as running:
        assert running.stdout is not None
        first = json.loads(running.stdout.readline())
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=300)

    assert running.returncode == 130
    assert err.splitlines()[0] == "interrupted: what was done before stays"
    assert "Traceback" not in err
    *files, last = (json.loads(line) for line in out.splitlines())
    assert (last["error"], last["exit_code"]) == ("KeyboardInterrupt", 130)
    told = {first["image_id"], *(record["image_id"] for record in files)}
    kept = set(ZarrDataset(tmp_path / "k.zarr", mode="r").list_image_ids())
    assert told <= kept
    assert damage(tmp_path / "k.zarr") == []
    (tmp_path / "many" / "z.unending").unlink()
    new = "no new images" if len(kept) == 5 else f"{5 - len(kept)} new images"
    rest = process("ingest", "many", "k.zarr")
    assert rest.stdout == f"{new} in k.zarr, {len(kept)} unchanged\n"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM")
def test_143_ended_by_the_system(unending: dict[str, str], tmp_path: Path, damage: Damage) -> None:
    with ingesting(unending, tmp_path) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.terminate()
        _, err = running.communicate(timeout=300)
    assert (running.returncode, err) == (143, "")
    assert damage(tmp_path / "k.zarr") == []


def test_errors_are_in_the_json_too(kymflow: Kymflow) -> None:
    code, out, err = kymflow("ls", "nowhere.zarr", "--json")
    record = json.loads(out)
    assert record["type"] == "error"
    assert record["error"] == "NotADatasetError"
    assert record["exit_code"] == code == 3
    assert record["message"] in err
    assert record["hint"] in err


def test_tracebacks_only_with_debug(process: Process) -> None:
    plain = process("ls", "nowhere.zarr")
    debug = process("ls", "nowhere.zarr", "--debug")
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert debug.stderr.endswith(plain.stderr)
    assert debug.returncode == plain.returncode


def test_a_bug_is_one_line_and_a_hint(environment: dict[str, str], tmp_path: Path) -> None:
    # A dataset that raises an unexpected error, in place of the real one.
    script = tmp_path / "broken.py"
    script.write_text(
        "import kymflow_zarr\n"
        "from kymflow.cli.__main__ import main\n"
        "def broken(*arguments: object, **options: object) -> None:\n"
        "    raise RuntimeError('nobody\\nforesaw \\x1b[31m this')\n"
        "kymflow_zarr.ZarrDataset = broken\n"
        "main()\n",
        encoding="utf-8",
    )
    for arguments in (["ls", "x"], ["ls", "x", "--debug"]):
        done = subprocess.run(
            [sys.executable, script, *arguments],
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 1
        error, hint = done.stderr.splitlines()[-2:]
        assert error == r"error: RuntimeError: nobody\nforesaw \x1b[31m this"
        assert hint.startswith("hint: this is a bug in kymflow")
        assert ("Traceback" in done.stderr) == ("--debug" in arguments)


@pytest.mark.skipif(os.name == "nt", reason="no such pipes")
@pytest.mark.parametrize("line", ["table {} sources --json", "--help", "ls --help", "--version"])
def test_a_reader_that_leaves_early_is_not_an_error(
    environment: dict[str, str], dataset: str, line: str
) -> None:
    arguments = [word.format(dataset) for word in line.split()]
    with subprocess.Popen(
        [sys.executable, "-m", "kymflow.cli", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        err = running.stderr.read()
    assert (running.returncode, err) == (0, b"")


def test_output_in_another_encoding(process: Process, dataset: str, tmp_path: Path) -> None:
    (tmp_path / "images" / "a.tif").rename(tmp_path / "images" / "Gefäß🩸.tif")
    ZarrDataset(dataset).ingest_image(tmp_path / "images" / "Gefäß🩸.tif")
    text = process("ls", dataset, PYTHONIOENCODING="ascii")
    assert r"Gef\xe4\xdf\U0001fa78.tif" in text.stdout
    records = process("ls", dataset, "--json", PYTHONIOENCODING="ascii")
    sources = [json.loads(line).get("source") or "" for line in records.stdout.splitlines()]
    assert any(source.endswith("Gefäß🩸.tif") for source in sources)


HEAVY = ("numpy", "pandas", "pyarrow", "zarr", "rich.progress", "kymflow_zarr", "kymflow.core")


@pytest.mark.parametrize(
    ("line", "light"),
    [
        ("--help", HEAVY),
        ("--version", HEAVY),
        ("ls {}", ("pandas", "zarr", "rich.progress", "kymflow.core")),
        ("info {}", ("pandas", "zarr", "rich.progress")),
        ("table {} sources", ("pandas", "zarr", "rich.progress")),
    ],
)
def test_a_verb_imports_only_what_it_needs(
    environment: dict[str, str], dataset: str, line: str, light: tuple[str, ...]
) -> None:
    script = (
        "import sys; from kymflow.cli.app import run; code = run(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *line.format(dataset).split()],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert set(done.stderr.split()).isdisjoint(light)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
@pytest.mark.parametrize("options", [(), ("--json",), ("--csv",)])
def test_a_full_disk_is_an_error_in_one_line(
    environment: dict[str, str], dataset: str, options: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kymflow.cli", "table", dataset, "sources", *options],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert error == "error: No space left on device"
    assert hint == "hint: free some space and run the same command again"


@pytest.mark.skipif(os.name == "nt", reason="another way to start processes")
@pytest.mark.parametrize("closed", ["1", "2"])
def test_streams_that_are_closed_from_the_start(
    environment: dict[str, str], dataset: str, closed: str
) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m kymflow.cli ls "$1" {closed}>&-', sys.executable, dataset],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == (0 if closed == "1" else 4)


def test_ctrl_c_while_a_module_makes_its_classes_is_answered_as_any_other(
    process: Process, environment: dict[str, str], dataset: str, tmp_path: Path
) -> None:
    # As dataclasses do: a string is run while a module is imported, and Ctrl-C comes just then.
    (tmp_path / "duckdb.py").write_text("exec('raise KeyboardInterrupt')\n", encoding="utf-8")
    found = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    done = process("query", dataset, "SELECT 1", PYTHONPATH=found)
    assert done.returncode == 130
    assert done.stderr.startswith("interrupted: ")
