"""Requests that fail, and servers that do not answer."""

from __future__ import annotations

import logging
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import LockedError, ZarrDataset


def test_what_fails_now_and_then_is_done_again_and_said(
    url: str, s3: Any, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(1)
    kinds = ["fail", "cut", "answer lost"]
    s3.fault = lambda *_: chance.choice(kinds) if chance.random() < 0.1 else ""
    dataset = ZarrDataset(url)
    ids = dataset.refresh_from_folder(folder)
    dataset.save_table("t", pd.DataFrame({"image_id": ids}))
    dataset.record(ids[0]).save_json("note", "kept")
    s3.fault = lambda *_: ""
    dataset = ZarrDataset(url, "r")
    assert dataset.list_image_ids() == sorted(ids)
    assert dataset.load_table("t")["image_id"].tolist() == sorted(ids)
    assert dataset.record(ids[0]).artifacts["note"] == "kept"
    assert dataset.check(deep=True) == []
    said = [record for record in caplog.records if "trying again (1 of 4)" in record.message]
    assert said
    assert all(record.levelno == logging.WARNING for record in said)


def test_a_store_that_always_fails_is_named(url: str, s3: Any) -> None:
    ZarrDataset(url)
    s3.fault = lambda *_: "fail"
    with pytest.raises(OSError, match=r"the object store says .*503.*; check the URL"):
        ZarrDataset(url, "r")


@pytest.mark.slow
def test_a_store_that_never_answers_is_given_up(url: str, s3: Any) -> None:
    asked = {1: 0, 9: 0}  # from this request on there are no answers

    def hang(_: int, verb: str, path: str) -> str:
        nth = 1 if "d.zarr-1" in path else 9
        asked[nth] += 1
        return "hang" if asked[nth] >= nth else ""

    def add_image(nth: int) -> None:
        with pytest.raises(TimeoutError, match=r"has not answered for 1. s; check the URL"):
            ZarrDataset(f"{url}-{nth}").add_image(np.ones((2, 3)))

    s3.fault = hang
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(add_image, asked))
    assert min(asked[nth] - nth for nth in asked) >= 0


def test_a_bucket_that_is_not_there_is_named(s3: Any) -> None:
    with pytest.raises(
        OSError, match=r"NoSuchBucket.*; check the URL|does not support conditional"
    ):
        ZarrDataset("s3://no-such-bucket/d.zarr", "a")


HOLD = """
import sys
from kymflow_zarr import RowUpdate, ZarrDataset
import pyarrow as pa
rows = pa.table({"image_id": ["killed"]})
def wait():
    print("held", flush=True)
    sys.stdin.read()
    yield RowUpdate(image_ids=frozenset({"killed"}), rows=rows)
ZarrDataset(sys.argv[1]).replace_rows("t", wait(), schema=rows.schema)
"""


def test_the_lock_of_a_killed_writer_can_be_freed(url: str, start: Any) -> None:
    dataset = ZarrDataset(url, lock_timeout_s=0.1)
    killed = start(HOLD, url)
    assert killed.stdout.readline() == "held\n"
    killed.kill()
    rows = pd.DataFrame({"image_id": ["a"]})
    with pytest.raises(LockedError, match=rf"process {killed.pid} on .* at once after unlock"):
        dataset.replace_rows_for_image_id("t", "a", rows)
    (freed,) = dataset.unlock()
    assert freed.startswith(f"'tables', held by process {killed.pid} on ")
    assert dataset.unlock() == []
    dataset.replace_rows_for_image_id("t", "a", rows)
    assert dataset.load_table("t")["image_id"].tolist() == ["a"]


@pytest.mark.slow
def test_a_lock_is_kept_while_its_writer_lives_and_is_free_a_while_after_it_was_killed(
    url: str, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    places = {"killed": url, "alive": f"{url}-2"}  # both wait at the same time
    writers = {name: start(HOLD, place) for name, place in places.items()}
    for writer in writers.values():
        assert writer.stdout.readline() == "held\n"
    writers["killed"].kill()
    patient = ZarrDataset(places["killed"], lock_timeout_s=10)
    rows = pd.DataFrame({"image_id": ["a"]})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(patient.replace_rows_for_image_id, "t", "a", rows)
        with pytest.raises(LockedError):
            ZarrDataset(places["alive"], lock_timeout_s=25).save_table("u", rows)
        waiting.result()
    assert patient.load_table("t")["image_id"].tolist() == ["a"]
    assert f"took over the lock 'tables' of process {writers['killed'].pid}" in caplog.text
    writers["alive"].communicate()
    assert writers["alive"].returncode == 0
    assert ZarrDataset(places["alive"], "r").load_table("t")["image_id"].tolist() == ["killed"]
