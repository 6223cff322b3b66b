"""CSV of other programs: equal values, or a refusal that names file, line and reason."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from kymflow_zarr import IngestOptions, SchemaValidationError, UnreadableImageError, ZarrDataset

Ingest = Callable[[str | bytes], pd.DataFrame]


@pytest.fixture
def ingest(tmp_path: Path) -> Ingest:
    """Takes an image in with a CSV file beside it; returns the artifact that it becomes."""

    def take(text: str | bytes) -> pd.DataFrame:
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((1, 1), np.uint16))
        data = text.encode("utf-8") if isinstance(text, str) else text
        (tmp_path / "a.velocity.csv").write_bytes(data)
        record = ZarrDataset(MemoryStore()).ingest_image(
            tmp_path / "a.tif", options=IngestOptions(strict=True)
        )
        return record.load_df_parquet("velocity")

    return take


TIMES = {"time": [0.0, 0.1], "velocity": [1.5, 1.6]}


@pytest.mark.parametrize(
    "text",
    [
        "time,velocity\n0.0,1.5\n0.1,1.6\n",
        "time,velocity\r\n0.0,1.5\r\n0.1,1.6",
        "time,velocity\r0.0,1.5\r0.1,1.6\r",
        "time,velocity\n0.0,1.5,\n0.1,1.6,\n",
        "time,velocity,\n0.0,1.5,\n0.1,1.6,\n",
        "sep=;\r\ntime;velocity\r\n0,0;1,5\r\n0,1;1,6\r\n",
        "time;velocity\n0,0;1,5\n0,1;1,6\n",
        "time;velocity\n0.0;1.5\n0.1;1.6\n",
        "time\tvelocity\n0.0\t1.5\n0.1\t1.6\n",
        "time\tvelocity\n0,0\t1,5\n0,1\t1,6\n",
        '"time","velocity"\n"0.0","1.5"\n"0.1","1.6"\n',
        " time , velocity\n 0.0, 1.5\n 0.1, 1.6\n",
        "# made by tool 1.2\ntime,velocity\n0.0,1.5\n0.1,1.6\n",
        "# made by tool 1.2,in 2024\ntime,velocity\n0.0,1.5\n0.1,1.6\n",
        "# made by tool 1.2, in 2024\n\ntime,velocity\n0.0,1.5\n\n0.1,1.6\n\n",
        "# time,velocity\n0.0,1.5\n0.1,1.6\n",
        "\ufefftime,velocity\n0.0,1.5\n0.1,1.6\n",
        "time,velocity\n0.0,1.5\n0.1,1.6\n".encode("utf-16"),
        "sep=;\ntime;velocity\n0,0;1,5\n0,1;1,6\n",
        '\ufeff"sep=,"\r\ntime,velocity\r\n0.0,1.5\r\n0.1,1.6\r\n',
        "sep=;;\ntime;velocity\n0,0;1,5\n0,1;1,6\n",
        "sep=; \ntime;velocity\n0,0;1,5\n0,1;1,6\n",
        "sep=^\ntime^velocity\n0.0^1.5\n0.1^1.6\n",
        "time|velocity\n0,0|1,5\n0,1|1,6\n",
        "\ufeff\ufefftime,velocity\n0.0,1.5\n0.1,1.6\n\x1a",
    ],
)
def test_what_other_programs_write_is_read_right(ingest: Ingest, text: str | bytes) -> None:
    assert ingest(text).to_dict("list") == TIMES


@pytest.mark.parametrize(
    ("cells", "expected", "dtype"),
    [
        (["007", "012"], ["007", "012"], "text"),
        (["NA", "None", "null"], ["NA", "None", "null"], "text"),
        (["1.5", "NA", "nan"], [1.5, None, None], "float64"),
        (["1", "", "3"], [1, None, 3], "Int64"),
        ([str(2**53 + 1), "NA"], [2**53 + 1, None], "Int64"),
        ([str(2**53 + 1), "0.5"], [str(2**53 + 1), "0.5"], "text"),
        ([f"-{2**53 + 1}.0", "0.5"], [f"-{2**53 + 1}.0", "0.5"], "text"),
        ([f"{10**22}.0", str(2**53), ".0"], [1e22, 2.0**53, 0.0], "float64"),
        ([str(2**64 - 1), "1"], [2**64 - 1, 1], "uint64"),
        (["12345678901234567890123", "1"], ["12345678901234567890123", "1"], "text"),
        (["2024-05-01", "01.05.2024"], ["2024-05-01", "01.05.2024"], "text"),
        (["True", "false"], [True, False], "bool"),
        (["1e400", "1"], ["1e400", "1"], "text"),
        (["1e-400", "1"], ["1e-400", "1"], "text"),
        (["1_000", "2"], ["1_000", "2"], "text"),
        (["+1.5", ".5", "5.", "-0.5e-3"], [1.5, 0.5, 5.0, -0.0005], "float64"),
        (["inf", "-Infinity"], [np.inf, -np.inf], "float64"),
        (['"x, ""y"""', "z"], ['x, "y"', "z"], "text"),
        (['"line\none"', "z"], ["line\none", "z"], "text"),
        (['5" tube', "z"], ['5" tube', "z"], "text"),
        (['"1,5"', '"0,5"'], ["1,5", "0,5"], "text"),
    ],
)
def test_cells_are_numbers_only_where_the_whole_column_is(
    ingest: Ingest, cells: list[str], expected: list[Any], dtype: str
) -> None:
    text = "".join(f"{cell},x\n" for cell in cells)
    found = ingest(f"v,other\n{text}")["v"]
    assert [None if pd.isna(value) else value for value in found] == expected
    assert str(found.dtype) in (("str", "object") if dtype == "text" else (dtype,))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_letters_that_most_encodings_mean_alike_are_read_right(
    ingest: Ingest, encoding: str
) -> None:
    found = ingest("in \u00b5m\u00b2,name\n1.5,Gr\u00f6\u00dfe\n".encode(encoding))
    assert found.to_dict("list") == {"in \u00b5m\u00b2": [1.5], "name": ["Gr\u00f6\u00dfe"]}


def test_gzipped_csv_beside_an_image_is_read_in_the_same_way(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((1, 1), np.uint16))
    text = b"# made by tool 1.2\ntime;velocity\n0,0;1,5\n0,1;1,6\n"
    (tmp_path / "a.velocity.csv.gz").write_bytes(gzip.compress(text))
    record = ZarrDataset(MemoryStore()).ingest_image(
        tmp_path / "a.tif", options=IngestOptions(strict=True)
    )
    assert record.load_df_parquet("velocity").to_dict("list") == TIMES


def test_a_column_of_row_numbers_keeps_them(ingest: Ingest) -> None:
    assert ingest("#,v\n0,1.5\n1,1.6\n").to_dict("list") == {"#": [0, 1], "v": [1.5, 1.6]}


def test_a_comment_is_the_header_only_above_rows_of_one_kind(ingest: Ingest) -> None:
    rows = {"id": ["a", "b"], "1": [2, 3]}
    assert ingest("#id,1\na,2\nb,3\n").to_dict("list") == rows
    assert ingest("#from,tool\nt,1\n0.0,2\n0.5,3\n").to_dict("list") == {
        "t": [0.0, 0.5],
        "1": [2, 3],
    }
    assert ingest("# of a mouse\nlabel\nup\ndown\n").to_dict("list") == {"label": ["up", "down"]}
    assert ingest(",v\n0,1.5\n1,1.6\n").to_dict("list") == {"Unnamed: 0": [0, 1], "v": [1.5, 1.6]}


def test_decimal_commas_beside_a_full_stop_leave_it_text(ingest: Ingest) -> None:
    assert ingest("t;v\n0,5;1.500\n1,5;2.500\n").to_dict("list") == {
        "t": [0.5, 1.5],
        "v": ["1.500", "2.500"],
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("time,velocity\n0.0,1.5,9\n0.1,1.6,9\n", "line 2: it has 3 cell(s), but the header has 2"),
        ("time,velocity\n0.0,1.5\n0.1\n", "line 3: it has 1 cell(s), but the header has 2"),
        ("time,velocity\n0.0,1.5\n# end\n", "line 3: it has 1 cell(s), but the header has 2"),
        ('time,velocity\n0.0,"1.5\n', "line 2: a quote or carriage return is out of place"),
        ('time,velocity\n0.0,"1"5\n', "line 2: a quote or carriage return is out of place"),
        ("time,velocity\n0\r0,1\n", "line 2: a quote or carriage return is out of place"),
        ("# by hand\nt;v\n\n1;1,134\n", "line 4: '1,134' could be 1.134 or 1134"),
        ("v,v\n1,2\n", "the column 'v' twice"),
        ("Unnamed: 1,\n1,2\n", "the column 'Unnamed: 1' twice"),
        ("sep=;\nt,v\n1,2\n", "line 2: ';' separates no cells, as line 1 says"),
        ("sep=;\nt;v\n1,2\n", "line 3: it has 1 cell(s), but the header has 2"),
        ("t v\n0.0 1.5\n", "line 2: blanks do not separate cells; use commas"),
        ("# t v\n\n0.0  1.5e-3\n", "line 3: blanks do not separate cells; use commas"),
        *(
            (f"v\n{word}\n".encode(encoding), "line 2: its encoding is unknown; save it as UTF-8")
            for word, encoding in [
                ("\u4e2d\u6587", "gb18030"),
                ("\u30c6\u30b9\u30c8", "shift-jis"),
                ("M\u00fcller", "mac-roman"),
                ("\u20ac", "cp1252"),
                ("\u03bcm", "iso8859-7"),
                ("t in \u00b5s", "cp437"),
                ("\u010d\u00e1", "iso8859-2"),
                ("by\u0142", "cp1250"),
                ("greit\u0173", "cp1257"),
            ]
        ),
        ("#id,name\na,b\nc,d\n", "line 2: the comment above could be the header"),
        ("v,V\n1,2\n", "'V' differs from 'v' only in case"),
        ("1.5,2.5\n3.5,4.5\n", "line 1: it has no column names"),
        ("# made by tool\n1.5,2.5\n", "line 2: it has no column names"),
        ("t;a,b\n1;2,x\n", "could be separated by ';' or ','"),
        ("t,v\n1,\0\n", "line 2: it holds a NUL"),
        ("t,v\n1,2\n".encode("utf-16-le"), "line 1: it holds a NUL"),
        ("", "it has no column names"),
        ("   \n", "line 1: it has no column names"),
    ],
)
def test_what_cannot_be_read_for_sure_is_refused_by_name(
    ingest: Ingest, text: str | bytes, reason: str
) -> None:
    with pytest.raises((UnreadableImageError, SchemaValidationError)) as caught:
        ingest(text)
    assert reason in str(caught.value)
    assert "a.velocity.csv" in str(caught.value)


@pytest.fixture(scope="module")
def record() -> Any:
    return ZarrDataset(MemoryStore()).add_image(np.zeros((1, 1), np.uint8), axes=("t", "x"))


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
CELLS = TEXTS.filter(bool)  # CSV does not tell an empty text from a missing one
FRAMES = st.dictionaries(
    TEXTS.filter(str.strip), st.lists(CELLS, min_size=2, max_size=2), min_size=1
)


@given(columns=FRAMES)
def test_text_comes_back_from_gzipped_csv_or_is_refused_when_it_is_saved(
    record: Any, columns: dict[str, list[str]]
) -> None:
    frame = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})
    try:
        record.save_df_csv_gz("t", frame)
    except SchemaValidationError:
        return
    found = record.load_df_csv_gz("t")
    assert found.columns.tolist() == frame.columns.tolist()
    assert found.to_dict("list") == columns


def test_gzipped_csv_refuses_what_it_would_lose(record: Any) -> None:
    rows = pd.DataFrame({"roi": [1, 2], "v": [5.0, 6.0]})
    with pytest.raises(SchemaValidationError, match=r"its index \(roi\) would be lost"):
        record.save_df_csv_gz("t", rows.set_index("roi"))
    with pytest.raises(TypeError, match="expected a pandas DataFrame"):
        record.save_df_csv_gz("t", [1])
    for values in (["a\0"], ["\ud800"], [Decimal("sNaN")]):
        with pytest.raises(SchemaValidationError, match="save it as Parquet"):
            record.save_df_csv_gz("t", pd.DataFrame({"v": pd.Series(values, dtype=object)}))
    view = pa.chunked_array([pa.array(["a", None], pa.string_view())])  # which pandas cannot filter
    with pytest.raises(SchemaValidationError, match="save it as Parquet"):
        record.save_df_csv_gz("t", pd.DataFrame({"v": pd.arrays.ArrowExtensionArray(view)}))


@pytest.mark.parametrize(
    "values",
    [
        ["1", "2"],
        ["", "a"],
        ["True", "False"],
        [b"a", b"b"],
        [[1], [2]],
        [Decimal("1.5"), None],
        pd.to_datetime(["2024-05-01", "2024-05-02"]),
        pd.to_timedelta([1, 2], "s"),
    ],
)
def test_gzipped_csv_refuses_values_that_would_come_back_as_others(
    record: Any, values: Any
) -> None:
    with pytest.raises(
        SchemaValidationError, match="the values of column 'v' would change; save it as Parquet"
    ):
        record.save_df_csv_gz("t", pd.DataFrame({"v": values, "w": [1, 2]}))


@pytest.mark.parametrize(
    "values",
    [
        pd.array([2**53 + 1, None], dtype="Int64"),
        pd.array([1.5, None], dtype="Float64"),
        pd.array([True, None], dtype="boolean"),
        np.array([2**64 - 1, 1], np.uint64),
        np.array([0.1, np.nan], np.float32),
        np.array([-0.0, np.inf]),
        pd.Categorical(["a", None]),
        ["007", "NA"],
    ],
)
def test_values_come_back_from_gzipped_csv(record: Any, values: Any) -> None:
    column = pd.Series(values)
    record.save_df_csv_gz("t", pd.DataFrame({"v": column}))
    found = record.load_df_csv_gz("t")["v"]
    assert found.isna().tolist() == column.isna().tolist()
    assert found.dropna().tolist() == column.dropna().tolist()


def test_a_gzipped_csv_of_the_dataset_has_commas_and_no_comments(record: Any) -> None:
    frame = pd.DataFrame({"#a;b": ["x"], "007": ["0,5"], "large": ["x" * 200_000]})
    record.save_df_csv_gz("t", frame)
    pd.testing.assert_frame_equal(record.load_df_csv_gz("t"), frame)


def test_a_carriage_return_at_the_end_of_a_text_is_kept(record: Any) -> None:
    # Found by hypothesis: at the end of a line it was taken for a part of the line's end.
    frame = pd.DataFrame({"v": ["a\r", "\rb", "c\r\n"]})
    record.save_df_csv_gz("t", frame)
    pd.testing.assert_frame_equal(record.load_df_csv_gz("t"), frame)
