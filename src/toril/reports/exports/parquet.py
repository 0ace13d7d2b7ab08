"""The tables as Parquet. Needs pyarrow, an extra: it is larger than everything else together."""

import io
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from toril.errors import OptionError
from toril.reports.bundle import Bundle
from toril.reports.exports.tables import TABLES, Texts

ROWS_OF_A_GROUP = 250_000  # a reader takes in, or skips, whole groups


def available() -> None:
    """OptionError unless pyarrow is installed."""
    if find_spec("pyarrow") is None:
        raise OptionError(
            "Parquet needs pyarrow, which is not installed; add it with: pip install 'toril[parquet]'",
            code="missing-package",
        )


def stream(bundle: Bundle, table: str) -> Iterator[bytes]:
    """One table, piece by piece."""
    available()
    import pyarrow
    from pyarrow import parquet

    schema = _schema(bundle, table)
    sink = _Sink()
    batches: list[Any] = []
    waiting = 0
    writer = parquet.ParquetWriter(sink, schema, compression="zstd")
    for batch in TABLES[table].batches(bundle):
        batches.append(pyarrow.record_batch([_array(batch[field.name], field.type) for field in schema], schema=schema))
        waiting += batches[-1].num_rows
        if waiting >= ROWS_OF_A_GROUP:
            writer.write_table(pyarrow.Table.from_batches(batches, schema), waiting)
            batches, waiting = [], 0
            yield sink.taken()
    if batches:
        writer.write_table(pyarrow.Table.from_batches(batches, schema), waiting)
    writer.close()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A file that hands over what was written to it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._size += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._size

    def taken(self) -> bytes:
        """Everything since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _schema(bundle: Bundle, table: str) -> Any:
    """Every column with what it holds; and which run this is."""
    import pyarrow

    types = {
        "text": pyarrow.string(),
        "integer": pyarrow.int64(),
        "boolean": pyarrow.bool_(),
        "time": pyarrow.timestamp("ms", "UTC"),
    }
    fields = [
        pyarrow.field(name, types[kind], nullable=False, metadata={"description": text})
        for name, (kind, text) in TABLES[table].columns.items()
    ]
    about = {
        "toril.schema": f"toril.{table}/1",
        "toril.version": bundle.plan.toril_version,
        "toril.run_id": bundle.plan.run_id,
        "toril.suite": bundle.plan.suite,
        "toril.started_at": bundle.summary.started_at or "",
        "toril.units": "columns that end in _us are microseconds; second counts from the start signal",
    }
    return pyarrow.schema(fields, {f"{name}": _utf8(text) for name, text in about.items()})


def _array(values: Any, type_: Any) -> Any:
    import pyarrow

    if isinstance(values, Texts):
        return pyarrow.array([_utf8(text) for text in values.values], type_).take(pyarrow.array(values.codes))
    return pyarrow.array(values, type_)


def _utf8(text: str) -> str:
    """Half a character from an engine, which UTF-8 does not have, becomes `\\udxxx`."""
    return text.encode("utf-8", "backslashreplace").decode()
