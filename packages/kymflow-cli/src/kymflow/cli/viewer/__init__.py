"""A local page on which a person looks at recordings, decides, and sees the answer at once.

`ViewServer` serves it on this machine alone. What it answers comes from `kymflow.core` and
`kymflow_zarr`; the page itself, in ``page/``, is plain ES modules without a build step.
"""

from __future__ import annotations

from kymflow.cli.viewer.server import ViewServer

__all__ = ["ViewServer"]
