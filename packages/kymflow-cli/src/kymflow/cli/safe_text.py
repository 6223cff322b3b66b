"""Text from data, made safe to show: nothing in it moves a cursor, rings or breaks a line."""

from __future__ import annotations

import os
import shlex


def show(text: str) -> str:
    r"""Text for a terminal: every character that is not printable becomes its escape.

    That covers control characters (ANSI sequences, newlines), those that change the direction of
    writing, and half surrogates of file names that are not Unicode. ``"a\n"`` becomes ``"a\\n"``.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def command(*words: str) -> str:
    """A command line to copy: ``kymflow`` and these words, quoted where a shell asks for it."""
    return " ".join(["kymflow", *(_typed(show(word)) for word in words)])


def escape_json(text: str) -> str:
    """A line of JSON, with what a terminal could take for a command as JSON escapes.

    Such characters can only stand inside JSON strings, so the value stays the same.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _json_escape(char) for char in text)


def _typed(word: str) -> str:
    if os.name != "nt":
        return shlex.quote(word)
    return f'"{word}"' if not word or set(word) & set(" &|<>()^;,") else word


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
