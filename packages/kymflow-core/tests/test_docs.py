"""Every Python block of a page runs, from the top of the page to its end."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "indexers.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the docs are not at hand")
def test_the_page_on_indexers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    assert len(blocks) > 5
    # Classes of a page are pickled by name, so the page is a module while it runs.
    page = ModuleType("page_on_indexers")
    monkeypatch.setitem(sys.modules, page.__name__, page)
    for block in blocks:
        # Lines count as on the page, so that a traceback leads there.
        source = "\n" * text[: block.start(1)].count("\n") + block.group(1)
        exec(compile(source, str(PAGE), "exec"), page.__dict__)
