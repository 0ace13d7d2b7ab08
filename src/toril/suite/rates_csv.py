"""Rates of production from a CSV file, row by row: when, and how many requests per second or in the interval."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Never

from toril.criteria import duration_s, number
from toril.load.shapes import held
from toril.suite.door import MOST, Door, nearest, shown
from toril.suite.files import URL, Files

TIMES = ("time", "timestamp", "at", "date", "datetime", "second", "seconds", "_time", "minute", "hour")
RATES = ("rps", "rate", "requests_per_second", "requests/s", "req/s", "tps", "qps", "throughput")
COUNTS = ("count", "requests", "hits", "samples", "total", "value")
MOST_ROWS = 20_000  # a fortnight by the minute
MOST_BYTES = 10 * 2**20
MILLISECONDS = 1e11  # since 1970: as seconds it would be in the year 5138


def read_rates(
    written: object, path: str, columns: Mapping[str, str], door: Door, files: Files
) -> list[tuple[float, float]]:
    """Points of a curve that holds each row's rate until the next row, and the last one as long as the one before.

    `columns` names those that are not called as usual: `time`, and `rate` or `count`.
    """
    if isinstance(written, str) and (URL.match(written) or "${" in door.environment.resolve(written)):
        raise door.error(path, f"{shown(written)}, which is not known before the run", "put a file into the suite")
    name = files.find(written, path, kind="CSV file of rates")
    return _Table(name, path, door).points(_text(name, path, door, files), columns)


def _text(name: str, path: str, door: Door, files: Files) -> str:
    file = files.folder / name
    if not file.is_file():
        raise door.error(path, f"{shown(name)}, which is no file", "give a CSV file")
    if file.stat().st_size > MOST_BYTES:
        raise door.error(path, f"{shown(name)}, more than {MOST_BYTES // 2**20} MiB", "give fewer rows")
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise door.error(path, f"{shown(name)}, which cannot be read as UTF-8 text", "save it as such") from error


class _Table:
    def __init__(self, name: str, path: str, door: Door) -> None:
        self.name, self.path, self.door = name, path, door

    def wrong(self, line: int, what: str, fix: str) -> Never:
        raise self.door.error(self.path, f"{shown(self.name)}, whose line {line} {what}", fix)

    def points(self, text: str, columns: Mapping[str, str]) -> list[tuple[float, float]]:
        first = text.partition("\n")[0]
        delimiter = max((",", ";", "\t"), key=first.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows: list[tuple[float, float, int]] = []
        try:
            header = [cell.strip() for cell in next(reader, [])]
            time, value, counted = self._columns(header, columns)
            for row in reader:
                if any(cell.strip() for cell in row):
                    self._add(rows, row, reader.line_num, (time, value))
        except csv.Error as error:
            self.wrong(max(1, reader.line_num), f"is no CSV ({error})", "correct it there")
        if len(rows) < 2:
            self.wrong(max(1, reader.line_num), "is its last, with fewer than two rows above", "give two rows or more")
        return self._held(rows, counted=counted)

    def _held(self, rows: Sequence[tuple[float, float, int]], *, counted: bool) -> list[tuple[float, float]]:
        begin_s, last_s = rows[0][0], rows[-1][0] - rows[-2][0]
        times = [at_s - begin_s for at_s, _, _ in rows]
        times.append(times[-1] + last_s)
        rates = []
        for (_, value, line), from_s, to_s in zip(rows, times, times[1:], strict=False):
            rps = value / (to_s - from_s) if counted else value
            if rps > MOST:
                self.wrong(line, f"asks for more than {MOST:,} requests per second", "correct it")
            rates.append(rps)
        return [*held(zip(times, rates, strict=False)), (times[-1], rates[-1])]

    def _columns(self, header: Sequence[str], named: Mapping[str, str]) -> tuple[int, int, bool]:
        """Where the time is, where the value is, and whether that is a count."""
        if len(set(header)) < len(header):
            self.wrong(1, "has a column twice", "name each column once")
        if "rate" in named and "count" in named:
            raise self.door.error(self.path, "given a column of rates and one of counts", "name one of them")
        time = self._column(header, named.get("time"), TIMES, "time")
        if "count" in named:
            return time, self._column(header, named["count"], COUNTS, "count"), True
        if "rate" in named or any(_plain(cell) in RATES for cell in header):
            return time, self._column(header, named.get("rate"), RATES, "rate"), False
        return time, self._column(header, None, COUNTS, "rate or count", (*RATES[:2], *COUNTS[:2])), True

    def _column(
        self, header: Sequence[str], named: str | None, usual: Sequence[str], what: str, said: Sequence[str] = ()
    ) -> int:
        if named is not None:
            if named not in header:
                fix = nearest(named, [cell for cell in header if cell] or ["a header"])
                self.wrong(1, f"has no column {shown(named)}", fix)
            return header.index(named)
        found = [index for index, cell in enumerate(header) if _plain(cell) in usual]
        if not found:
            first = ", ".join(f"`{name}`" for name in said or usual[:3])
            self.wrong(1, f"has no column for the {what} ({shown(', '.join(header))})", f"call it one of {first}")
        if len(found) > 1:
            self.wrong(1, f"has two columns for the {what}, {shown(header[found[0]])} and {shown(header[found[1]])}",
                       f"say which: `csv: {{file: …, {what.split()[-1]}: {header[found[0]][:30]}}}`")  # fmt: skip
        return found[0]

    def _add(
        self, rows: list[tuple[float, float, int]], row: Sequence[str], line: int, columns: tuple[int, int]
    ) -> None:
        if len(rows) >= MOST_ROWS:
            self.wrong(line, f"is beyond {MOST_ROWS:,} rows", "give fewer, of longer intervals")
        if len(row) <= max(columns):
            self.wrong(line, f"has {len(row)} columns only", "correct it")
        time, value = (row[column].strip() for column in columns)
        at_s = self._time(time, line)
        try:
            amount = float(number(value))
        except ValueError:
            self.wrong(line, f"has {shown(value)} for a rate or count", "write a number that is not negative")
        if rows and at_s <= rows[-1][0]:
            self.wrong(line, f"({shown(time)}) is not later than the row above it", "sort the rows by time")
        rows.append((at_s, amount, line))

    def _time(self, text: str, line: int) -> float:
        """Seconds since anything: an offset, or seconds or milliseconds since 1970, or a date with a time of day."""
        try:
            seconds = float(duration_s(text))
        except ValueError:
            try:
                moment = datetime.fromisoformat(text)
                seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            except (ValueError, OverflowError):
                fix = "write 2026-11-24T15:00:00Z, seconds since 1970, or an offset such as 90 or 5m"
                self.wrong(line, f"has {shown(text)} for a time", fix)
        if not math.isfinite(seconds):
            self.wrong(line, f"has {shown(text)} for a time", "write one that is finite")
        return seconds / 1000 if seconds > MILLISECONDS else seconds


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")
