"""Load curves as a suite writes them: shapes, each a mapping with one of `SHAPES`, one after another.

The rates of a CSV file are one shape: each row says when, and how many requests per second or in the interval.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Never

from toril.criteria import duration_s, number
from toril.load import shapes
from toril.load.curve import Curve
from toril.suite.engines import check_curve
from toril.suite.files import URL, Files
from toril.suite.reader import MAX_DURATION_S, MAX_NUMBER, SuiteReader, quoted, suggestion

SHAPES = ("constant", "ramp", "steps", "spikes", "sine", "points", "csv")
TIMELESS = ("constant", "ramp", "spikes", "sine")  # `for` beside them says how long they last
MAX_SHAPES = 1000
MAX_POINTS = 50_000  # of a whole curve; it is part of the plan, which every worker reads
RATE = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([kM]?)(?:/(s|sec|m|min|h))?")
FACTORS = {"": 1, "k": 1000, "M": 1_000_000}
SECONDS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}

TIME_COLUMNS = ("time", "timestamp", "at", "date", "datetime", "second", "seconds", "_time", "minute", "hour")
RATE_COLUMNS = ("rps", "rate", "requests_per_second", "requests/s", "req/s", "tps", "qps", "throughput")
COUNT_COLUMNS = ("count", "requests", "hits", "samples", "total", "value")
MAX_ROWS = 20_000  # a fortnight by the minute
MAX_BYTES = 10 * 2**20
MILLISECONDS = 1e11  # since 1970: as seconds it would be in the year 5138


@dataclass(frozen=True, slots=True)
class PlannedCurve:
    """A curve and its ramp-up: the first shape if it is a `ramp` and others follow; without one all is steady."""

    curve: Curve
    ramp_up_s: float


def is_curve(written: object) -> bool:
    """Whether a `throughput` is a curve, and not a number or one for each place."""
    return isinstance(written, list) or (isinstance(written, dict) and not {"local", "cloud"} & set(written))


def read_curve(
    item: Mapping[str, Any],
    written: object,
    name: str,
    path: str,
    curves: Mapping[str, Any],
    executor: str,
    reader: SuiteReader,
    files: Files,
) -> PlannedCurve | None:
    """The curve of the execution `name` at `path`: as its throughput is `written`, or in `curves`; None: no curve."""
    where, ours = f"{path}.throughput", f"toril.curves.{name[:60]}"
    if isinstance(written, (list, dict)):
        if name in curves:
            raise reader.error("conflicting-keys", where, f"set beside {ours}", "keep one of the two")
    elif name not in curves:
        return None
    elif written:
        raise reader.error("conflicting-keys", where, f"set beside {ours}, which says the rate", "leave it out")
    else:
        written, where = curves[name], ours
    check_curve(executor, where, reader)
    for key in ("ramp-up", "steps", "iterations"):
        if item.get(key):
            what = "set beside a load curve, which is the whole course of the load"
            fix = "leave it out, or write it as a part of the curve"
            raise reader.error("conflicting-keys", f"{path}.{key}", what, fix)
    hold_for_s = reader.seconds(item.get("hold-for"), f"{path}.hold-for")
    return _read(reader.environment.resolve_all(written), where, hold_for_s, reader, files)


def _read(written: object, path: str, hold_for_s: float, reader: SuiteReader, files: Files) -> PlannedCurve:
    """The curve that is written at `path`; `hold_for_s` of its execution says how long it lasts if it does not."""
    items = written if isinstance(written, list) else [written]
    if not items or len(items) > MAX_SHAPES:
        raise reader.error("out-of-range", path, f"a list of {len(items):,} shapes", f"write 1 to {MAX_SHAPES:,}")
    shapes_of = _ShapeReader(reader, files)
    found: list[shapes.Points] = []
    for index, item in enumerate(items):
        where = f"{path}[{index}]" if isinstance(written, list) else path
        found.append(shapes_of.points(item, where, hold_for_s if len(items) == 1 else 0.0))
    lasts_s = sum(points[-1][0] for points in found)
    if sum(map(len, found)) > MAX_POINTS:
        what = f"a curve of {sum(map(len, found)):,} points"
        raise reader.error("too-many-points", path, what, f"{MAX_POINTS:,} is the most: make it shorter or coarser")
    if lasts_s > MAX_DURATION_S:
        raise reader.error("out-of-range", path, "a curve that is longer than a year", "make it shorter")
    curve = shapes.joined(found)
    if not curve.total:
        raise reader.error("empty-curve", path, "a curve that asks for no request at all", "write a rate above 0")
    if hold_for_s and not math.isclose(hold_for_s, lasts_s, abs_tol=0.001):
        what = f"a curve that lasts {lasts_s:g} s by itself, beside a hold-for of {hold_for_s:g} s"
        raise reader.error("conflicting-keys", path, what, "leave hold-for out")
    leads = len(items) > 1 and isinstance(items[0], dict) and "ramp" in items[0]
    return PlannedCurve(curve, found[0][-1][0] if leads else 0.0)


class _ShapeReader:
    def __init__(self, reader: SuiteReader, files: Files) -> None:
        self.reader, self.files = reader, files

    def points(self, item: object, path: str, hold_for_s: float) -> shapes.Points:
        shape = self.reader.mapping(item, path, "{ramp: {from: 10, to: 500}, for: 5m}")
        kinds = [key for key in shape if key in SHAPES]
        unknown = [key for key in shape if key not in (*SHAPES, "for")]
        if unknown:
            raise self.reader.error(
                "unknown-key", f"{path}.{unknown[0][:60]}", "unknown", suggestion(unknown[0], (*SHAPES, "for"))
            )
        if not kinds:
            raise self.reader.error(
                "unknown-shape", path, f"{quoted(item)}, not a shape of load", f"write one of {', '.join(SHAPES)}"
            )
        if len(kinds) > 1:
            what = f"both `{kinds[0]}` and `{kinds[1]}`"
            raise self.reader.error("conflicting-keys", path, what, "write a list of shapes, one after another")
        kind = kinds[0]
        where = f"{path}.{kind}"
        if kind not in TIMELESS:
            if "for" in shape:
                why = f"set beside `{kind}`, which lasts as long as it says itself"
                raise self.reader.error("conflicting-keys", f"{path}.for", why, "leave it out")
            return {"steps": self.steps, "points": self.written, "csv": self.csv}[kind](shape[kind], where)
        lasts_s = self.seconds(shape["for"], f"{path}.for") if "for" in shape else hold_for_s
        if not lasts_s:
            what = f"missing, and nothing else says how long the {kind} lasts"
            raise self.reader.error("missing-key", f"{path}.for", what, "add `for: 10m`")
        timeless: dict[str, Callable[[object, str, float], shapes.Points]] = {
            "constant": self.constant, "ramp": self.ramp, "spikes": self.spikes, "sine": self.sine
        }  # fmt: skip
        return timeless[kind](shape[kind], where, lasts_s)

    def constant(self, written: object, path: str, lasts_s: float) -> shapes.Points:
        rps = self.rate(written, path)
        return shapes.line(rps, rps, lasts_s)

    def ramp(self, written: object, path: str, lasts_s: float) -> shapes.Points:
        values = self.keys(written, path, "ramp: {from: 10, to: 500}", ("to",), ("from",))
        return shapes.line(self.rate(values.get("from", 0), f"{path}.from"), self.rate(values["to"], f"{path}.to"),
                           lasts_s)  # fmt: skip

    def steps(self, written: object, path: str) -> shapes.Points:
        values = self.keys(
            written, path, "steps: {from: 100, to: 500, steps: 5, every: 2m}", ("from", "to", "steps", "every")
        )
        count = self.reader.whole(values["steps"], f"{path}.steps")
        if count is None or not 2 <= count <= MAX_SHAPES:
            raise self.reader.error(
                "out-of-range", f"{path}.steps", quoted(values["steps"]), f"write a number from 2 to {MAX_SHAPES:,}"
            )
        low, high = (self.rate(values[key], f"{path}.{key}") for key in ("from", "to"))
        return shapes.stairs(low, high, count, self.seconds(values["every"], f"{path}.every"))

    def spikes(self, written: object, path: str, lasts_s: float) -> shapes.Points:
        needed = ("base", "peak", "every", "lasts")
        values = self.keys(written, path, "spikes: {base: 50, peak: 500, every: 5m, lasts: 20s}", needed)
        every_s, spike_s = (self.seconds(values[key], f"{path}.{key}") for key in ("every", "lasts"))
        if spike_s >= every_s:
            what = f"{quoted(values['lasts'])}, no shorter than `every`"
            raise self.reader.error("out-of-range", f"{path}.lasts", what, "make spikes shorter, or rarer")
        self._few(lasts_s / every_s * 4, path)
        base, peak = (self.rate(values[key], f"{path}.{key}") for key in ("base", "peak"))
        return shapes.spikes(base, peak, every_s, spike_s, lasts_s)

    def sine(self, written: object, path: str, lasts_s: float) -> shapes.Points:
        needed = ("from", "to", "period")
        values = self.keys(written, path, "sine: {from: 50, to: 500, period: 24h}", needed, ("low-at",))
        low, high = (self.rate(values[key], f"{path}.{key}") for key in ("from", "to"))
        if low > high:
            raise self.reader.error("out-of-range", f"{path}.from", f"{quoted(values['from'])}, more than `to`",
                                  "write the lower rate there; `low-at` says when it is reached")  # fmt: skip
        period_s = self.seconds(values["period"], f"{path}.period")
        low_at_s = self.seconds(values["low-at"], f"{path}.low-at", least=0.0) if "low-at" in values else 0.0
        self._few(lasts_s / period_s * shapes.PIECES, path)
        return shapes.sine(low, high, period_s, low_at_s, lasts_s)

    def written(self, written: object, path: str) -> shapes.Points:
        items = self.reader.items(written, path, "points: [{at: 0s, rps: 10}, {at: 5m, rps: 500}]")
        if len(items) < 2:
            raise self.reader.error("out-of-range", path, f"a list of {len(items)}", "write two points or more")
        self._few(len(items), path)
        found: list[tuple[float, float]] = []
        for index, item in enumerate(items):
            where = f"{path}[{index}]"
            values = self.keys(item, where, "{at: 5m, rps: 500}", ("at", "rps"))
            at_s = self.seconds(values["at"], f"{where}.at", least=0.0)
            if not found and at_s:
                raise self.reader.error("out-of-range", f"{where}.at", quoted(values["at"]), "the first point is at 0s")
            if found and at_s < found[-1][0]:
                what = f"{quoted(values['at'])}, before the point above it"
                raise self.reader.error("unsorted-times", f"{where}.at", what, "sort the points by time")
            found.append((at_s, self.rate(values["rps"], f"{where}.rps")))
        if not found[-1][0]:
            raise self.reader.error(
                "out-of-range", path, "a list of points that are all at 0s", "the last one says where the curve ends"
            )
        return found

    def csv(self, written: object, path: str) -> shapes.Points:
        written = {"file": written} if isinstance(written, str) else written
        optional = ("scale", "speed", "time", "rate", "count")
        values = self.keys(written, path, "csv: {file: rates.csv, scale: 1.5x, speed: 24x}", ("file",), optional)
        named: dict[str, str] = {key: values[key] for key in ("time", "rate", "count") if key in values}
        for key, value in named.items():
            if not isinstance(value, str) or not value:
                raise self.reader.error(
                    "not-a-text", f"{path}.{key}", f"{quoted(value)}, not a column's name", "write one as text"
                )
        scale = self.times(values.get("scale", 1), f"{path}.scale")
        speed = self.times(values.get("speed", 1), f"{path}.speed")
        rows = _read_rates(values["file"], f"{path}.file", named, self.reader, self.files)
        if max(rps for _, rps in rows) * scale > MAX_NUMBER:
            raise self.reader.error(
                "out-of-range",
                f"{path}.scale",
                quoted(values["scale"]),
                f"{MAX_NUMBER:,} requests per second are the most",
            )
        return [(at_s / speed, rps * scale) for at_s, rps in rows]

    def keys(
        self, written: object, path: str, example: str, needed: Sequence[str], optional: Sequence[str] = ()
    ) -> dict[str, Any]:
        values = self.reader.mapping(written, path, example)
        known: Collection[str] = (*needed, *optional)
        for key in values:
            if key not in known:
                raise self.reader.error("unknown-key", f"{path}.{key[:60]}", "unknown", suggestion(key, known))
        for key in needed:
            if values.get(key) is None:
                raise self.reader.error("missing-key", f"{path}.{key}", "missing", f"write it like `{example}`")
        return values

    def seconds(self, written: object, path: str, least: float = 0.001) -> float:
        found = self.reader.seconds(written, path)
        if found < least:
            raise self.reader.error(
                "out-of-range", path, f"{quoted(written)}, too short", "write a duration such as 5m"
            )
        return found

    def rate(self, written: object, path: str) -> float:
        """Requests per second: a number, or one with its unit, such as `500/s` or `30k/min`."""
        text = str(self.reader.resolved(written, path, "write a rate such as 500/s")).replace(" ", "")
        match = RATE.fullmatch(text) if isinstance(written, (str, int, float)) and len(text) <= 60 else None
        if match is None or isinstance(written, bool):
            raise self.reader.error(
                "not-a-rate", path, f"{quoted(written)}, not a rate", "write it like 500, 500/s or 30k/min"
            )
        rps = number(match[1].rstrip(".")) * FACTORS[match[2]] / SECONDS[match[3] or ""]
        if rps > MAX_NUMBER:
            raise self.reader.error(
                "out-of-range", path, f"{quoted(written)}, more than {MAX_NUMBER:,}/s", "write a lower rate"
            )
        return float(rps)

    def times(self, written: object, path: str) -> float:
        """A factor: `24x`, or a number."""
        text = str(self.reader.resolved(written, path, "write a factor such as 24x")).strip().removesuffix("x")
        try:
            found = float(number(text))
        except ValueError:
            found = 0.0
        if not 1e-6 <= found <= 1e6:
            raise self.reader.error(
                "not-a-factor", path, f"{quoted(written)}, not a factor", "write it like 24x or 0.5x"
            )
        return found

    def _few(self, points: float, path: str) -> None:
        if points > MAX_POINTS:
            what = f"a curve of {math.ceil(points):,} points"
            raise self.reader.error(
                "too-many-points", path, what, f"{MAX_POINTS:,} is the most: make it shorter or coarser"
            )


def _read_rates(
    written: object, path: str, columns: Mapping[str, str], reader: SuiteReader, files: Files
) -> list[tuple[float, float]]:
    """Points of a curve that holds each row's rate until the next row, and the last one as long as the one before.

    `columns` names those that are not called as usual: `time`, and `rate` or `count`.
    """
    if isinstance(written, str) and (URL.match(written) or "${" in reader.environment.resolve(written)):
        what = f"{quoted(written)}, which is not known before the run"
        raise reader.error("unset-reference", path, what, "put a file into the suite")
    name = files.find(written, path, kind="CSV file of rates")
    return _RateTable(name, path, reader).points(_text(name, path, reader, files), columns)


def _text(name: str, path: str, reader: SuiteReader, files: Files) -> str:
    file = files.folder / name
    if not file.is_file():
        raise reader.error("unreadable-file", path, f"{quoted(name)}, which is no file", "give a CSV file")
    if file.stat().st_size > MAX_BYTES:
        raise reader.error("too-large", path, f"{quoted(name)}, more than {MAX_BYTES // 2**20} MiB", "give fewer rows")
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = f"{quoted(name)}, which cannot be read as UTF-8 text"
        raise reader.error("not-utf-8", path, what, "save it as such") from error


class _RateTable:
    def __init__(self, name: str, path: str, reader: SuiteReader) -> None:
        self.name, self.path, self.reader = name, path, reader

    def wrong(self, code: str, line: int, what: str, fix: str) -> Never:
        raise self.reader.error(code, self.path, f"{quoted(self.name)}, whose line {line} {what}", fix)

    def points(self, text: str, columns: Mapping[str, str]) -> list[tuple[float, float]]:
        first = text.partition("\n")[0]
        delimiter = max((",", ";", "\t"), key=first.count)
        table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows: list[tuple[float, float, int]] = []
        try:
            header = [cell.strip() for cell in next(table, [])]
            time, value, counted = self._columns(header, columns)
            for row in table:
                if any(cell.strip() for cell in row):
                    self._add(rows, row, table.line_num, (time, value))
        except csv.Error as error:
            self.wrong("not-csv", max(1, table.line_num), f"is no CSV ({error})", "correct it there")
        if len(rows) < 2:
            self.wrong(
                "too-few-rows",
                max(1, table.line_num),
                "is its last, with fewer than two rows above",
                "give two rows or more",
            )
        return self._held(rows, counted=counted)

    def _held(self, rows: Sequence[tuple[float, float, int]], *, counted: bool) -> list[tuple[float, float]]:
        begin_s, last_s = rows[0][0], rows[-1][0] - rows[-2][0]
        times = [at_s - begin_s for at_s, _, _ in rows]
        times.append(times[-1] + last_s)
        rates = []
        for (_, value, line), from_s, to_s in zip(rows, times, times[1:], strict=False):
            rps = value / (to_s - from_s) if counted else value
            if rps > MAX_NUMBER:
                self.wrong("out-of-range", line, f"asks for more than {MAX_NUMBER:,} requests per second", "correct it")
            rates.append(rps)
        return [*shapes.held(zip(times, rates, strict=False)), (times[-1], rates[-1])]

    def _columns(self, header: Sequence[str], named: Mapping[str, str]) -> tuple[int, int, bool]:
        """Where the time is, where the value is, and whether that is a count."""
        if len(set(header)) < len(header):
            self.wrong("repeated-column", 1, "has a column twice", "name each column once")
        if "rate" in named and "count" in named:
            raise self.reader.error(
                "conflicting-keys", self.path, "given a column of rates and one of counts", "name one of them"
            )
        time = self._column(header, named.get("time"), TIME_COLUMNS, "time")
        if "count" in named:
            return time, self._column(header, named["count"], COUNT_COLUMNS, "count"), True
        if "rate" in named or any(_plain(cell) in RATE_COLUMNS for cell in header):
            return time, self._column(header, named.get("rate"), RATE_COLUMNS, "rate"), False
        return (
            time,
            self._column(header, None, COUNT_COLUMNS, "rate or count", (*RATE_COLUMNS[:2], *COUNT_COLUMNS[:2])),
            True,
        )

    def _column(
        self, header: Sequence[str], named: str | None, usual: Sequence[str], what: str, shown: Sequence[str] = ()
    ) -> int:
        if named is not None:
            if named not in header:
                fix = suggestion(named, [cell for cell in header if cell] or ["a header"])
                self.wrong("unknown-column", 1, f"has no column {quoted(named)}", fix)
            return header.index(named)
        found = [index for index, cell in enumerate(header) if _plain(cell) in usual]
        if not found:
            first = ", ".join(f"`{name}`" for name in shown or usual[:3])
            self.wrong(
                "missing-column",
                1,
                f"has no column for the {what} ({quoted(', '.join(header))})",
                f"call it one of {first}",
            )
        if len(found) > 1:
            columns = f"{quoted(header[found[0]])} and {quoted(header[found[1]])}"
            fix = f"say which: `csv: {{file: …, {what.split()[-1]}: {header[found[0]][:30]}}}`"
            self.wrong("ambiguous-columns", 1, f"has two columns for the {what}, {columns}", fix)
        return found[0]

    def _add(
        self, rows: list[tuple[float, float, int]], row: Sequence[str], line: int, columns: tuple[int, int]
    ) -> None:
        if len(rows) >= MAX_ROWS:
            self.wrong("too-many-rows", line, f"is beyond {MAX_ROWS:,} rows", "give fewer, of longer intervals")
        if len(row) <= max(columns):
            self.wrong("too-few-columns", line, f"has {len(row)} columns only", "correct it")
        time, value = (row[column].strip() for column in columns)
        at_s = self._time(time, line)
        try:
            amount = float(number(value))
        except ValueError:
            self.wrong(
                "not-a-number", line, f"has {quoted(value)} for a rate or count", "write a number that is not negative"
            )
        if rows and at_s <= rows[-1][0]:
            self.wrong(
                "unsorted-times", line, f"({quoted(time)}) is not later than the row above it", "sort the rows by time"
            )
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
                self.wrong("not-a-time", line, f"has {quoted(text)} for a time", fix)
        if not math.isfinite(seconds):
            self.wrong("not-a-time", line, f"has {quoted(text)} for a time", "write one that is finite")
        return seconds / 1000 if seconds > MILLISECONDS else seconds


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")
