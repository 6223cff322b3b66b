"""What rich writes to; imported only where something is drawn with it."""

from __future__ import annotations

import os

from rich.console import Console


class PipeConsole(Console):
    """A console whose reader may leave (``kymflow --help | head -1``): the rest is dropped.

    Rich would end the process with exit code 1.
    """

    def on_broken_pipe(self) -> None:
        """Write nothing any more."""
        self.quiet = True
        # Python flushes the stream once more at exit, and would complain then.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
