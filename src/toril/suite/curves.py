"""Load curves as a suite writes them: shapes, each a mapping with one of `SHAPES`, one after another.

The rates of a CSV file are one shape: each row says when, and how many requests per second or in the interval.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated, Any, Never

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from toril.criteria import duration_s, number
from toril.load import shapes
from toril.load.curve import Curve
from toril.suite.engines import check_curve
from toril.suite.files import URL, Files
from toril.suite.reader import MAX_DURATION_S, MAX_NUMBER, SuiteReader, quoted
from toril.suite.sections import Duration, Rate, Section, misfit
from toril.text import suggestion

SHAPES = ("constant", "ramp", "steps", "spikes", "sine", "points", "csv")
TIMELESS = ("constant", "ramp", "spikes", "sine")  # `for` beside them says how long they last
MAX_SHAPES = 1000
MAX_POINTS = 50_000  # of a whole curve; it is part of the plan, which every worker reads

TIME_COLUMNS = ("time", "timestamp", "at", "date", "datetime", "second", "seconds", "_time", "minute", "hour")
RATE_COLUMNS = ("rps", "rate", "requests_per_second", "requests/s", "req/s", "tps", "qps", "throughput")
COUNT_COLUMNS = ("count", "requests", "hits", "samples", "total", "value")
MAX_ROWS = 20_000  # a fortnight by the minute
MAX_BYTES = 10 * 2**20
ABSENT: Any = None  # what a key is that is not written; a written null is refused
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
            raise reader.error("conflicting-keys", where, f"set beside {ours}; keep one of the two")
    elif name not in curves:
        return None
    elif written:
        raise reader.error("conflicting-keys", where, f"set beside {ours}, which says the rate; leave it out")
    else:
        written, where = curves[name], ours
    check_curve(executor, where, reader)
    for key in ("ramp-up", "steps", "iterations"):
        if item.get(key):
            what = "set beside a load curve, which is the whole course of the load"
            fix = "leave it out, or write it as a part of the curve"
            raise reader.error("conflicting-keys", f"{path}.{key}", f"{what}; {fix}")
    hold_for_s = reader.seconds(item.get("hold-for"), f"{path}.hold-for")
    return _read(written, where, hold_for_s, reader, files)


def _read(written: object, path: str, hold_for_s: float, reader: SuiteReader, files: Files) -> PlannedCurve:
    """The curve that is written at `path`; `hold_for_s` of its execution says how long it lasts if it does not."""
    items = written if isinstance(written, list) else [written]
    if not items or len(items) > MAX_SHAPES:
        raise reader.error("out-of-range", path, f"a list of {len(items):,} shapes; write 1 to {MAX_SHAPES:,}")
    shapes_of = _ShapeReader(reader, files)
    found: list[shapes.Points] = []
    for index, item in enumerate(items):
        where = f"{path}[{index}]" if isinstance(written, list) else path
        found.append(shapes_of.points(item, where, hold_for_s if len(items) == 1 else 0.0))
    lasts_s = sum(points[-1][0] for points in found)
    shapes_of.check_count(sum(map(len, found)), path)
    if lasts_s > MAX_DURATION_S:
        raise reader.error("out-of-range", path, "a curve that is longer than a year; make it shorter")
    curve = shapes.joined(found)
    if not curve.total:
        raise reader.error("empty-curve", path, "a curve that asks for no request at all; write a rate above 0")
    if hold_for_s and not math.isclose(hold_for_s, lasts_s, abs_tol=0.001):
        what = f"a curve that lasts {lasts_s:g} s by itself, beside a hold-for of {hold_for_s:g} s"
        raise reader.error("conflicting-keys", path, f"{what}; leave hold-for out")
    leads = len(items) > 1 and isinstance(items[0], dict) and "ramp" in items[0]
    return PlannedCurve(curve, found[0][-1][0] if leads else 0.0)


def _factor(value: object) -> float:
    """`24x`, or a number."""
    try:
        found = float(number(str(value).strip().removesuffix("x")))
    except ValueError:
        found = 0.0
    if not 1e-6 <= found <= 1e6:
        raise misfit("not-a-factor", "not a factor; write it like 24x or 0.5x")
    return found


Factor = Annotated[float, BeforeValidator(_factor)]
Moment = Annotated[Duration, BeforeValidator(lambda value: value or 0.0), Field(le=MAX_DURATION_S)]
Length = Annotated[Moment, Field(ge=0.001)]
ColumnName = Annotated[str, Field(min_length=1)]


class _Part(Section):
    @model_validator(mode="before")
    @classmethod
    def _without_missing(cls, written: Any) -> Any:
        """A required key without a value is a missing key."""
        if not isinstance(written, dict):
            return written
        required = {field.alias for field in cls.model_fields.values() if field.is_required()}
        return {key: value for key, value in written.items() if value is not None or key not in required}


class Ramp(_Part):
    from_: Rate = 0.0
    to: Rate


class Steps(_Part):
    from_: Rate
    to: Rate
    steps: int = Field(ge=2, le=MAX_SHAPES)
    every_s: Length


class Spikes(_Part):
    base: Rate
    peak: Rate
    every_s: Length
    lasts_s: Length

    @field_validator("lasts_s")
    @classmethod
    def _shorter(cls, lasts_s: float, info: ValidationInfo) -> float:
        if lasts_s >= info.data.get("every_s", math.inf):
            raise misfit("out-of-range", "no shorter than `every`; make spikes shorter, or rarer")
        return lasts_s


class Sine(_Part):
    to: Rate
    from_: Rate
    period_s: Length
    low_at_s: Moment = 0.0

    @field_validator("from_")
    @classmethod
    def _lower(cls, low: float, info: ValidationInfo) -> float:
        if low > info.data.get("to", math.inf):
            raise misfit("out-of-range", "more than `to`; write the lower rate there: `low-at` says when it is reached")
        return low


class Point(_Part):
    at_s: Moment
    rps: Rate


class Replay(_Part):
    """The rates of a CSV file; `time`, and `rate` or `count`, name columns that are not called as usual."""

    file: Any
    scale: Factor = 1.0
    speed: Factor = 1.0
    time: ColumnName = ""
    rate: ColumnName = ""
    count: ColumnName = ""


def _replay(written: object) -> object:
    return {"file": written} if isinstance(written, str) else written


class Shape(_Part):
    """One of these keys, and `for` where it does not say itself how long it lasts."""

    constant: Rate = ABSENT
    ramp: Ramp = ABSENT
    steps: Steps = ABSENT
    spikes: Spikes = ABSENT
    sine: Sine = ABSENT
    points: list[Point] = ABSENT
    csv: Annotated[Replay, BeforeValidator(_replay)] = ABSENT
    for_: Length = ABSENT


class _ShapeReader:
    def __init__(self, reader: SuiteReader, files: Files) -> None:
        self.reader, self.files = reader, files

    def points(self, item: object, path: str, hold_for_s: float) -> shapes.Points:
        """The points of the shape at `path`, which lasts as long as the hold if it does not say how long."""
        shape = Shape.read(self.reader.resolved_all(item, path), path, self.reader.error)
        kinds = [key for key in SHAPES if key in shape.model_fields_set]
        if not kinds:
            what = f"{quoted(item)}, not a shape of load"
            raise self.reader.error("unknown-shape", path, f"{what}; write one of {', '.join(SHAPES)}")
        if len(kinds) > 1:
            what = f"both `{kinds[0]}` and `{kinds[1]}`"
            raise self.reader.error("conflicting-keys", path, f"{what}; write a list of shapes, one after another")
        kind = kinds[0]
        if kind not in TIMELESS and shape.for_:
            text = f"set beside `{kind}`, which lasts as long as it says itself; leave it out"
            raise self.reader.error("conflicting-keys", f"{path}.for", text)
        lasts_s = shape.for_ or hold_for_s
        if kind in TIMELESS and not lasts_s:
            text = f"missing, and nothing else says how long the {kind} lasts; add `for: 10m`"
            raise self.reader.error("missing-key", f"{path}.for", text)
        path = f"{path}.{kind}"
        match kind:
            case "constant":
                return shapes.line(shape.constant, shape.constant, lasts_s)
            case "ramp":
                return shapes.line(shape.ramp.from_, shape.ramp.to, lasts_s)
            case "steps":
                return shapes.stairs(shape.steps.from_, shape.steps.to, shape.steps.steps, shape.steps.every_s)
            case "spikes":
                spikes = shape.spikes
                self.check_count(lasts_s / spikes.every_s * 4, path)
                return shapes.spikes(spikes.base, spikes.peak, spikes.every_s, spikes.lasts_s, lasts_s)
            case "sine":
                sine = shape.sine
                self.check_count(lasts_s / sine.period_s * shapes.PIECES, path)
                return shapes.sine(sine.from_, sine.to, sine.period_s, sine.low_at_s, lasts_s)
            case "points":
                return self._checked(shape.points, path)
        return self._replayed(shape.csv, path)

    def _checked(self, points: Sequence[Point], path: str) -> shapes.Points:
        if len(points) < 2:
            raise self.reader.error("out-of-range", path, f"a list of {len(points)}; write two points or more")
        if points[0].at_s:
            raise self.reader.error("out-of-range", f"{path}[0].at", f"{points[0].at_s:g} s; the first point is at 0s")
        for index, (point, following) in enumerate(pairwise(points), 1):
            if following.at_s < point.at_s:
                text = f"{following.at_s:g} s, before the point above it; sort the points by time"
                raise self.reader.error("unsorted-times", f"{path}[{index}].at", text)
        if not points[-1].at_s:
            text = "a list of points at 0s; the last one is where the curve ends"
            raise self.reader.error("out-of-range", path, text)
        return [(point.at_s, point.rps) for point in points]

    def _replayed(self, replay: Replay, path: str) -> shapes.Points:
        """Each row's rate until the next row, and the last one as long as the one before."""
        if isinstance(replay.file, str) and URL.match(replay.file):
            text = f"{quoted(replay.file)}, which is not known before the run; put a file into the suite"
            raise self.reader.error("unset-reference", f"{path}.file", text)
        name = self.files.find(replay.file, f"{path}.file", kind="CSV file of rates")
        rows = _RateTable(name, f"{path}.file", replay, self.reader).points(self._text(name, f"{path}.file"))
        if max(rps for _, rps in rows) * replay.scale > MAX_NUMBER:
            text = f"`{replay.scale:g}`; {MAX_NUMBER:,} requests per second are the most"
            raise self.reader.error("out-of-range", f"{path}.scale", text)
        return [(at_s / replay.speed, rps * replay.scale) for at_s, rps in rows]

    def _text(self, name: str, path: str) -> str:
        file = self.files.folder / name
        if not file.is_file():
            raise self.reader.error("unreadable-file", path, f"{quoted(name)}, which is no file; give a CSV file")
        if file.stat().st_size > MAX_BYTES:
            text = f"{quoted(name)}, over {MAX_BYTES // 2**20} MiB; give fewer rows"
            raise self.reader.error("too-large", path, text)
        try:
            return file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            text = f"{quoted(name)}, which is not UTF-8 text; save it as such"
            raise self.reader.error("not-utf-8", path, text) from error

    def check_count(self, points: float, path: str) -> None:
        if points > MAX_POINTS:
            what = f"a curve of {math.ceil(points):,} points"
            raise self.reader.error("too-many-points", path, f"{what}, over {MAX_POINTS:,}; make it shorter or coarser")


class _RateTable:
    """A CSV file of rates, or of counts by interval."""

    def __init__(self, name: str, path: str, named: Replay, reader: SuiteReader) -> None:
        self.name, self.path, self.named, self.reader = name, path, named, reader
        self.line = 1

    def wrong(self, code: str, text: str) -> Never:
        raise self.reader.error(code, self.path, f"{quoted(self.name)}, whose line {self.line} {text}")

    def points(self, text: str) -> list[tuple[float, float]]:
        """Points of a curve that holds each row's rate until the next row."""
        delimiter = max((",", ";", "\t"), key=text.partition("\n")[0].count)
        table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows: list[tuple[float, float, int]] = []  # time, value, line
        try:
            time, value, counted = self._columns([cell.strip() for cell in next(table, [])])
            for row in table:
                self.line = table.line_num
                if any(cell.strip() for cell in row):
                    rows.append((*self._row(row, time, value, rows), self.line))
        except csv.Error as error:
            self.line = max(1, table.line_num)
            self.wrong("not-csv", f"is no CSV ({error}); correct it there")
        if len(rows) < 2:
            self.wrong("too-few-rows", "is its last, with fewer than two rows above; give two rows or more")
        times = [at_s - rows[0][0] for at_s, _, _ in rows]
        times.append(times[-1] + (rows[-1][0] - rows[-2][0]))
        rates = []
        for (_, amount, self.line), (from_s, to_s) in zip(rows, pairwise(times), strict=True):
            rates.append(amount / (to_s - from_s) if counted else amount)
            if rates[-1] > MAX_NUMBER:
                self.wrong("out-of-range", f"asks for more than {MAX_NUMBER:,} requests per second; correct it")
        return [*shapes.held(zip(times, rates, strict=False)), (times[-1], rates[-1])]

    def _columns(self, header: Sequence[str]) -> tuple[int, int, bool]:
        """Where the time is, where the value is, and whether that is a count."""
        if len(set(header)) < len(header):
            self.wrong("repeated-column", "has a column twice; name each column once")
        if self.named.rate and self.named.count:
            raise self.reader.error("conflicting-keys", self.path, "given columns of rates and of counts; name one")
        time = self._column(header, self.named.time, TIME_COLUMNS, "time")
        if self.named.rate or (not self.named.count and any(_plain(cell) in RATE_COLUMNS for cell in header)):
            return time, self._column(header, self.named.rate, RATE_COLUMNS, "rate"), False
        return time, self._column(header, self.named.count, (*RATE_COLUMNS[:2], *COUNT_COLUMNS), "rate or count"), True

    def _column(self, header: Sequence[str], named: str, usual: Sequence[str], what: str) -> int:
        if named and named not in header:
            fix = suggestion(named, [cell for cell in header if cell] or ["a header"])
            self.wrong("unknown-column", f"has no column {quoted(named)}; {fix}")
        found = [index for index, cell in enumerate(header) if (cell == named if named else _plain(cell) in usual)]
        if not found:
            names = ", ".join(f"`{name}`" for name in usual[:3])
            text = f"has no column for the {what} ({quoted(', '.join(header))}); call it one of {names}"
            self.wrong("missing-column", text)
        if len(found) > 1:
            columns = f"{quoted(header[found[0]])} and {quoted(header[found[1]])}"
            fix = f"say which: `csv: {{file: …, {what.split()[-1]}: {header[found[0]][:30]}}}`"
            self.wrong("ambiguous-columns", f"has two columns for the {what}, {columns}; {fix}")
        return found[0]

    def _row(
        self, row: Sequence[str], time: int, value: int, above: Sequence[tuple[float, float, int]]
    ) -> tuple[float, float]:
        if len(above) >= MAX_ROWS:
            self.wrong("too-many-rows", f"is beyond {MAX_ROWS:,} rows; give fewer, of longer intervals")
        if len(row) <= max(time, value):
            self.wrong("too-few-columns", f"has {len(row)} columns only; correct it")
        at_s = self._time(row[time].strip())
        try:
            amount = float(number(row[value].strip()))
        except ValueError:
            text = f"has {quoted(row[value])} for a rate or count; write a number that is not negative"
            self.wrong("not-a-number", text)
        if above and at_s <= above[-1][0]:
            text = f"({quoted(row[time])}) is not later than the row above it; sort the rows by time"
            self.wrong("unsorted-times", text)
        return at_s, amount

    def _time(self, text: str) -> float:
        """Seconds since anything: an offset, or seconds or milliseconds since 1970, or a date with a time of day."""
        try:
            seconds = float(duration_s(text))
        except ValueError:
            try:
                moment = datetime.fromisoformat(text)
                seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            except (ValueError, OverflowError):
                fix = "write 2026-11-24T15:00:00Z, seconds since 1970, or an offset such as 90 or 5m"
                self.wrong("not-a-time", f"has {quoted(text)} for a time; {fix}")
        return seconds / 1000 if seconds > MILLISECONDS else seconds


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")
