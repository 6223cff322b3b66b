"""Numbers, times and names as a report writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from kymflow.cli.safe_text import show
from kymflow.core.wording import ABSENT

_NS_PER_S = 10**9


def local_time(epoch_ns: int | None) -> str:
    """The clock on the wall where the image was recorded, to the second."""
    if epoch_ns is None:
        return ABSENT
    seconds = epoch_ns // _NS_PER_S
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def lines_of_text(text: str) -> str:
    """Text of several lines, each of them safe to show."""
    return "\n".join(show(line) for line in text.splitlines())


def compact_json(value: Mapping[str, object]) -> str:
    """The fields of a JSON object on one line, safe to show."""
    return ", ".join(
        f"{show(name)}: {show(json.dumps(item, ensure_ascii=False))}"
        for name, item in value.items()
    )
