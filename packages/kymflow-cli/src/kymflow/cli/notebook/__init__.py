"""The page of `kymflow view` in a notebook; needs the extra ``kymflow-cli[notebook]``.

`view` shows it: the same page, in a frame of its own, whose requests go to the kernel instead of a
server. So it works wherever the notebook does, on a hub too.
"""

from __future__ import annotations

from kymflow.cli.notebook.widget import RecordingsWidget, view

__all__ = ["RecordingsWidget", "view"]
