"""The two streams: data on stdout, everything else on stderr. Only this module writes to them."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from kymflow.cli.errors import OutputFileError
from kymflow.cli.results import Item, item_to_json
from kymflow.cli.row_formats import Format
from kymflow.cli.safe_text import escape_json, show

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Terminal:
    """Where a command's output goes. It is the `kymflow.cli.progress.Progress` of a real run.

    Args:
        output: How results are written to stdout.
        quiet: No progress bar.
    """

    def __init__(self, *, output: Format, quiet: bool) -> None:
        self.output = output
        self.quiet = quiet
        self._out = _Stream(sys.stdout)
        self._err = _Stream(sys.stderr)
        # On the same screen a bar and JSON Lines would overwrite each other.
        self._wants_bar = self._err.is_terminal and not quiet
        if output == "json" and self._out.is_terminal:
            self._wants_bar = False
        self._bar: _Bar | None = None

    # --- what verbs tell ----------------------------------------------------------------------

    def begin(self, activity: str, total: int | None) -> None:
        """Start a progress bar, if a person is looking."""
        self.end()
        if self._wants_bar and total != 0:
            # Known before it is on the screen: a Ctrl-C may come at any moment.
            self._bar = _Bar(self._err.console())
            self._bar.start(activity, total)

    def step(self, done: int = 1) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.step(done)

    def tell(self, item: Item) -> None:
        """Write an item as JSON immediately; people see the progress bar."""
        if self.output == "json":
            self.write_json(item_to_json(item))

    def end(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    # --- what is written ----------------------------------------------------------------------

    @property
    def width(self) -> int | None:
        """The width of stdout; None if it is not a terminal, so that nothing is cut."""
        return self._out.width

    @property
    def error_width(self) -> int | None:
        """How wide stderr is."""
        return self._err.width

    def write_json(self, record: Mapping[str, object]) -> None:
        """One record on its own line, flushed immediately."""
        text = json.dumps(record, ensure_ascii=not self._out.is_unicode, allow_nan=False)
        self._out.write(escape_json(text) + "\n")
        self._out.flush()

    def write(self, lines: Iterable[str], *, style: str = "") -> None:
        """Lines of data."""
        self._out.write_lines(lines, style)

    def write_bytes(self, data: bytes) -> None:
        """Data that is not text.

        Raises:
            OutputFileError: Stdout is a terminal.
        """
        if self._out.is_terminal:
            raise OutputFileError(
                "the terminal", "this is not text", hint="send it to a file: > FILE.parquet"
            )
        self._out.write_bytes(data)

    def note(self, lines: Iterable[str], *, style: str = "") -> None:
        """Lines for the person at the screen; a bar stays below them."""
        self._err.write_lines(lines, style)

    def labelled(self, label: str, text: str, *, style: str) -> None:
        """One line on stderr that starts with a word like ``error:``."""
        self._err.write_labelled(label, text, style)

    def error_console(self) -> Console:
        """Stderr, for what Cyclopts prints itself."""
        return self._err.console()

    def flush(self) -> None:
        """Write out what is buffered."""
        self._out.flush()


class LogHandler(logging.Handler):
    """Shows log records as ``warning: …`` on stderr, above the bar."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        style = "yellow" if record.levelno < logging.ERROR else "red"
        self._terminal.labelled(record.levelname.lower(), show(record.getMessage()), style=style)


class _Stream:
    """A text stream that may be a terminal, and may be closed at its other end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.is_unicode = (stream.encoding or "").lower().replace("-", "") == "utf8"
        self._console: Console | None = None
        self._open = True

    @property
    def width(self) -> int | None:
        return shutil.get_terminal_size().columns if self.is_terminal else None

    def console(self) -> Console:
        if self._console is None:
            from kymflow.cli.console import PipeConsole

            plain = not self.is_terminal or bool(os.environ.get("NO_COLOR"))
            self._console = PipeConsole(
                file=self._stream,
                force_terminal=self.is_terminal,
                color_system=None if plain else "auto",
                markup=False,
                highlight=False,
                emoji=False,
            )
        return self._console

    def write_lines(self, lines: Iterable[str], style: str) -> None:
        if self.is_terminal and style:
            from rich.text import Text

            for line in lines:
                self.console().print(Text(line, style=style), soft_wrap=True)
            return
        for line in lines:
            self.write(line + "\n")

    def write_labelled(self, label: str, text: str, style: str) -> None:
        if not self.is_terminal:
            self.write(f"{label}: {text}\n")
            return
        from rich.text import Text

        # Through the console, which keeps the bar below what is written.
        self.console().print(Text.assemble((f"{label}:", style), f" {text}"), soft_wrap=True)

    def write(self, text: str) -> None:
        self._do(lambda: self._stream.write(text))

    def write_bytes(self, data: bytes) -> None:
        self._do(self._stream.flush)
        self._do(lambda: self._stream.buffer.write(data))

    def flush(self) -> None:
        self._do(self._stream.flush)

    def _do(self, act: Callable[[], object]) -> None:
        """Act on the stream until the reader is gone (``kymflow ls … | head``).

        Raises:
            OSError: The rest should have been written: the disk is full.
        """
        if not self._open:
            return
        try:
            act()
        except OSError as error:
            self._open = False
            # Python flushes stdout once more at exit, and would complain then.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if not isinstance(error, BrokenPipeError):
                raise


class _Bar:
    """One progress bar, gone when it is done."""

    def __init__(self, console: Console) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._progress: RichProgress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task: TaskID | None = None

    def start(self, activity: str, total: int | None) -> None:
        self._task = self._progress.add_task(show(activity), total=total)
        self._progress.start()

    def step(self, done: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, done)

    def stop(self) -> None:
        self._progress.stop()
