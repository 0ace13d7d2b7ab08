"""Exports the tables as Parquet. Needs pyarrow, an extra, because it is larger than all other packages together."""

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from tempfile import TemporaryFile
from typing import Any

from toril.errors import OptionError
from toril.reports.bundle import Bundle
from toril.reports.exports.tables import TABLES, TextColumn

BYTES_AT_ONCE = 1 << 20
ROWS_OF_A_GROUP = 250_000  # readers read or skip whole groups


def available() -> None:
    """Raises OptionError unless pyarrow is installed."""
    if find_spec("pyarrow") is None:
        raise OptionError(
            "Parquet needs pyarrow, which is not installed. Install toril with the extra `parquet`.",
            code="missing-package",
        )


def stream(bundle: Bundle, table: str) -> Iterator[bytes]:
    """Yields one table in pieces."""
    available()
    import pyarrow
    from pyarrow import parquet

    schema = _schema(bundle, table)
    batches: list[Any] = []
    waiting = 0
    with TemporaryFile() as file:
        with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for batch in TABLES[table].batches(bundle):
                arrays = [_array(batch[field.name], field.type) for field in schema]
                batches.append(pyarrow.record_batch(arrays, schema=schema))
                waiting += batches[-1].num_rows
                if waiting >= ROWS_OF_A_GROUP:
                    writer.write_table(pyarrow.Table.from_batches(batches, schema), waiting)
                    batches, waiting = [], 0
            if batches:
                writer.write_table(pyarrow.Table.from_batches(batches, schema), waiting)
        file.seek(0)
        yield from iter(partial(file.read, BYTES_AT_ONCE), b"")


def _schema(bundle: Bundle, table: str) -> Any:
    """Returns the columns with their descriptions, and metadata on the run."""
    import pyarrow

    types = {
        "text": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
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
        "toril.units": "columns ending in _us are in microseconds, or a script's values times 1,000; "
        "second counts from the start signal",
    }
    return pyarrow.schema(fields, {name: _utf8(text) for name, text in about.items()})


def _array(values: Any, type_: Any) -> Any:
    import pyarrow

    if isinstance(values, TextColumn):
        return pyarrow.array([_utf8(text) for text in values.values], type_).take(pyarrow.array(values.codes))
    return pyarrow.array(values, type_)


def _utf8(text: str) -> str:
    """Returns the text with lone surrogates, which UTF-8 cannot encode, as `\\udxxx`."""
    return text.encode("utf-8", "backslashreplace").decode()
