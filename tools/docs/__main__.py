"""`python tools/docs`: see `main`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # A folder that is run is itself on the import path: its parent should be.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

    from docs.main import main

    sys.exit(main())
