"""Load curves as a suite writes them: shapes, each a mapping with one of `SHAPES`, one after another."""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toril.criteria import number
from toril.load import shapes
from toril.load.curve import Curve
from toril.suite.door import LONGEST_DURATION_S, MOST, Door, nearest, shown
from toril.suite.files import Files
from toril.suite.rates_csv import read_rates

SHAPES = ("constant", "ramp", "steps", "spikes", "sine", "points", "csv")
TIMELESS = ("constant", "ramp", "spikes", "sine")  # how long they last is said beside them, with `for`
TAKEN_BY = ("vegeta", "jmeter")  # executors that can keep to a curve
MOST_SHAPES = 1000
MOST_POINTS = 50_000  # of a whole curve; it is part of the plan, which every worker reads
RATE = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([kM]?)(?:/(s|sec|m|min|h))?")
FACTORS = {"": 1, "k": 1000, "M": 1_000_000}
SECONDS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}
WHY_NOT = {
    "locust": "paces its users by `wait_time` in the script; use executor: jmeter or vegeta, or a `LoadTestShape`",
    "apiritif": "has no pace of its own; use executor: jmeter or vegeta",
    "k6": "sends what its script says; write the rates there, as stages of a `ramping-arrival-rate`",
    "gatling": "sends what its simulation says; write the rates there, as `rampUsersPerSec`",
    "external-results-loader": "reads what others have sent; leave the curve out",
    "selenium": "drives browsers, which take as long as they take; use `concurrency`",
    "playwright": "drives browsers, which take as long as they take; use `concurrency`",
}

Shape = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Course:
    """A curve, and how much of its beginning is a ramp-up: a `ramp` that something follows; else all is steady."""

    curve: Curve
    ramp_up_s: float


def is_shape(written: object) -> bool:
    """Whether a `throughput` is meant as a shape, and not as a number or as one for each place."""
    return isinstance(written, list) or (isinstance(written, dict) and not {"local", "cloud"} & set(written))


def course_of(
    item: Mapping[str, Any],
    written: object,
    name: str,
    path: str,
    curves: Mapping[str, Any],
    executor: str,
    door: Door,
    files: Files,
) -> Course | None:
    """The course of the execution `name` at `path`: as its throughput is `written`, or in `curves`; None: no curve."""
    where, ours = f"{path}.throughput", f"toril.curves.{name[:60]}"
    if isinstance(written, (list, dict)):
        if name in curves:
            raise door.error(where, f"set beside {ours}", "keep one of the two")
    elif name not in curves:
        return None
    elif written:
        raise door.error(where, f"set beside {ours}, which says the rate", "leave it out")
    else:
        written, where = curves[name], ours
    _refuse_executor(executor, where, door)
    for key in ("ramp-up", "steps", "iterations"):
        if item.get(key):
            what = "set beside a load curve, which is the whole course of the load"
            raise door.error(f"{path}.{key}", what, "leave it out, or write it as a part of the curve")
    hold_for_s = door.seconds(item.get("hold-for"), f"{path}.hold-for")
    return _read(door.environment.resolve_all(written), where, hold_for_s, door, files)


def _refuse_executor(executor: str, path: str, door: Door) -> None:
    """Refuse a curve for an executor that cannot keep to one."""
    if executor not in TAKEN_BY:
        name = executor if executor in ("k6", "external-results-loader") else executor.capitalize()
        why = WHY_NOT.get(executor, "keeps to no rate that changes; use executor: jmeter or vegeta")
        what, _, fix = why.partition("; ")
        raise door.error(path, f"a load curve, and {name} {what}", fix)


def _read(written: object, path: str, hold_for_s: float, door: Door, files: Files) -> Course:
    """The curve that is written at `path`; `hold_for_s` of its execution says how long it lasts if it does not."""
    items = written if isinstance(written, list) else [written]
    if not items or len(items) > MOST_SHAPES:
        raise door.error(path, f"a list of {len(items):,} shapes", f"write 1 to {MOST_SHAPES:,}")
    reader = _Reader(door, files)
    found: list[shapes.Points] = []
    for index, item in enumerate(items):
        where = f"{path}[{index}]" if isinstance(written, list) else path
        found.append(reader.points(item, where, hold_for_s if len(items) == 1 else 0.0))
    lasts_s = sum(points[-1][0] for points in found)
    if sum(map(len, found)) > MOST_POINTS:
        what = f"a curve of {sum(map(len, found)):,} points"
        raise door.error(path, what, f"{MOST_POINTS:,} is the most: make it shorter or coarser")
    if lasts_s > LONGEST_DURATION_S:
        raise door.error(path, "a curve that is longer than a year", "make it shorter")
    curve = shapes.joined(found)
    if not curve.total:
        raise door.error(path, "a curve that asks for no request at all", "write a rate above 0")
    if hold_for_s and not math.isclose(hold_for_s, lasts_s, abs_tol=0.001):
        what = f"a curve that lasts {lasts_s:g} s by itself, beside a hold-for of {hold_for_s:g} s"
        raise door.error(path, what, "leave hold-for out")
    leads = len(items) > 1 and isinstance(items[0], dict) and "ramp" in items[0]
    return Course(curve, found[0][-1][0] if leads else 0.0)


class _Reader:
    def __init__(self, door: Door, files: Files) -> None:
        self.door, self.files = door, files

    def points(self, item: object, path: str, hold_for_s: float) -> shapes.Points:
        shape = self.door.mapping(item, path, "{ramp: {from: 10, to: 500}, for: 5m}")
        kinds = [key for key in shape if key in SHAPES]
        unknown = [key for key in shape if key not in (*SHAPES, "for")]
        if unknown:
            raise self.door.error(f"{path}.{unknown[0][:60]}", "unknown", nearest(unknown[0], (*SHAPES, "for")))
        if not kinds:
            raise self.door.error(path, f"{shown(item)}, not a shape of load", f"write one of {', '.join(SHAPES)}")
        if len(kinds) > 1:
            what = f"both `{kinds[0]}` and `{kinds[1]}`"
            raise self.door.error(path, what, "write a list of shapes, one after another")
        kind = kinds[0]
        where = f"{path}.{kind}"
        if kind not in TIMELESS:
            if "for" in shape:
                why = f"set beside `{kind}`, which lasts as long as it says itself"
                raise self.door.error(f"{path}.for", why, "leave it out")
            return {"steps": self.steps, "points": self.written, "csv": self.csv}[kind](shape[kind], where)
        lasts_s = self.seconds(shape["for"], f"{path}.for") if "for" in shape else hold_for_s
        if not lasts_s:
            raise self.door.error(f"{path}.for", f"missing, and without it nobody knows how long the {kind} lasts",
                                  "add `for: 10m`")  # fmt: skip
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
        count = self.door.whole(values["steps"], f"{path}.steps")
        if count is None or not 2 <= count <= MOST_SHAPES:
            raise self.door.error(f"{path}.steps", shown(values["steps"]), f"write a number from 2 to {MOST_SHAPES:,}")
        low, high = (self.rate(values[key], f"{path}.{key}") for key in ("from", "to"))
        return shapes.stairs(low, high, count, self.seconds(values["every"], f"{path}.every"))

    def spikes(self, written: object, path: str, lasts_s: float) -> shapes.Points:
        needed = ("base", "peak", "every", "lasts")
        values = self.keys(written, path, "spikes: {base: 50, peak: 500, every: 5m, lasts: 20s}", needed)
        every_s, spike_s = (self.seconds(values[key], f"{path}.{key}") for key in ("every", "lasts"))
        if spike_s >= every_s:
            what = f"{shown(values['lasts'])}, no shorter than `every`"
            raise self.door.error(f"{path}.lasts", what, "make spikes shorter, or rarer")
        self._few(lasts_s / every_s * 4, path)
        base, peak = (self.rate(values[key], f"{path}.{key}") for key in ("base", "peak"))
        return shapes.spikes(base, peak, every_s, spike_s, lasts_s)

    def sine(self, written: object, path: str, lasts_s: float) -> shapes.Points:
        needed = ("from", "to", "period")
        values = self.keys(written, path, "sine: {from: 50, to: 500, period: 24h}", needed, ("low-at",))
        low, high = (self.rate(values[key], f"{path}.{key}") for key in ("from", "to"))
        if low > high:
            raise self.door.error(f"{path}.from", f"{shown(values['from'])}, more than `to`",
                                  "write the lower rate there; `low-at` says when it is reached")  # fmt: skip
        period_s = self.seconds(values["period"], f"{path}.period")
        low_at_s = self.seconds(values["low-at"], f"{path}.low-at", least=0.0) if "low-at" in values else 0.0
        self._few(lasts_s / period_s * shapes.PIECES, path)
        return shapes.sine(low, high, period_s, low_at_s, lasts_s)

    def written(self, written: object, path: str) -> shapes.Points:
        items = self.door.items(written, path, "points: [{at: 0s, rps: 10}, {at: 5m, rps: 500}]")
        if len(items) < 2:
            raise self.door.error(path, f"a list of {len(items)}", "write two points or more")
        self._few(len(items), path)
        found: list[tuple[float, float]] = []
        for index, item in enumerate(items):
            where = f"{path}[{index}]"
            values = self.keys(item, where, "{at: 5m, rps: 500}", ("at", "rps"))
            at_s = self.seconds(values["at"], f"{where}.at", least=0.0)
            if not found and at_s:
                raise self.door.error(f"{where}.at", shown(values["at"]), "the first point is at 0s")
            if found and at_s < found[-1][0]:
                raise self.door.error(f"{where}.at", f"{shown(values['at'])}, before the point above it",
                                      "sort the points by time")  # fmt: skip
            found.append((at_s, self.rate(values["rps"], f"{where}.rps")))
        if not found[-1][0]:
            raise self.door.error(path, "a list of points that are all at 0s", "the last one says where the curve ends")
        return found

    def csv(self, written: object, path: str) -> shapes.Points:
        written = {"file": written} if isinstance(written, str) else written
        optional = ("scale", "speed", "time", "rate", "count")
        values = self.keys(written, path, "csv: {file: rates.csv, scale: 1.5x, speed: 24x}", ("file",), optional)
        named: dict[str, str] = {key: values[key] for key in ("time", "rate", "count") if key in values}
        for key, value in named.items():
            if not isinstance(value, str) or not value:
                raise self.door.error(f"{path}.{key}", f"{shown(value)}, not a column's name", "write one as text")
        scale = self.times(values.get("scale", 1), f"{path}.scale")
        speed = self.times(values.get("speed", 1), f"{path}.speed")
        rows = read_rates(values["file"], f"{path}.file", named, self.door, self.files)
        if max(rps for _, rps in rows) * scale > MOST:
            raise self.door.error(f"{path}.scale", shown(values["scale"]), f"{MOST:,} requests per second are the most")
        return [(at_s / speed, rps * scale) for at_s, rps in rows]

    def keys(
        self, written: object, path: str, example: str, needed: Sequence[str], optional: Sequence[str] = ()
    ) -> dict[str, Any]:
        values = self.door.mapping(written, path, example)
        known: Collection[str] = (*needed, *optional)
        for key in values:
            if key not in known:
                raise self.door.error(f"{path}.{key[:60]}", "unknown", nearest(key, known))
        for key in needed:
            if values.get(key) is None:
                raise self.door.error(f"{path}.{key}", "missing", f"write it like `{example}`")
        return values

    def seconds(self, written: object, path: str, least: float = 0.001) -> float:
        found = self.door.seconds(written, path)
        if found < least:
            raise self.door.error(path, f"{shown(written)}, too short", "write a duration such as 5m")
        return found

    def rate(self, written: object, path: str) -> float:
        """Requests per second: a number, or one with its unit, such as `500/s` or `30k/min`."""
        text = str(self.door.resolved(written, path, "write a rate such as 500/s")).replace(" ", "")
        match = RATE.fullmatch(text) if isinstance(written, (str, int, float)) and len(text) <= 60 else None
        if match is None or isinstance(written, bool):
            raise self.door.error(path, f"{shown(written)}, not a rate", "write it like 500, 500/s or 30k/min")
        rps = number(match[1].rstrip(".")) * FACTORS[match[2]] / SECONDS[match[3] or ""]
        if rps > MOST:
            raise self.door.error(path, f"{shown(written)}, more than {MOST:,}/s", "write a lower rate")
        return float(rps)

    def times(self, written: object, path: str) -> float:
        """A factor: `24x`, or a number."""
        text = str(self.door.resolved(written, path, "write a factor such as 24x")).strip().removesuffix("x")
        try:
            found = float(number(text))
        except ValueError:
            found = 0.0
        if not 1e-6 <= found <= 1e6:
            raise self.door.error(path, f"{shown(written)}, not a factor", "write it like 24x or 0.5x")
        return found

    def _few(self, points: float, path: str) -> None:
        if points > MOST_POINTS:
            what = f"a curve of {math.ceil(points):,} points"
            raise self.door.error(path, what, f"{MOST_POINTS:,} is the most: make it shorter or coarser")
