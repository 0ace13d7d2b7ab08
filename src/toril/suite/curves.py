"""Reads a suite's load curves: lists of consecutive shapes, each a mapping with one of `SHAPES`.

A CSV file is one shape. Each row has a time, and the requests per second or the number of requests in the interval.
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
from toril.suite.files import URL, SuiteFiles
from toril.suite.reader import MAX_DURATION_S, MAX_NUMBER, SuiteReader, quoted
from toril.suite.sections import Duration, Rate, Section, Whole, misfit
from toril.suite.values import FACTOR, LENGTH, MOMENT

SHAPES = ("constant", "ramp", "steps", "spikes", "sine", "points", "csv")
TIMELESS = ("constant", "ramp", "spikes", "sine")  # `for` beside them sets their length
MAX_POINTS = 50_000  # of a curve, since every worker reads it in the plan

TIME_COLUMNS = ("time", "timestamp", "at", "date", "datetime", "second", "seconds", "_time", "minute", "hour")
RATE_COLUMNS = ("rps", "rate", "requests_per_second", "requests/s", "req/s", "tps", "qps", "throughput")
COUNT_COLUMNS = ("count", "requests", "hits", "samples", "total", "value")
MAX_BYTES = 10 * 2**20
ABSENT: Any = None  # the value of a missing key; a null in the suite is an error
MILLISECONDS = 1e11  # larger times since 1970 are in milliseconds; in seconds, this is the year 5138


@dataclass(frozen=True, slots=True)
class PlannedCurve:
    """A curve and its ramp-up: the first shape if it is a `ramp` and others follow; else 0."""

    curve: Curve
    ramp_up_s: float


def is_curve(written: object) -> bool:
    """Returns whether a `throughput` is a curve, and not a number or `{local: …, cloud: …}`."""
    return isinstance(written, list) or (isinstance(written, dict) and not {"local", "cloud"} & set(written))


def is_shape(written: Mapping[Any, Any]) -> bool:
    """Returns whether a mapping is one shape of a curve, and not one value for each execution."""
    return bool(written.keys() & set(SHAPES))


def read_curve(
    item: Mapping[str, Any],
    written: object,
    name: str,
    path: str,
    curves: Mapping[str, Any],
    executor: str,
    reader: SuiteReader,
    files: SuiteFiles,
) -> PlannedCurve | None:
    """Returns the curve of the execution `name` at `path`, from its throughput (`written`) or from `curves`."""
    where, ours = f"{path}.throughput", f"toril.curves.{name[:60]}"
    if isinstance(written, (list, dict)):
        if name in curves:
            raise reader.error("conflicting-keys", where, f"{ours} also sets the rate. Remove one of them.")
    elif name not in curves:
        return None
    elif written:
        raise reader.error("conflicting-keys", where, f"{ours} sets the rate. Remove `throughput`.")
    else:
        written, where = curves[name], ours
    check_curve(executor, where, reader)
    return curve_at(where, written, item, path, reader, files)


def curve_at(
    path: str, written: object, item: Mapping[str, Any], execution: str, reader: SuiteReader, files: SuiteFiles
) -> PlannedCurve:
    """Returns the curve `written` at `path`. The hold of its execution sets the length of a single shape without one.

    `item` is the execution, and `execution` its path.
    """
    for key in ("ramp-up", "steps", "iterations"):
        if item.get(key):
            text = "The load curve describes the whole load. Remove this key, or make it a shape of the curve."
            raise reader.error("conflicting-keys", f"{execution}.{key}", text)
    hold_for_s = reader.seconds(item.get("hold-for"), f"{execution}.hold-for")
    items = written if isinstance(written, list) else [written]
    if not items:
        raise reader.error("out-of-range", path, "The curve has no shapes. Write at least one.")
    shapes_of = _ShapeReader(reader, files)
    parts: list[shapes.Points] = []
    for index, item in enumerate(items):
        where = f"{path}[{index}]" if isinstance(written, list) else path
        parts.append(shapes_of.points(item, where, hold_for_s if len(items) == 1 else 0.0))
    lasts_s = sum(points[-1][0] for points in parts)
    shapes_of.check_count(sum(map(len, parts)), path)
    if lasts_s > MAX_DURATION_S:
        raise reader.error("out-of-range", path, "The curve is longer than a year. Make it shorter.")
    curve = shapes.joined(parts)
    if not curve.total:
        raise reader.error("empty-curve", path, "The curve sends no requests. Write a rate above 0.")
    if hold_for_s and not math.isclose(hold_for_s, lasts_s, abs_tol=0.001):
        what = f"The curve lasts {lasts_s:g} s, but hold-for is {hold_for_s:g} s"
        raise reader.error("conflicting-keys", path, f"{what}. Remove hold-for.")
    leads = len(items) > 1 and isinstance(items[0], dict) and "ramp" in items[0]
    return PlannedCurve(curve, parts[0][-1][0] if leads else 0.0)


def _factor(value: object) -> float:
    """Reads `24x`, or a number."""
    try:
        factor = float(number(str(value).strip().removesuffix("x")))
    except ValueError:
        factor = 0.0
    if not 1e-6 <= factor <= 1e6:
        raise misfit("not-a-factor", "is not a factor. Write it like 24x or 0.5x.")
    return factor


Factor = Annotated[float, BeforeValidator(_factor), FACTOR]
Moment = Annotated[
    Duration, BeforeValidator(lambda value: 0.0 if value in (None, "") else value), Field(le=MAX_DURATION_S), MOMENT
]
Length = Annotated[Moment, Field(ge=0.001), LENGTH]
ColumnName = Annotated[str, Field(min_length=1)]


class _Part(Section):
    @model_validator(mode="before")
    @classmethod
    def _without_missing(cls, written: Any) -> Any:
        """Treats a required key without a value as a missing key."""
        if not isinstance(written, dict):
            return written
        required = {field.alias for field in cls.model_fields.values() if field.is_required()}
        return {key: value for key, value in written.items() if value is not None or key not in required}


class Ramp(_Part):
    from_: Rate = 0.0
    to: Rate


class CurveSteps(_Part):
    from_: Rate
    to: Rate
    steps: Whole = Field(ge=2, le=MAX_POINTS)
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
            raise misfit("out-of-range", "is not shorter than `every`. Make spikes shorter, or `every` longer.")
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
            text = "is above `to`. Write the lower rate as `from`: `low-at` sets its time."
            raise misfit("out-of-range", text)
        return low


class Point(_Part):
    at_s: Moment
    rps: Rate


class Replay(_Part):
    """The rates of a CSV file; `time`, `rate` and `count` name its columns if their names are unusual."""

    file: Any
    scale: Factor = 1.0
    speed: Factor = 1.0
    time: ColumnName = ""
    rate: ColumnName = ""
    count: ColumnName = ""


class Shape(_Part):
    """One of these keys, and `for` if the shape has no length of its own."""

    constant: Rate = ABSENT
    ramp: Ramp = ABSENT
    steps: CurveSteps = ABSENT
    spikes: Spikes = ABSENT
    sine: Sine = ABSENT
    points: list[Point] = ABSENT
    csv: Annotated[Replay, BeforeValidator(lambda file: {"file": file} if isinstance(file, str) else file)] = ABSENT
    for_: Length = ABSENT


class _ShapeReader:
    def __init__(self, reader: SuiteReader, files: SuiteFiles) -> None:
        self.reader, self.files = reader, files

    def points(self, item: object, path: str, hold_for_s: float) -> shapes.Points:
        """Returns the points of the shape at `path`; `hold_for_s` is the default of `for`."""
        shape = Shape.read(self.reader.resolved_all(item, path), path, self.reader.error)
        kinds = [key for key in SHAPES if key in shape.model_fields_set]
        if not kinds:
            what = f"{quoted(item)} is not a shape"
            raise self.reader.error("unknown-shape", path, f"{what}. Write one of {', '.join(SHAPES)}.")
        if len(kinds) > 1:
            what = f"The shape has both `{kinds[0]}` and `{kinds[1]}`"
            raise self.reader.error("conflicting-keys", path, f"{what}. Write a list of two shapes.")
        kind = kinds[0]
        if kind not in TIMELESS and shape.for_:
            text = f"`{kind}` has a length of its own. Remove `for`."
            raise self.reader.error("conflicting-keys", f"{path}.for", text)
        lasts_s = shape.for_ or hold_for_s
        if kind in TIMELESS and not lasts_s:
            text = f"The {kind} has no length. Add `for: 10m`."
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
            text = f"The curve needs at least two points, but it has {len(points)}. Add points."
            raise self.reader.error("out-of-range", path, text)
        if points[0].at_s:
            text = f"The first point is at {points[0].at_s:g} s. Write `at: 0s`."
            raise self.reader.error("out-of-range", f"{path}[0].at", text)
        for index, (point, following) in enumerate(pairwise(points), 1):
            if following.at_s < point.at_s:
                text = f"{following.at_s:g} s is before the time of the point above. Sort the points by time."
                raise self.reader.error("unsorted-times", f"{path}[{index}].at", text)
        if not points[-1].at_s:
            text = "All points are at 0s. Add a point at the end of the curve."
            raise self.reader.error("out-of-range", path, text)
        return [(point.at_s, point.rps) for point in points]

    def _replayed(self, replay: Replay, path: str) -> shapes.Points:
        """Holds each row's rate until the next row; the last row lasts as long as the one before."""
        if isinstance(replay.file, str) and URL.match(replay.file):
            text = f"{quoted(replay.file)} is an address, but toril needs the rates before the run. Use a local file."
            raise self.reader.error("unset-reference", f"{path}.file", text)
        name = self.files.find(replay.file, f"{path}.file", kind="CSV file of rates")
        rows = _RateTable(name, f"{path}.file", replay, self.reader).points(self._text(name, f"{path}.file"))
        if max(rps for _, rps in rows) * replay.scale > MAX_NUMBER:
            text = f"`{replay.scale:g}` makes rates above {MAX_NUMBER:,} requests per second. Write a smaller factor."
            raise self.reader.error("out-of-range", f"{path}.scale", text)
        return [(at_s / replay.speed, rps * replay.scale) for at_s, rps in rows]

    def _text(self, name: str, path: str) -> str:
        file = self.files.folder / name
        if not file.is_file():
            raise self.reader.error("unreadable-file", path, f"{quoted(name)} is not a file. Name a CSV file.")
        if file.stat().st_size > MAX_BYTES:
            text = f"{quoted(name)} is larger than {MAX_BYTES // 2**20} MiB. Use fewer rows."
            raise self.reader.error("too-large", path, text)
        try:
            return file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            text = f"{quoted(name)} is not UTF-8 text. Save it as UTF-8."
            raise self.reader.error("not-utf-8", path, text) from error

    def check_count(self, points: float, path: str) -> None:
        if points > MAX_POINTS:
            what = f"The curve has {math.ceil(points):,} points, more than {MAX_POINTS:,}"
            raise self.reader.error("too-many-points", path, f"{what}. Make it shorter or coarser.")


class _RateTable:
    """A CSV file of rates, or of counts by interval."""

    def __init__(self, name: str, path: str, named: Replay, reader: SuiteReader) -> None:
        self.name, self.path, self.named, self.reader = name, path, named, reader
        self.line = 1

    def wrong(self, code: str, text: str) -> Never:
        raise self.reader.error(code, self.path, f"{quoted(self.name)}: line {self.line} {text}")

    def points(self, text: str) -> list[tuple[float, float]]:
        """Returns the points of a curve that holds each row's rate until the next row."""
        delimiter = max((",", ";", "\t"), key=text.partition("\n")[0].count)
        table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows: list[tuple[float, float, int]] = []  # time, value, line
        try:
            time, value, counted = self._columns([cell.strip() for cell in next(table, [])])
            for row in table:
                self.line = table.line_num
                if any(cell.strip() for cell in row):
                    rows.append((self._time(row[time].strip()), float(number(row[value].strip())), self.line))
                if len(rows) > 1 and rows[-1][0] <= rows[-2][0]:
                    self.wrong("unsorted-times", "is not later than the row above. Sort the rows by time.")
        except (csv.Error, ValueError, IndexError, OverflowError) as error:
            self.line = max(1, table.line_num)
            fix = "Write a time such as 2026-11-24T15:00:00Z, 90 or 5m, and a rate or count of at least 0."
            self.wrong("bad-row", f"cannot be read ({str(error)[:100]}). {fix}")
        if len(rows) < 2:
            self.wrong("too-few-rows", "is the end of the file. Add rows: a curve needs at least two.")
        times = [at_s - rows[0][0] for at_s, _, _ in rows]
        times.append(times[-1] + (rows[-1][0] - rows[-2][0]))
        rates = []
        for (_, amount, self.line), (from_s, to_s) in zip(rows, pairwise(times), strict=True):
            rates.append(amount / (to_s - from_s) if counted else amount)
            if rates[-1] > MAX_NUMBER:
                self.wrong("out-of-range", f"makes a rate above {MAX_NUMBER:,} requests per second. Correct it.")
        return [*shapes.held(zip(times, rates, strict=False)), (times[-1], rates[-1])]

    def _columns(self, header: Sequence[str]) -> tuple[int, int, bool]:
        """Returns the positions of the time and of the value, and whether the value is a count."""
        time = self._column(header, self.named.time, TIME_COLUMNS, "time")
        if self.named.rate or (not self.named.count and any(_plain(cell) in RATE_COLUMNS for cell in header)):
            return time, self._column(header, self.named.rate, RATE_COLUMNS, "rate"), False
        return time, self._column(header, self.named.count, (*RATE_COLUMNS[:2], *COUNT_COLUMNS), "count"), True

    def _column(self, header: Sequence[str], named: str, usual: Sequence[str], what: str) -> int:
        positions = [index for index, cell in enumerate(header) if (cell == named if named else _plain(cell) in usual)]
        if len(positions) != 1:
            names = f"`{named}`" if named else ", ".join(f"`{name}`" for name in usual[:3])
            columns = f"has {len(positions)} columns for the {what} ({names}) in {quoted(', '.join(header))}"
            self.wrong("missing-column", f"{columns}. Name one of them: `csv: {{file: …, {what}: …}}`.")
        return positions[0]

    def _time(self, text: str) -> float:
        """Returns seconds; reads an offset, seconds or milliseconds since 1970, or a date with a time of day."""
        try:
            seconds = float(duration_s(text))
        except ValueError:
            moment = datetime.fromisoformat(text)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        return seconds / 1000 if seconds > MILLISECONDS else seconds


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")
