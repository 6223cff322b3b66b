"""Requests and time an image in an object store 20 ms away: `hatch run bench:requests`.

Two datasets, one twice as large as the other, tell how many requests an image costs; the times are
those of the larger one, shared by its images. What each job asked is then asked again by a bare
loop, 64 requests at a time: that is the floor. `--refresh` refreshes one dataset only, once when
all files are new and once when none is, and shows what that costs in total.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import obstore
from many_images import FreeIndexer, make_tiffs, peak_mib

from kymflow.core import KymDataset
from kymflow_zarr import ZarrDataset

_DELAY_S = 0.02
_AT_ONCE = 64
_KINDS = ("PUT", "GET", "HEAD", "LIST", "DELETE")


class Cost(NamedTuple):
    """What a job took: requests by kind, and times next to the bare loop's."""

    requests: Counter[str]
    clock_s: float
    processor_s: float
    peak_mib: str
    bare_s: float


@contextmanager
def slow_store() -> Iterator[int]:
    """A store in a separate process; gives its port."""
    code = Path(__file__).with_name("slow_store.py")
    with subprocess.Popen(
        [sys.executable, code, str(_DELAY_S)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def take_log(port: int) -> list[str]:
    """Method and size of each request since it was last asked."""
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("OPTIONS", "/")
        return connection.getresponse().read().decode("utf-8").split("\n")


def ask_again(log: list[str]) -> float:
    """How many seconds the same requests take, with nothing between them."""
    store = obstore.store.from_url("s3://lab/bare")
    obstore.put(store, "0", b"")
    for size in {line.split()[1] for line in log if line.startswith("GET")}:
        obstore.put(store, size, bytes(int(size)))
    numbered = enumerate(log)

    async def ask_some() -> None:
        for number, line in numbered:
            kind, size = line.split()
            if kind == "PUT":
                await obstore.put_async(store, f"put/{number}", bytes(int(size)))
            elif kind == "GET":
                await (await obstore.get_async(store, size)).bytes_async()
            elif kind == "HEAD":
                await obstore.head_async(store, "0")
            elif kind == "DELETE":
                await obstore.delete_async(store, f"gone/{number}")
            else:
                await obstore.list_with_delimiter_async(store, "none")

    async def all_of_them() -> None:
        await asyncio.gather(*(ask_some() for _ in range(_AT_ONCE)))

    start = time.perf_counter()
    asyncio.run(all_of_them())
    return time.perf_counter() - start


def jobs_of(dataset: ZarrDataset, tiffs: Path) -> dict[str, Callable[[], object]]:
    """What is measured, by name, in order."""
    index = KymDataset(dataset)
    return {
        "ingest it": lambda: dataset.refresh_from_folder(tiffs),
        "refresh that finds nothing new": lambda: dataset.refresh_from_folder(tiffs),
        "list": dataset.list_image_ids,
        "make the manifest": dataset.update_manifest,
        "load the manifest": dataset.load_manifest,
        "`update_index` of metadata alone": lambda: index.update_index(FreeIndexer()),
        "read the pixels": lambda: [record.load_array() for record in dataset.iter_records()],
        "`check`": dataset.check,
    }


def measure(port: int, images: int, *, most_jobs: int | None = None) -> dict[str, Cost]:
    """What each job, or the first ones, cost for so many images."""
    found: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory() as made:
        tiffs = Path(made) / "tiffs"
        make_tiffs(tiffs, images)
        jobs = jobs_of(ZarrDataset(f"s3://lab/{images}.zarr"), tiffs)
        for name, job in islice(jobs.items(), most_jobs):
            take_log(port)
            clock, processor = time.perf_counter(), time.process_time()
            job()
            clock, processor = time.perf_counter() - clock, time.process_time() - processor
            peak = peak_mib()
            log = take_log(port)
            counts = Counter(line.split()[0] for line in log)
            found[name] = Cost(counts, clock, processor, peak, ask_again(log))
    return found


def print_each(once: dict[str, Cost], twice: dict[str, Cost], images: int) -> None:
    """What one image costs, a line for each job."""
    print_head("time", "bare loop", "processor time")
    for name, cost in once.items():
        more = twice[name]
        each = [(more.requests[kind] - cost.requests[kind]) / images for kind in _KINDS]
        totals = more.clock_s, more.bare_s, more.processor_s
        times = [f"{1000 * total / (2 * images):.2g} ms" for total in totals]
        print(
            f"| {name} | "
            + " | ".join(f"{value:.3g}" for value in each)
            + f" | {' | '.join(times)} |"
        )


def print_totals(costs: dict[str, Cost]) -> None:
    """What all images cost together, a line for each job."""
    print_head("time", "bare loop", "processor time", "peak of memory so far")
    for name, cost in costs.items():
        print(
            f"| {name} | "
            + " | ".join(f"{cost.requests[kind]:,d}" for kind in _KINDS)
            + f" | {cost.clock_s:.3g} s | {cost.bare_s:.3g} s | {cost.processor_s:.3g} s "
            f"| {cost.peak_mib} MiB |"
        )


def print_head(*columns: str) -> None:
    """The head of a table, whose first columns are the job and its requests of each kind."""
    print("| job | " + " | ".join([*_KINDS, *columns]) + " |")
    print("| --- |" + " ---: |" * (len(_KINDS) + len(columns)))


def main() -> None:
    """Print a table: what one image costs, or what refreshing all of them does."""
    parser = argparse.ArgumentParser(prog="hatch run bench:requests", description=__doc__)
    parser.add_argument("--images", type=int, default=200, help="how many (%(default)s)")
    parser.add_argument(
        "--refresh", action="store_true", help="refresh one dataset only, and show the totals"
    )
    said = parser.parse_args()
    images: int = said.images
    with slow_store() as port:
        os.environ |= {
            "AWS_ENDPOINT": f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_REGION": "us-east-1",
        }
        if said.refresh:
            print_totals(measure(port, images, most_jobs=2))
        else:
            print_each(measure(port, images), measure(port, 2 * images), images)


if __name__ == "__main__":
    main()
