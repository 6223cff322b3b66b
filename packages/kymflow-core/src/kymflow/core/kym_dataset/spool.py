"""Rows on their way into a table: kept outside memory until a run is over."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    import pyarrow as pa

_KEPT_IN_MEMORY: Final = 16 * 2**20


class RowSpool:
    """Arrow tables in a temporary file, read back in the order that they were added.

    A small run never touches the disk. Use it as a context manager: leaving it removes the file.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_KEPT_IN_MEMORY)  # noqa: SIM115
        self._batches: list[tuple[tuple[str, ...], list[tuple[int, int]]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, image_ids: Sequence[str], parts: Iterable[pa.Table]) -> None:
        """Keep the rows of some images."""
        import pyarrow as pa

        places = []
        for part in parts:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, part.schema) as writer:
                writer.write_table(part)
            data = sink.getvalue()
            places.append((self._file.tell(), data.size))
            self._file.write(data)
        self._batches.append((tuple(image_ids), places))

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], list[pa.Table]]]:
        for image_ids, places in self._batches:
            yield image_ids, [self._read(start, size) for start, size in places]

    def _read(self, start: int, size: int) -> pa.Table:
        import pyarrow as pa

        self._file.seek(start)
        return pa.ipc.open_stream(self._file.read(size)).read_all()
