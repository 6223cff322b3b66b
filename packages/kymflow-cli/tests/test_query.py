"""SQL over the tables. Without DuckDB, which is an extra, all there is to see is the hint."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kymflow.cli.errors import QueryError
from kymflow.cli.verbs.query import query
from kymflow_zarr import CorruptDataError, ZarrDataset

Kymflow = Callable[..., tuple[int, str, str]]


def test_without_duckdb_there_is_a_hint(
    process: Callable[..., subprocess.CompletedProcess[str]],
    environment: dict[str, str],
    dataset: str,
    tmp_path: Path,
) -> None:
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "duckdb.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    found = environment["PYTHONPATH"]
    done = process("query", dataset, "SELECT 1", PYTHONPATH=f"{absent}{os.pathsep}{found}")
    assert done.returncode == 2
    assert done.stderr == (
        "error: DuckDB is not installed\nhint: run: pip install 'kymflow-cli[sql]'\n"
    )


class TestWithDuckDB:
    """Needs the extra."""

    @pytest.fixture(autouse=True)
    def needs_duckdb(self) -> None:
        pytest.importorskip("duckdb")

    def test_the_table_of_images_has_its_short_name_too(
        self, dataset: str, kymflow: Kymflow
    ) -> None:
        assert kymflow("index", dataset, "images")[0] == 0
        code, out, _ = kymflow("query", dataset, "SELECT file, rois FROM images ORDER BY file")
        assert (code, out) == (0, "file\trois\na.tif\t0\nb.tif\t0\nc.tiff\t0\n")

    def test_tables_are_asked_by_their_names(self, dataset: str) -> None:
        answer = query(
            dataset,
            "SELECT count(*) AS images, max(mean) > min(mean) AS differ "
            "FROM kym_image_summary JOIN sources USING (image_id)",
        )
        assert answer.columns == ("images", "differ")
        assert [dict(item.row) for item in answer.items] == [{"images": 3, "differ": True}]
        assert answer.verb == "query"

    def test_without_its_prefix_a_table_has_the_names_of_images(
        self, dataset: str, kymflow: Kymflow
    ) -> None:
        kymflow("exclude", dataset, "b", "--reason", "moved")
        kymflow("metadata", dataset, "c", "--set", "condition=stroke")
        sql = "SELECT file, condition FROM image_summary"
        assert kymflow("query", dataset, sql)[1] == ("file\tcondition\na.tif\t\nc.tiff\tstroke\n")

    @pytest.mark.parametrize(
        "sql",
        [
            "SHOW TABLES",
            "SELECT table_name AS name FROM information_schema.tables WHERE table_name <> 'x'",
            "SELECT table_name AS name FROM information_schema.tables "
            "WHERE (SELECT count(*) FROM sources) = 3",
        ],
    )
    def test_the_tables_that_there_are(self, dataset: str, sql: str) -> None:
        names = [item.row["name"] for item in query(dataset, sql).items]
        assert sorted(map(str, names)) == ZarrDataset(dataset).list_table_names()

    def test_a_name_with_a_slash_is_quoted(self, dataset: str) -> None:
        opened = ZarrDataset(dataset)
        frame = pd.DataFrame({"image_id": opened.list_image_ids(), "value": [1, 2, 3]})
        opened.save_table("lab/notes.v2", frame)
        answer = query(dataset, 'SELECT sum(value) AS total FROM "lab/notes.v2"')
        assert answer.items[0].row["total"] == 6

    def test_two_columns_of_one_name_are_kept_apart(self, dataset: str) -> None:
        answer = query(dataset, "SELECT 1 AS a, 2 AS a, 3 AS b")
        assert answer.items[0].row == {"a": 1, "a_2": 2, "b": 3}

    @pytest.mark.parametrize(
        "sql",
        [
            "SELEC 1",
            "SELECT * FROM nope",
            "SELECT 1; SELECT 2",
            "",
            "CREATE TABLE mine (a INT)",
            "COPY (SELECT 1) TO 'stolen.csv'",
            "SELECT * FROM read_text('/etc/hostname')",
            "SELECT * FROM 'secret.csv'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
        ],
    )
    def test_only_queries_over_the_tables_are_run(
        self, dataset: str, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "secret.csv").write_text("a\n1\n", encoding="utf-8")
        with pytest.raises(QueryError) as caught:
            query(dataset, sql)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "stolen.csv").exists()

    def test_errors_name_the_tables(self, dataset: str, kymflow: Kymflow) -> None:
        code, out, err = kymflow("query", dataset, "SELECT * FROM elsewhere")
        assert (code, out) == (2, "")
        error, hint = err.splitlines()
        assert "elsewhere" in error
        names = "kym_image_summary, run_log, source_folders, sources, image_summary"
        assert hint == f"hint: the tables are: {names}"

    def test_answers_as_csv_and_json(
        self,
        dataset: str,
        kymflow: Kymflow,
        kymflow_json: Callable[..., tuple[int, list[dict[str, Any]]]],
    ) -> None:
        sql = "SELECT '=1+1' AS text, NULL AS nothing, 0.5 AS number"
        assert kymflow("query", dataset, sql, "--csv")[1] == "text,nothing,number\n'=1+1,,0.5\n"
        code, (row, summary) = kymflow_json("query", dataset, sql)
        assert code == 0
        assert row["row"] == {"text": "=1+1", "nothing": None, "number": "0.5"}
        assert (summary["table"], summary["rows"]) == (None, 1)

    def test_a_table_that_does_not_fit_into_memory_is_asked_part_by_part(
        self, dataset: str
    ) -> None:
        rows = np.arange(3_000_000)
        ZarrDataset(dataset).save_table(
            "lab/many", pa.table({"v": pa.array(rows), "w": pa.array(rows % 7)})
        )
        (answer,) = query(dataset, 'SELECT count(*) AS n, sum(v * w) AS s FROM "lab/many"').items
        assert answer.row == {"n": len(rows), "s": int((rows * (rows % 7)).sum())}
        first = query(dataset, 'SELECT v FROM "lab/many" ORDER BY v DESC', rows=2)
        assert (first.rows, len(first.items)) == (len(rows), 2)
        assert [row.row["v"] for row in first.items] == [2_999_999, 2_999_998]

    def test_no_more_of_a_table_is_read_than_an_answer_needs(self, dataset: str) -> None:
        rows = np.random.default_rng(0).normal(size=3_000_000)
        ZarrDataset(dataset).save_table("lab/many", pa.table({"v": pa.array(rows)}))
        place = Path(dataset, "tables", "lab", "many.parquet")
        content = bytearray(place.read_bytes())
        content[len(content) * 9 // 10] ^= 1
        place.write_bytes(content)
        answer = query(dataset, 'SELECT v FROM "lab/many" LIMIT 3')
        assert [row.row["v"] for row in answer.items] == rows[:3].tolist()
        with pytest.raises(CorruptDataError, match="lab/many"):
            query(dataset, 'SELECT sum(v) AS s FROM "lab/many"')

    def test_a_query_may_read_a_table_twice(self, dataset: str) -> None:
        ZarrDataset(dataset).save_table("few", pa.table({"v": pa.array(np.arange(1000))}))
        sql = "SELECT count(*) AS n FROM few a JOIN few b ON a.v = b.v + 1"
        assert [row.row for row in query(dataset, sql).items] == [{"n": 999}]

    def test_without_an_index_the_hint_says_how_to_make_one(self, tmp_path: Path) -> None:
        ZarrDataset(tmp_path / "empty.zarr")
        with pytest.raises(QueryError) as caught:
            query(str(tmp_path / "empty.zarr"), "SELECT * FROM velocity")
        assert "kymflow index" in caught.value.hint

    def test_an_answer_that_does_not_fit_into_memory_is_refused(self, dataset: str) -> None:
        with pytest.raises(QueryError, match="takes more than 64 MiB"):
            query(dataset, "SELECT * FROM range(20000000)")
        assert len(query(dataset, "SELECT * FROM range(20000000)", rows=3).items) == 3
