"""CSV that someone else wrote, read strictly: equal values, or a refusal that names the line.

Programs differ in what separates cells, in how they write decimals and in what they put above the
header. What is unambiguous is read, everything else is refused. Cells stay text unless all of a
column are numbers, or all are booleans, and none of them loses a digit: ``007``, dates and whole
numbers beyond 64 bits are text. Words such as ``NA`` are missing among numbers, text among text.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from kymflow_zarr._tables.from_pandas import check_frame
from kymflow_zarr._tables.to_pandas import table_to_frame
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Rows: TypeAlias = "Iterator[tuple[int, list[str | None]]]"
"""Rows that are not blank, each with the number of its last line; None is an empty cell."""

_MAX_COLUMNS: Final = 10_000
_ROWS_AT_ONCE: Final = 10_000
_DELIMITERS: Final = ("\t", ";", "|", ",")
_SEPARATOR_LINE: Final = r'"?sep=([^\w"\r\n])"?[ \t,;]*([\r\n]+)'  # Excel's
# What the encodings of Western and Central Europe and of Turkey mean alike; a raised 2 or 3 is a
# letter in some, but not of a unit. No word has so many letters of that kind in a row.
_SURE: Final = "\xa0°±µ·ÁÂÄÇÉËÍÎÓÔÖÚÜßáâäçéëíîóôöúü²³"
_UNSURE: Final = rf"[^\x00-\x7f{_SURE}]|(?<!m)[²³]|[^\x00-\x7f]{{3}}"

# For Python's regular expressions and Arrow's, which are those of RE2.
_WHOLE: Final = r"^[+-]?(0|[1-9][0-9]*)$"
_LONG: Final = r"^[+-]?[1-9][0-9]{15,300}(\.0*)?$"
_NUMBER: Final = r"^[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_COMMA_NUMBER: Final = _NUMBER.replace(r"\.", ",")
_THOUSANDS: Final = r"^[+-]?[1-9][0-9]{0,2},[0-9]{3}$"
_NOT_FINITE: Final = r"^[+-]?(?i:inf|infinity|nan)$"
_NOT_ZERO: Final = r"^[^eE]*[1-9]"
_MISSING: Final = r"^(NA|N/A|#N/A|NULL|null|None)$"
_BOOLEAN: Final = r"^(?i:true|false)$"
_SEVERAL: Final = rf"^\s*({_NUMBER[1:-1]}\s+)+{_NUMBER[1:-1]}\s*$"


def read_csv(data: bytes, *, key: str, delimiter: str | None = None) -> pa.Table:
    """A CSV file as a table of text, whole numbers, floats and booleans.

    Args:
        data: The file's contents: UTF-8, UTF-16 with its mark, or else what
            most encodings of one byte a letter mean alike.
        key: Where they come from, for messages.
        delimiter: What separates the cells of a file whose first line is its header. If None, it is
            found out: a tab, a semicolon or a bar, with which decimals may have a comma, a comma,
            or what a first line ``sep=;`` says; and lines above the header that start with ``#``
            are comments.

    Raises:
        CorruptDataError: It cannot be interpreted; the reason names the line.
    """
    text = _decode(data, key=key)
    if delimiter is not None:
        rows = _rows(text, delimiter, key=key)
        _, names = next(rows, (1, []))
        return _table([name or "" for name in names], rows, delimiter=delimiter, key=key)
    said = re.match(_SEPARATOR_LINE, text, re.IGNORECASE)
    text = text if said is None else text[said.start(2) :]
    first = _first_line(text)
    candidates = [one for one in _DELIMITERS if one in first] or [","]
    if said is not None:
        if said[1] not in first and candidates[0] in first:
            raise CorruptDataError(key, f"line 2: {said[1]!r} separates no cells, as line 1 says")
        candidates = [said[1]]
    found: dict[str, pa.Table] = {}
    refused: list[CorruptDataError] = []
    for candidate in candidates:
        try:
            header, rows = _split_header(_rows(text, candidate, key=key), key=key)
            found[candidate] = _table(header, rows, delimiter=candidate, key=key)
        except CorruptDataError as error:
            refused.append(error)
    if len(found) > 1:
        named = " or ".join(map(repr, found))
        raise CorruptDataError(key, f"its cells could be separated by {named}")
    for table in found.values():
        return table
    raise refused[0]


def frame_to_csv(frame: pd.DataFrame, *, what: str, delimiter: str | None = None) -> bytes:
    """A frame as CSV of which `read_csv` makes a table of the same values, maybe of other types.

    An index of unnamed whole numbers is dropped. `delimiter` is what `read_csv` will be given.

    Raises:
        SchemaValidationError: CSV cannot hold it, or could not be read back unambiguously.
    """
    check_frame(frame, what=what)
    exact = frame.astype(dict.fromkeys(frame.select_dtypes(np.floating), float))
    try:
        text: str = exact.to_csv(index=False, lineterminator="\n")
        if "\r" in text:  # pandas quotes a cell for a line feed, but not for a carriage return
            text = exact.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        data = text.encode("utf-8")
        found = table_to_frame(read_csv(data, key=what, delimiter=delimiter))
        _check_values(frame, found)
    # A value has no text, or none in UTF-8, or one that would be read as another value; or pandas
    # cannot do with its type what it does with others.
    except (ArithmeticError, LookupError, NotImplementedError, ValueError) as error:
        problem = error.reason if isinstance(error, CorruptDataError) else str(error)
        raise SchemaValidationError(
            f"{what} cannot be CSV: {problem}; save it as Parquet"
        ) from error
    return data


def _check_values(frame: pd.DataFrame, found: pd.DataFrame) -> None:
    """Compare a frame with the one that came back from CSV, leaving types aside.

    Raises:
        ValueError: They differ.
    """
    if list(found) != list(frame) or len(found) != len(frame):
        raise ValueError("it would have other columns or rows")
    for name, column in frame.items():
        values, others = column.dropna().tolist(), found[name].dropna().tolist()
        if (column.isna().to_numpy() != found[name].isna().to_numpy()).any() or not all(
            type(value) is type(other) and value == other
            for value, other in zip(values, others, strict=True)
        ):
            raise ValueError(f"the values of column {name!r} would change")


def _decode(data: bytes, *, key: str) -> str:
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        text = data.decode("latin-1")
        if unknown := re.search(_UNSURE, text):
            line = _line_at(text, unknown.start())
            raise CorruptDataError(
                key, f"line {line}: its encoding is unknown; save it as UTF-8"
            ) from error
    text = text.lstrip("\ufeff").removesuffix("\x1a")  # marks of a copied start, and of DOS's end
    if "\0" in text:
        line = _line_at(text, text.index("\0"))
        raise CorruptDataError(key, f"line {line}: it holds a NUL, which is not text")
    return text


def _line_at(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _first_line(text: str) -> str:
    """The first line that is neither blank nor a comment."""
    lines = (line for line in io.StringIO(text) if line.strip() and not line.startswith("#"))
    return next(lines, text)


def _rows(text: str, delimiter: str, *, key: str) -> Rows:
    """Not by `csv`, which limits cells and treats an empty text as a missing one."""
    # Lines end at carriage returns only where nothing else ends them.
    newline, end = ("\n", r"\r*\n") if "\n" in text else ("\r", r"\r")
    mark = re.escape(delimiter)
    pattern = rf'(?:"([^"]*(?:""[^"]*)*)"|(?!")([^{mark}\r\n]*))({mark}|{end}|\Z)'
    match_cell = re.compile(pattern).match
    row: list[str | None] = []
    line, start, at = 1, 0, 0
    while at < len(text) or row:
        cell = match_cell(text, at)
        if cell is None:
            line += text.count(newline, start, at)
            raise CorruptDataError(key, f"line {line}: a quote or carriage return is out of place")
        quoted, plain, ended_by = cell.groups()
        row.append((plain or None) if quoted is None else quoted.replace('""', '"'))
        at = cell.end()
        if ended_by != delimiter:
            line += text.count(newline, start, at)
            if row != [None]:
                yield line - bool(ended_by), row
            row, start = [], at


def _split_header(rows: Rows, *, key: str) -> tuple[list[str], Rows]:
    """The names of the columns, and the rows below them."""
    comment: list[str | None] = []
    line, row = next(rows, (1, []))
    while row and (row[0] or "").startswith("#"):
        comment = row
        line, row = next(rows, (line, []))
    header = [(name or "").strip() for name in row]
    numbers = _find_numbers(row)
    below = next(rows, (line, []))
    if below[1]:
        rows = chain([below], rows)
    for at, cells in ((line, row), below):
        if len(cells) == 1 and re.search(_SEVERAL, cells[0] or ""):
            raise CorruptDataError(key, f"line {at}: blanks do not separate cells; use commas")
    if len(comment) == len(row):
        is_header = bool(_find_numbers(below[1]) - numbers)
        if not is_header and not numbers and len(row) > 1:
            raise CorruptDataError(key, f"line {line}: the comment above could be the header")
        if numbers and not is_header:  # NumPy makes a comment of the header
            first, *others = ((name or "").strip() for name in comment)
            return [first.lstrip("#").strip() or first, *others], chain([(line, row)], rows)
    if not any(header) or (
        len(numbers) == len(row) and header != [str(at) for at in range(len(row))]
    ):
        raise CorruptDataError(key, f"line {line}: it has no column names")
    return header, rows


def _find_numbers(row: Sequence[str | None]) -> set[int]:
    """The places of those cells that are numbers."""
    return {at for at, cell in enumerate(row) if re.search(_NUMBER, (cell or "").strip())}


def _table(header: Sequence[str], rows: Rows, *, delimiter: str, key: str) -> pa.Table:
    import pyarrow as pa

    if len(header) > _MAX_COLUMNS:
        raise CorruptDataError(
            key, f"its header has {len(header)} columns, but the limit is {_MAX_COLUMNS}"
        )
    names = Counter(name or f"Unnamed: {at}" for at, name in enumerate(header))
    if twice := [name for name, count in names.items() if count > 1]:
        raise CorruptDataError(key, f"its header holds the column {twice[0]!r} twice")
    lines: list[int] = []
    blocks: list[list[Any]] = [[] for _ in header]
    while part := list(islice(rows, _ROWS_AT_ONCE)):
        lines.extend(line for line, _ in part)
        cells = [_fit_row(row, len(header), line, key=key) for line, row in part]
        for block, texts in zip(blocks, zip(*cells, strict=True), strict=True):
            block.append(pa.array(texts, pa.string()))
    columns: dict[str, pa.ChunkedArray[Any]] = {}
    for at, (name, block) in enumerate(zip(header, blocks, strict=True)):
        column: pa.ChunkedArray[Any] = pa.chunked_array(block, pa.string())
        # A delimiter at the end of the header makes no column.
        if name or column.null_count < len(column):
            columns[name or f"Unnamed: {at}"] = column
    commas = delimiter != "," and _have_commas(columns.values(), lines, key=key)
    typed = [_infer_type(column, commas=commas) for column in columns.values()]
    return pa.table(typed, names=list(columns))


def _fit_row(row: list[str | None], length: int, line: int, *, key: str) -> list[str | None]:
    """A row with as many cells as the header, which a delimiter at its end does not change."""
    if len(row) == length + 1 and row[-1] is None:
        row = row[:-1]
    if len(row) != length:
        raise CorruptDataError(
            key, f"line {line}: it has {len(row)} cell(s), but the header has {length}"
        )
    # pandas quotes what is missing where a line would be blank without.
    return [None] if row == [""] else row


def _have_commas(
    columns: Iterable[pa.ChunkedArray[Any]], lines: Sequence[int], *, key: str
) -> bool:
    """Whether numbers have decimal commas: refused where they could be commas of thousands."""
    import pyarrow.compute as pc

    doubtful: CorruptDataError | None = None
    for column in columns:
        words = _words(column)
        if not _all_match(words, _COMMA_NUMBER):
            continue
        has_comma = pc.match_substring(words, ",")
        with_comma = words.filter(has_comma)
        decimals = with_comma.filter(pc.invert(pc.match_substring_regex(with_comma, _THOUSANDS)))
        if len(decimals):
            return True
        if len(with_comma) and doubtful is None:
            line, word = lines[has_comma.index(True).as_py()], with_comma[0].as_py()
            readings = f"{word.replace(',', '.')} or {word.replace(',', '')}"
            doubtful = CorruptDataError(key, f"line {line}: {word!r} could be {readings}")
    if doubtful is not None:
        raise doubtful
    return False


def _infer_type(column: pa.ChunkedArray[Any], *, commas: bool) -> pa.ChunkedArray[Any]:
    """A column of texts as numbers or booleans, if all of it can be without a change."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = _words(column)
    if words.null_count == len(words):
        return column
    if _all_match(words, _BOOLEAN) and words.null_count == column.null_count:
        return words.cast(pa.bool_())
    finite = words.filter(pc.invert(pc.match_substring_regex(words, _NOT_FINITE)))
    if not _all_match(finite, _COMMA_NUMBER if commas else _NUMBER):
        return column
    plain = pc.utf8_lower(pc.replace_substring(pc.utf8_ltrim(words, "+"), ",", "."))
    try:
        if _all_match(words, _WHOLE):
            return _whole_numbers(plain)
        floats = plain.cast(pa.float64())
    except pa.ArrowInvalid:
        return column
    # Whole numbers among them must be exact as floats, too.
    long: list[Any] = plain.filter(pc.match_substring_regex(plain, _LONG)).to_pylist()
    if any(int(float(word)) != int(word.partition(".")[0]) for word in long):
        return column
    overflown = pc.and_(pc.is_inf(floats), pc.match_substring_regex(plain, _NUMBER))
    is_zero = pc.equal(floats, pa.scalar(0.0))
    underflown = pc.and_(is_zero, pc.match_substring_regex(plain, _NOT_ZERO))
    return column if pc.any(pc.or_(overflown, underflown)).as_py() else floats


def _whole_numbers(words: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    import pyarrow as pa

    try:
        return words.cast(pa.int64())
    except pa.ArrowInvalid:
        return words.cast(pa.uint64())


def _words(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """The cells without blanks around them; null where they are nothing but that, or say so."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words: Any = pc.utf8_trim_whitespace(column)
    missing = pc.or_(pc.equal(words, pa.scalar("")), pc.match_substring_regex(words, _MISSING))
    found: pa.ChunkedArray[Any] = pc.if_else(missing, pa.scalar(None, pa.string()), words)
    return found


def _all_match(words: pa.ChunkedArray[Any], pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(words, pattern), min_count=0).as_py())
