"""One process of a crowd: `python crowd_worker.py ROLE DATASET FOLDER NUMBER ROUNDS`.

It prints what it did as one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kymflow.core.indexers import ImageSummary
from kymflow.core.kym_dataset.kym_dataset import KymDataset
from kymflow_zarr import ZarrDataset, ZarrImageRecord

if TYPE_CHECKING:
    import pandas as pd

TABLE = "crowd"


class PixelSum:
    """An indexer that adds all pixels up."""

    name: ClassVar[str] = "pixel_sum"

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """One row per image."""
        import pandas as pd

        return pd.DataFrame({"total": [float(rec.load_array().sum())]})

    def params_hash(self, rec: ZarrImageRecord) -> str:
        """The pixels decide."""
        return rec.pixels_digest

    def analysis_version(self) -> str:
        """The version of this computation."""
        return "1"


@dataclass(slots=True)
class Done:
    """What a process did.

    Attributes:
        operations: How many calls it made.
        ingested: How many files it ingested.
        added: The ids of images that it added.
        keys: The keys that it put into the shared table.
        errors: What went wrong.
    """

    operations: int = 0
    ingested: int = 0
    added: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def write(dataset: ZarrDataset, folder: Path, number: int, rounds: int) -> Done:
    """Refresh, add images, replace rows and update two indexes, again and again."""
    import pandas as pd

    done = Done()
    for turn in range(rounds):
        done.ingested += len(dataset.refresh_from_folder(folder))
        image = np.full((6, 4), number * 1000 + turn, np.uint16)
        record = dataset.add_image(image, axes=("t", "x"))
        done.added.append(record.image_id)
        key = f"{number}-{turn}"
        for value in range(3):
            rows = pd.DataFrame({"image_id": [key] * 2, "value": [value, value]})
            dataset.replace_rows_for_image_id(TABLE, key, rows)
        done.keys.append(key)
        record.save_json("velocity/params", {"turn": turn})
        record.save_array_artifact("scores", np.full(9, turn))
        indexer = ImageSummary() if (number + turn) % 2 else PixelSum()
        KymDataset(dataset).update_index(indexer)
        done.operations += 8
    return done


def read(dataset: ZarrDataset, rounds: int) -> Done:
    """List, read and load for as long as the writers are at work."""
    done = Done()
    for _ in range(rounds):
        for record in dataset.iter_records():
            pixels = record.load_array()
            if pixels.shape != record.shape:
                done.errors.append(f"{record.image_id} has shape {pixels.shape}")
            record.list_analysis_keys()
            done.operations += 2
        for name in dataset.list_table_names():
            # The log of runs is a table, too, and not one of images.
            counts = Counter(dataset.load_table(name).get("image_id", ()))
            most = 2 if name == TABLE else 1
            if counts and max(counts.values()) > most:
                done.errors.append(f"{name} holds rows twice")
            done.operations += 1
    return done


def main() -> None:
    """Do one role's work."""
    role, place, folder, number, rounds = sys.argv[1:]
    dataset = ZarrDataset(place, "r" if role == "read" else "r+", lock_timeout_s=300)
    if role == "read":
        done = read(dataset, int(rounds))
    else:
        done = write(dataset, Path(folder), int(number), int(rounds))
    report = {name: getattr(done, name) for name in ("operations", "ingested", "added", "keys")}
    print(json.dumps(report | {"errors": done.errors}))


if __name__ == "__main__":
    main()
