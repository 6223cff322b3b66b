"""The page about the command's options, made of the command itself."""

from __future__ import annotations

import re
from pathlib import Path

from kymflow.cli.app import build_app

__all__ = ["command_page", "write_command"]

_INTRODUCTION = """# Options of the command

Made of `kymflow` itself while this site was built. [The page about the command](cli.md) says what
the verbs mean, and what fields `--json` gives.
"""


def command_page() -> str:
    """What ``--help`` says of all verbs, as one page of Markdown."""
    made = build_app().generate_docs(output_format="markdown")
    _, _, verbs = made.partition("\n## kymflow ")
    common = re.search(r"\*\*Everywhere\*\*:\n\n((?:\* .+\n)+)", verbs)
    if common is None:
        raise ValueError("the command has no options that all verbs take: look at build_app")
    verbs = verbs.replace(common[0], "")
    verbs = verbs.replace("```console\n", "```sh\n")
    # Stars of a pattern are no emphasis.
    verbs = re.sub(r"\*\.(?=\w)", r"\\*.", verbs)
    verbs = re.sub(r"\n{3,}", "\n\n", verbs)
    return f"{_INTRODUCTION}\n## Everywhere\n\n{common[1]}\n## kymflow {verbs}"


def write_command(into: Path) -> None:
    """Write ``reference/options``."""
    page = into / "reference" / "options.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(command_page(), encoding="utf-8")
