"""Requests and time an image in an object store 20 ms away: `hatch run bench:requests`.

Two datasets, one twice as large as the other, tell how many requests an image costs; the times are
those of the larger one, shared by its images. What each job asked is then asked again by a bare
loop, 64 requests at a time: that is the floor.
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
from pathlib import Path

import numpy as np
import obstore
import tifffile
from many_images import FreeIndexer

from kymflow.core import KymDataset
from kymflow_zarr import ZarrDataset

_DELAY_S = 0.02
_AT_ONCE = 64
_KINDS = ("PUT", "GET", "HEAD", "LIST", "DELETE")


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
    slots = asyncio.Semaphore(_AT_ONCE)

    async def ask(number: int, line: str) -> None:
        kind, size = line.split()
        async with slots:
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
        await asyncio.gather(*(ask(number, line) for number, line in enumerate(log)))

    start = time.perf_counter()
    asyncio.run(all_of_them())
    return time.perf_counter() - start


def measure(port: int, images: int) -> dict[str, tuple[Counter[str], float, float]]:
    """Requests, seconds, and seconds of the bare loop for each job, for so many images."""
    url = f"s3://lab/{images}.zarr"
    found: dict[str, tuple[Counter[str], float, float]] = {}
    with tempfile.TemporaryDirectory() as made:
        pixels = np.random.default_rng(0).poisson(200, (64, 20)).astype(np.uint16)
        for number in range(images):
            tifffile.imwrite(Path(made) / f"image{number:05d}.tif", pixels)
        dataset = ZarrDataset(url)
        jobs: dict[str, Callable[[], object]] = {
            "ingest it": lambda: dataset.refresh_from_folder(made),
            "refresh that finds nothing new": lambda: dataset.refresh_from_folder(made),
            "list": dataset.list_image_ids,
            "make the manifest": dataset.update_manifest,
            "load the manifest": dataset.load_manifest,
            "`update_index` of metadata alone": lambda: KymDataset(dataset).update_index(
                FreeIndexer()
            ),
            "read the pixels": lambda: [record.load_array() for record in dataset.iter_records()],
            "`check`": dataset.check,
        }
        for name, job in jobs.items():
            take_log(port)
            start = time.perf_counter()
            job()
            seconds = time.perf_counter() - start
            log = take_log(port)
            counts = Counter(line.split()[0] for line in log)
            found[name] = counts, seconds, ask_again(log)
    return found


def main() -> None:
    """Print a table: what one image costs."""
    parser = argparse.ArgumentParser(prog="hatch run bench:requests", description=__doc__)
    parser.add_argument("--images", type=int, default=200, help="how many (%(default)s)")
    images: int = parser.parse_args().images
    with slow_store() as port:
        os.environ |= {
            "AWS_ENDPOINT": f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_REGION": "us-east-1",
        }
        once, twice = measure(port, images), measure(port, 2 * images)
    print("|".join(["", " job ", *(f" {kind} " for kind in _KINDS), " time ", " bare loop ", ""]))
    print("| --- |" + " ---: |" * (len(_KINDS) + 2))
    for name, (counts, _, _) in once.items():
        more, more_seconds, more_bare = twice[name]
        each = [(more[kind] - counts[kind]) / images for kind in _KINDS]
        times = [1000 * total / (2 * images) for total in (more_seconds, more_bare)]
        print(
            f"| {name} | "
            + " | ".join(f"{value:.3g}" for value in each)
            + f" | {times[0]:.2g} ms | {times[1]:.2g} ms |"
        )


if __name__ == "__main__":
    main()
