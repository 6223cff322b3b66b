"""The store without one of its safeguards: for each that is taken away, some check must fail.

Safeguards are found in the source by their form, so none can be forgotten: every call that flushes,
every rename that publishes, every lock, every comparison with a checksum. Each is taken away in a
copy of the source tree, and the harness runs against that copy.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from faults.draws import seeded
from faults.planted import PLANTED

_SOURCES = "packages/kymflow-zarr/src/kymflow_zarr"
_SYNCS = {"sync_file", "sync_folder", "sync_tree", "sync_filesystem"}
_TIMEOUT_S = 400

# Which jobs a guard looks at: those that run through the module with the safeguard.
_JOBS = {
    "_export/folder.py": ("export",),
    "_export/ingest.py": ("ingest_export",),
    "_storage/durability.py": ("ingest", "artifacts", "delete_image", "export"),
    "_storage/inner_folder.py": ("artifacts", "delete_image", "ingest", "replace_rows"),
    "_storage/local.py": ("artifacts", "delete_image", "ingest", "refresh", "replace_rows"),
    "_storage/local_staging.py": ("artifacts", "ingest", "refresh", "replace_rows"),
    "_storage/scratch.py": ("repair",),
    "experimental_stores/stores/sidecar.py": ("repair",),
}
_LOCKING_JOBS = (
    *("ingest", "ingest_image", "ingest_export", "delete_image", "replace_rows"),
    *("update_index", "indexes", "repair", "upgrade", "export"),
    *("refresh", "refresh_many", "relocate", "decide"),
)

# What no guard can miss: module, function and call.
_EXEMPT = {
    ("_export/folder.py", "finish", "sync_folder"): "only after a run killed before its flush",
    ("_storage/key_staging.py", "put", "acquire"): "bounds how many uploads are in memory",
    ("_storage/local_staging.py", "_replace", "move"): "only where folders cannot change places",
}
# A call in the same function that must fail before this one matters: as if there were no syncfs.
_FAILS_FIRST = {("_export/folder.py", "finish", "sync_tree"): "sync_filesystem"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A text that takes the place of another: offsets in the module, and what stands there then."""

    start: int
    end: int
    instead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One safeguard, and what stands in its place once it is gone.

    Attributes:
        kind: ``flush``, ``rename``, ``lock``, ``checksum`` or ``planted``.
        file: The module, relative to the package.
        function: The function that it is in.
        call: What is called; empty for a comparison.
        line: Where it stands, from 1.
        code: The line.
        edits: What takes it away, the last one in the module first.
    """

    kind: str
    file: str
    function: str
    call: str
    line: int
    code: str
    edits: tuple[Edit, ...]

    @property
    def name(self) -> str:
        """What it is called in the report."""
        return f"{self.kind} at {self.file}:{self.line} {self.code!r}"

    @property
    def jobs(self) -> tuple[str, ...]:
        """The jobs that a guard of its kind looks at."""
        return _LOCKING_JOBS if self.kind == "lock" else _JOBS.get(self.file, ("repair",))

    @property
    def place(self) -> tuple[str, str, str]:
        """What it is known by, whatever else changes in the module."""
        return self.file, self.function, self.call

    def take_away(self, text: str) -> str:
        """The module without it."""
        for edit in self.edits:
            text = text[: edit.start] + edit.instead + text[edit.end :]
        return text


@dataclass(slots=True, kw_only=True)
class Mutation:
    """What came of it.

    Attributes:
        tried: How many safeguards were taken away.
        exempt: How many were not, as no guard could notice on this system.
        missed: Those that no check missed.
    """

    tried: int = 0
    exempt: int = 0
    missed: list[str] = field(default_factory=list)


def mutate(
    root: Path, workspace: Path, *, seed: int, share: float = 1.0, holding: str = ""
) -> Mutation:
    """Take safeguards away, one at a time, and see whether the harness notices.

    Only a `share` of them, or those whose names hold the text `holding`.
    """
    done = Mutation()
    draw = seeded(seed, "mutants")
    mutants = [mutant for mutant in find_mutants(workspace) if holding in mutant.name]
    for kind in {mutant.kind: None for mutant in mutants}:
        # The other way round, too: with all safeguards in place nothing must be noticed.
        copy = _copy_sources(root, workspace)
        jobs = sorted({job for mutant in mutants if mutant.kind == kind for job in mutant.jobs})
        if _is_noticed(copy, workspace, kind, jobs, seed):
            done.missed.append(f"{kind}: the check fails though nothing was taken away")
    for mutant in mutants:
        if mutant.place in _EXEMPT:
            done.exempt += 1
            continue
        if draw.random() > share:
            continue
        done.tried += 1
        copy = _copy_sources(root, workspace)
        path = copy / _SOURCES / mutant.file
        path.write_text(mutant.take_away(path.read_text(encoding="utf-8")), encoding="utf-8")
        noticed = _is_noticed(copy, workspace, mutant.kind, mutant.jobs, seed)
        print(f"{'noticed' if noticed else 'MISSED'}: {mutant.name}", file=sys.stderr, flush=True)
        if not noticed:
            done.missed.append(mutant.name)
    return done


def _copy_sources(root: Path, workspace: Path) -> Path:
    copy = root / "source"
    shutil.rmtree(copy, ignore_errors=True)
    left_out = shutil.ignore_patterns("tests", "docs", "benchmarks", "__pycache__", "*.egg-info")
    shutil.copytree(workspace / "packages", copy / "packages", ignore=left_out)
    return copy


def find_mutants(workspace: Path) -> Iterator[Mutant]:
    """Every safeguard in the store's source."""
    top = workspace / _SOURCES
    for path in sorted(top.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        file, lines = path.relative_to(top).as_posix(), text.splitlines()
        tree = ast.parse(text)
        functions = _functions(tree)
        for node, kind, instead in sorted(_safeguards(tree, text), key=lambda one: one[0].lineno):
            function = functions.get(node)
            name = function.name if function else ""
            call = _called(node) if isinstance(node, ast.Call) else ""
            edits = [_edit(node, instead, text)]
            if first := _FAILS_FIRST.get((file, name, call)):
                calls = (one for one in ast.walk(function or tree) if isinstance(one, ast.Call))
                edits += [_edit(one, "False", text) for one in calls if _called(one) == first]
            yield Mutant(
                kind=kind,
                file=file,
                function=name,
                call=call,
                line=node.lineno,
                code=lines[node.lineno - 1].strip(),
                edits=tuple(sorted(edits, key=lambda edit: edit.start, reverse=True)),
            )
    for bug in PLANTED:
        text = (top / bug.file).read_text(encoding="utf-8")
        start = text.index(bug.right)
        yield Mutant(
            kind=bug.kind,
            file=bug.file,
            function="",
            call="",
            line=text.count("\n", 0, start) + 1,
            code=bug.wrong.strip(),
            edits=(Edit(start=start, end=start + len(bug.right), instead=bug.wrong),),
        )


def _functions(tree: ast.Module) -> dict[ast.AST, ast.FunctionDef]:
    """Each node, and the innermost function around it."""
    return {
        node: function
        for function in ast.walk(tree)  # outer ones come before inner ones
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    }


def _edit(node: ast.expr, instead: str, text: str) -> Edit:
    """What puts a text in the place of an expression."""
    offsets = _line_offsets(text)
    start, end = (
        offsets[line - 1] + _column(text, offsets, line, column)
        for line, column in (
            (node.lineno, node.col_offset),
            (node.end_lineno or node.lineno, node.end_col_offset or 0),
        )
    )
    return Edit(start=start, end=end, instead=instead)


def _safeguards(tree: ast.Module, text: str) -> Iterator[tuple[ast.expr, str, str]]:
    """Expressions that guard something, and what does not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _called(node)
            if name in _SYNCS:
                yield node, "flush", "True"
            elif name in {"rename", "replace", "move"} and (renamed := _renamed(node, text)):
                moved, target = renamed
                yield (
                    node,
                    "rename",
                    f'__import__("shutil").copytree({moved}, {target}, dirs_exist_ok=True) '
                    f'if __import__("os").path.isdir({moved}) else '
                    f'__import__("shutil").copyfile({moved}, {target})',
                )
            elif name == "acquire":
                yield node, "lock", "None"
            elif name in {"_lock", "lock", "hold_file_lock"} and _is_held(node):
                yield node, "lock", '__import__("contextlib").nullcontext()'
        elif isinstance(node, ast.If) and _reports_damage(node) and _is_checksum(node.test):
            yield node.test, "checksum", "False"


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _renamed(node: ast.Call, text: str) -> tuple[str, str] | None:
    """The code for what is renamed, and for its new place; None if a text's `replace` is called."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="os")), args=[moved, target], keywords=[]
        ):
            found = moved, target
        case ast.Call(func=ast.Attribute(value=moved), args=[target], keywords=[]):
            found = moved, target
        case ast.Call(func=ast.Attribute(value=folder, attr="move"), args=[name, to, new_name]):
            paths = (ast.get_source_segment(text, one) for one in (folder, name, to, new_name))
            first, old, second, new = paths
            return f'f"{{{first}.path}}/{{{old}}}"', f'f"{{{second}.path}}/{{{new}}}"'
        case _:
            return None
    first, second = (ast.get_source_segment(text, one) for one in found)
    assert first is not None
    assert second is not None
    return first, second


def _is_held(node: ast.Call) -> bool:
    return bool(node.args)


def _reports_damage(node: ast.If) -> bool:
    """Whether a branch raises, or notes that a list is not whole."""
    match node.body[0]:
        case ast.Raise(exc=ast.Call() as raised):
            return _called(raised) == "CorruptDataError"
        case ast.Assign(targets=[ast.Name(id="whole")]):
            return True
    return False


def _is_checksum(test: ast.expr) -> bool:
    words = {
        part
        for node in ast.walk(test)
        for part in (getattr(node, "id", ""), getattr(node, "attr", ""))
    }
    return bool(words & {"chunk_checksum", "_checksum", "sha256", "sha", "digest", "checksum"})


def _line_offsets(text: str) -> list[int]:
    offsets = [0]
    for line in text.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    return offsets


def _column(text: str, offsets: list[int], line: int, utf8_column: int) -> int:
    """Columns of the syntax tree count bytes."""
    whole = text[offsets[line - 1] : offsets[line]]
    return len(whole.encode("utf-8")[:utf8_column].decode("utf-8"))


def _is_noticed(copy: Path, workspace: Path, kind: str, jobs: Iterable[str], seed: int) -> bool:
    """Whether the harness finds a violation in a copy of the source tree."""
    scratch = copy.parent / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    sources = [str(path) for path in sorted((copy / "packages").glob("*/src"))]
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in {"LD_PRELOAD", "FAULTS_SHIM"}
    }
    try:
        done = subprocess.run(
            [
                sys.executable,
                str(workspace / "tools" / "faults"),
                f"--only=guard-{kind}",
                f"--jobs={','.join(jobs)}",
                f"--seed={seed}",
                f"--scratch={scratch}",
                "--json",
            ],
            env=env | {"PYTHONPATH": os.pathsep.join(sources)},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True  # it hangs
    # A store that does not even work ends the harness: every test there is would notice.
    return done.returncode != 0
