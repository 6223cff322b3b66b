"""From results to text, JSON Lines and exit codes. Nothing here opens a dataset."""

from __future__ import annotations

from typing import Literal

from kymflow.cli.blocks import Screen
from kymflow.cli.errors import ExitCode
from kymflow.cli.results import Result, item_to_json, summary_to_json
from kymflow.cli.row_formats import parquet_bytes, separated_lines
from kymflow.cli.terminal import Terminal


def finish(result: Result, terminal: Terminal) -> ExitCode:
    """Write a result, and say what the process ends with."""
    code = ExitCode.DONE if result.ok else ExitCode.PROBLEMS
    if terminal.output == "json":
        for item in () if result.streamed else result.items:
            terminal.write_json(item_to_json(item))
        terminal.write_json(summary_to_json(result, exit_code=code))
        return code
    as_table = terminal.output != "text"
    if terminal.output == "parquet":
        terminal.write_bytes(parquet_bytes(result))
    elif as_table:
        delimiter: Literal[",", "\t"] = "," if terminal.output == "csv" else "\t"
        terminal.write(separated_lines(result, delimiter=delimiter))
    screen = Screen(out=terminal.width, err=terminal.error_width)
    for block in result.as_text(screen):
        if block.kind == "data":
            if not as_table:
                terminal.write(block.lines, style=block.style)
        elif block.kind == "failures" or not terminal.quiet:
            terminal.note(block.lines, style=block.style)
    return code
