"""``python -m kymflow.cli``, and the console script ``kymflow``."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from types import FrameType, TracebackType
from typing import TextIO

from kymflow.cli.errors import ExitCode
from kymflow.cli.safe_text import show


def main() -> None:
    """Run the command line of this process, and end the process with its exit code."""
    sys.excepthook = _report_bug
    signal.signal(signal.SIGTERM, _end_tidily)
    # None: closed by the parent process.
    sys.stdout = _open_null() if sys.stdout is None else sys.stdout
    sys.stderr = _open_null() if sys.stderr is None else sys.stderr
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks must not end the run.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        from kymflow.cli.app import run  # it takes a while, and Ctrl-C may come already

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # then, or again while the first one was being answered
        code = ExitCode.INTERRUPTED
    # After a Ctrl-C inside an exec, as of dataclasses that are imported, Python ends by SIGINT
    # whatever is set here. It forgets that with the next exec.
    exec("")  # noqa: S102 - it runs nothing
    sys.exit(int(code))


def _open_null() -> TextIO:
    return open(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", closefd=False)


def _end_tidily(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """End as after Ctrl-C: locks are freed, and the terminal has its cursor again."""
    sys.exit(128 + number)


def _report_bug(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """An unexpected error: one line, and how to see the traceback."""
    if "--debug" in sys.argv:
        traceback.print_exception(kind, error, trace)
    hint = "this is a bug in kymflow; run again with --debug and report what it shows"
    sys.stderr.write(f"error: {kind.__name__}: {show(str(error))}\nhint: {hint}\n")


if __name__ == "__main__":
    main()
