"""Fields from the names of folders, by a pattern such as ``{animal}/{date}``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kymflow.core.errors import FolderPatternError

_FIELD: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPattern:
    """A pattern for the innermost folders of a file's path.

    Attributes:
        fields: The fields in it, in order.
        parts: For each folder an expression, the innermost last.
    """

    fields: tuple[str, ...]
    parts: tuple[re.Pattern[str], ...]

    @classmethod
    def parse(cls, text: str) -> FolderPattern:
        """Read a pattern.

        Args:
            text: Folders joined by ``/``, with fields in braces, as in ``{animal}/day{day}``; ``*``
                stands for any text.

        Raises:
            FolderPatternError: It has no field, a field twice, or one without a name.
        """
        fields = tuple(name.strip() for name in _FIELD.findall(text))
        if not fields or "" in fields or len(set(fields)) < len(fields):
            raise FolderPatternError(text)
        parts = tuple(_expression(part) for part in text.strip("/").split("/"))
        return cls(fields=fields, parts=parts)

    def match(self, folders: Sequence[str]) -> dict[str, str] | None:
        """The values of the fields; None if the folders do not match.

        Args:
            folders: The names of folders, the innermost last.
        """
        own = folders[-len(self.parts) :]
        if len(own) < len(self.parts):
            return None
        values: list[str] = []
        for part, folder in zip(self.parts, own, strict=True):
            matched = part.fullmatch(folder)
            if matched is None:
                return None
            values += matched.groups()
        return dict(zip(self.fields, values, strict=True))


def _expression(part: str) -> re.Pattern[str]:
    # Text and names of fields take turns.
    pieces = _FIELD.split(part)
    texts = [re.escape(piece).replace(r"\*", ".*") for piece in pieces[::2]]
    return re.compile("(.+)".join(texts))
