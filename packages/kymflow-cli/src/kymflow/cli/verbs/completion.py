"""Print a script that makes a shell complete what is typed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from kymflow.cli.blocks import Block, Screen
from kymflow.cli.completion import SCRIPTS
from kymflow.cli.results import Item


def completion(shell: Literal["bash", "zsh", "fish", "powershell"], /) -> CompletionResult:
    """Print a script with which a shell completes commands, options and names in a dataset.

    For bash: kymflow completion bash > ~/.local/share/bash-completion/completions/kymflow

    Args:
        shell: The shell.
    """
    return CompletionResult(shell=shell, script=SCRIPTS[shell])


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionResult:
    """A script for a shell.

    Attributes:
        shell: The shell.
        script: The script.
        items: Always empty.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "completion"
    ok: ClassVar[bool] = True
    shell: str
    script: str
    items: tuple[Item, ...] = ()

    def as_text(self, screen: Screen) -> Iterator[Block]:  # noqa: ARG002
        """See `Result`."""
        yield Block(lines=self.script.splitlines())
