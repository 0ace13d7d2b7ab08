"""What criteria judge, METRICS, and how a subject and a threshold are read.

Taurus' subjects are statistics of samples. toril's subjects (`toril.criteria` only) are the rate of samples, the
achieved load, the capacity of an execution, and the health of the load generators. Others are metrics of CloudWatch,
the cost of the service, and checks and metrics of scripts.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import Literal, NamedTuple

from toril.criteria.quantities import duration_s, number, rate_per_s, size_bytes, size_with_giga
from toril.text import nearest, one_line, suggestion

QUOTED = 80  # characters of the user's text in a message

Unit = Literal["us", "bytes", "", "%", "/s", "usd"]
Language = Literal["taurus", "toril"]
Source = Literal["samples", "load", "capacity", "generators", "server", "cost", "faults"]
WindowKind = Literal["sum", "mean", "share", "stdev", "percentile", "rate", "min", "max"]
ValueKind = Literal["check", "trend", "counter", "gauge", "rate"]  # of the values that scripts measure

SUBJECTS = (  # of Taurus, as examples
    *("avg-rt", "avg-lt", "avg-ct", "stdev-rt", "concurrency", "hits", "bytes", "succ", "fail"),
    *("p90", "p99.9", "rc500", "rc5??"),
)
PERCENTILE = re.compile(r"(metric-)?p([0-9]{1,3}(?:\.[0-9]{1,6})?)")
SYNONYMS = {
    **dict.fromkeys(("error", "errors", "err", "error-rate", "errors-rate"), "fail"),
    **dict.fromkeys(("success-rate", "successes-rate"), "succ"),
    **dict.fromkeys(("rps", "tps", "qps", "hits-rate"), "throughput"),
    **dict.fromkeys(("vus", "users", "threads"), "concurrency"),
    **dict.fromkeys(("rt", "response-time", "mean", "mean-rt"), "avg-rt"),
    **{"latency": "avg-lt", "ttfb": "avg-lt", "connect": "avg-ct", "stdev": "stdev-rt", "size": "bytes"},
    **{"median": "p50", "min": "p0", "min-rt": "p0", "max": "p100", "max-rt": "p100"},
}  # names in other tools
SLIP_OF_CODE = re.compile(r"[1-5][0-9xX._#\\dD|/,+&-]+")  # HTTP codes in the patterns of other languages
WINDOW_S = 10  # of the figures that `recovery-time` compares
STABLE_S = 2 * WINDOW_S  # each window in this time after the recovery is in range
MOST_LOAD = 1000  # per cent of the planned load; a higher threshold is a typing error


class Measure(NamedTuple):
    """The unit of thresholds, their reader, and an example."""

    unit: Unit
    read: Callable[[object], Fraction]
    example: str


TIME = Measure("us", duration_s, "a time like `300ms`, `1.5s` or `2s500ms`")
RATE = Measure("/s", rate_per_s, "a rate like `450/s`, `30/min` or `100/h`")
SIZE = Measure("bytes", size_bytes, "bytes like `500`, `10kB` or `10MB` (kB = 1024)")
MEMORY = Measure("bytes", size_with_giga, "memory like `500MB` or `3GB` (kB = 1024)")
COUNT = Measure("", number, "a count such as `10`")
DOLLARS = Measure("usd", number, "US dollars like `0.40`")
PERCENTAGE = Measure("%", number, "a percentage like `80%`")
VALUE = Measure("", number, "a number in the script's unit, such as `10` or `2.5`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a subject measures, and all that parser, verdict, pages and editor need to know of it."""

    measure: Measure
    source: Source = "samples"
    window: WindowKind = "mean"  # how the seconds of a window become one value
    better: Literal["lower", "higher", ""] = ""
    kinds: tuple[ValueKind, ...] = ()  # what scripts measure and it judges; empty: requests or other things
    is_share: bool = False  # a count of samples, whose threshold may be a percentage
    counts_silence: bool = False  # a second without samples has the value 0
    counts_answers: bool = False  # unfinished requests do not change it
    is_maximum: bool = False  # over the whole run, the maximum is judged
    ends_search: bool = False  # a search for a capacity may end by it
    offered: Mapping[str, str] = field(default_factory=dict)  # subjects that the console offers, with their words
    usual_unit: str = ""  # of the threshold, in the console


_TIME = partial(Metric, measure=TIME, better="lower", ends_search=True, usual_unit="ms")
_SHARE = partial(Metric, measure=COUNT, window="sum", is_share=True, counts_silence=True, ends_search=True)
_SHARE = partial(_SHARE, usual_unit="%")
_ANSWERS = partial(Metric, counts_answers=True)
_GENERATOR = partial(Metric, measure=PERCENTAGE, source="generators", better="lower", is_maximum=True)
_SERVER = Metric(measure=COUNT, source="server")  # `server.py` knows the unit of each
_HELD = partial(Metric, measure=PERCENTAGE, window="share", is_share=True)

METRICS: Mapping[str, Metric] = {
    "p": _TIME(
        window="percentile",
        offered={
            "p50": "median response time",
            **{name: f"{name} of response times" for name in ("p90", "p95", "p99", "p99.9")},
        },
    ),
    "avg-rt": _TIME(offered={"avg-rt": "average response time"}),
    "avg-lt": _TIME(),
    "avg-ct": _TIME(),
    "stdev-rt": _TIME(window="stdev"),
    "fail": _SHARE(better="lower", offered={"fail": "failed requests"}),
    "succ": _SHARE(better="higher", offered={"succ": "successful requests"}),
    "rc": _SHARE(offered={"rc4??": "responses 400 to 499", "rc5??": "responses 500 to 599"}),
    "hits": _ANSWERS(measure=COUNT, window="sum", counts_silence=True, offered={"hits": "number of requests"}),
    "throughput": _ANSWERS(
        measure=RATE, window="rate", counts_silence=True, offered={"throughput": "request rate"}, usual_unit="/s"
    ),
    "check-rate": _HELD(kinds=("check",), better="higher"),
    "metric-rate": _HELD(kinds=("rate",)),
    "metric-p": Metric(measure=VALUE, kinds=("trend",), window="percentile"),
    "metric-avg": Metric(measure=VALUE, kinds=("trend", "gauge")),
    "metric-min": Metric(measure=VALUE, kinds=("trend", "gauge"), window="min"),
    "metric-max": Metric(measure=VALUE, kinds=("trend", "gauge"), window="max"),
    "metric-sum": Metric(measure=VALUE, kinds=("counter",), window="sum", counts_silence=True),
    "metric-per-s": Metric(measure=RATE, kinds=("counter",), window="rate", counts_silence=True),
    "load": Metric(
        measure=PERCENTAGE,
        source="load",
        better="higher",
        offered={"load": "share of the planned load"},
        usual_unit="%",
    ),
    "concurrency": _ANSWERS(measure=COUNT, is_maximum=True, offered={"concurrency": "users at once"}),
    "bytes": _ANSWERS(measure=SIZE, counts_silence=True, offered={"bytes": "size of responses"}, usual_unit="kB"),
    "capacity": Metric(measure=RATE, source="capacity", better="higher"),
    "cost-per-million": Metric(measure=DOLLARS, source="cost", better="lower"),
    "recovery-time": Metric(measure=TIME, source="faults", better="lower"),
    "generator-cpu": _GENERATOR(offered={"generator-cpu": "CPU of load generators"}, usual_unit="%"),
    "generator-core": _GENERATOR(),
    "generator-waiting": _GENERATOR(),
    "generator-throttled": _GENERATOR(),
    "generator-memory": _GENERATOR(measure=MEMORY),
    "generator-lateness": _GENERATOR(measure=TIME),
    "generator-dropped": _GENERATOR(
        measure=COUNT, is_maximum=False, offered={"generator-dropped": "requests not sent"}
    ),
    "generator-sockets": _GENERATOR(measure=COUNT),
    **dict.fromkeys(
        ("cloudwatch", "prometheus", "alb-response-time", "ecs-cpu", "ecs-memory", "rds-connections"), _SERVER
    ),
}
SERVER_SUBJECTS = tuple(name for name, metric in METRICS.items() if metric.source == "server")
OWN_SUBJECTS = tuple(
    "metric-p95" if name == "metric-p" else name
    for name, metric in METRICS.items()
    if name == "throughput" or metric.kinds or metric.source not in ("samples", "server")
)


class CriterionSyntaxError(Exception):
    """A criterion with a wrong syntax; `parse_criterion` adds its place."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def quoted(value: object) -> str:
    """Returns a value for messages."""
    return one_line(dict(value) if isinstance(value, Mapping) else value, QUOTED)


def check_keys(fields: Iterable[str], known: Sequence[str]) -> None:
    """Raises CriterionSyntaxError for an unknown key, with the nearest known one."""
    for key in fields:
        if key not in known:
            raise CriterionSyntaxError("unknown-key", f"Unknown key `{quoted(key)}`. {suggestion(key, known)}")


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a criterion."""

    name: str  # of METRICS
    percentile: float | None = None
    rc_pattern: str | None = None

    @property
    def text(self) -> str:
        """The subject in a criterion's text: `p99.9`, `rc5??`, `avg-rt`."""
        if self.percentile is not None:
            return f"{self.name}{self.percentile:.6f}".rstrip("0").rstrip(".")
        return f"rc{self.rc_pattern}" if self.rc_pattern is not None else self.name


def read_subject(written: object, language: Language) -> Subject:
    """Returns the subject; raises CriterionSyntaxError for an unknown one, or for toril's own in Taurus' language."""
    known = SUBJECTS if language == "taurus" else (*SUBJECTS, *OWN_SUBJECTS, *SERVER_SUBJECTS)
    if not isinstance(written, str):
        text = f"`{quoted(written)}` is not a subject. Use one of {', '.join(known)}."
        raise CriterionSyntaxError("unknown-subject", text)
    match = PERCENTILE.fullmatch(written)
    if language == "taurus" and (written in (*OWN_SUBJECTS, *SERVER_SUBJECTS) or (match and match[1])):
        fix = "Move the criterion to `toril: {criteria: […]}`, which bzt ignores."
        raise CriterionSyntaxError("misplaced-subject", f"Taurus has no subject `{written}`. {fix}")
    if written in METRICS and written not in ("p", "metric-p", "rc", *SERVER_SUBJECTS):
        return Subject(written)
    for stem, name in (("concurr", "concurrency"), ("succ", "succ"), ("fail", "fail")):
        if written.startswith(stem) and written.isalpha():
            return Subject(name)
    if match:
        percentile = float(match[2])
        if percentile > 100:
            text = f"The percentile {match[2]} does not exist. Write p0 to p100."
            raise CriterionSyntaxError("wrong-percentile", text)
        return Subject(f"{match[1] or ''}p", percentile=percentile)
    if written.startswith("rc"):
        if not written[2:]:
            text = "The response code is missing. Write `rc500`, `rc5??` or `rc*`."
            raise CriterionSyntaxError("missing-response-code", text)
        if SLIP_OF_CODE.fullmatch(written[2:]) and not written[2:].isdigit():
            meant = re.sub(r"[xX._#]", "?", written[2:])
            like = meant if re.fullmatch(r"[1-5][0-9?]{2}", meant) else "5??"
            what = f"`{quoted(written[2:])}` is not a response code"
            fix = f"Write it like `rc{like}`, where `?` is one character and `*` any number, or write several criteria."
            raise CriterionSyntaxError("wrong-response-code", f"{what}. {fix}")
        return Subject("rc", rc_pattern=written[2:])
    close = SYNONYMS.get(written.casefold().replace("_", "-")) or nearest(written.casefold(), known)
    if close in OWN_SUBJECTS and language == "taurus":
        text = f"Taurus has no subject `{quoted(written)}`. Write `{close}` in `toril: {{criteria: […]}}`."
        raise CriterionSyntaxError("misplaced-subject", text)
    fix = f"Did you mean `{close}`?" if close else f"Use one of {', '.join(known)}."
    raise CriterionSyntaxError("unknown-subject", f"`{quoted(written)}` is not a subject. {fix}")


def read_threshold(value: object, subject: Subject) -> tuple[Unit, Fraction, str]:
    """Returns unit, value and canonical text."""
    text, what = str(value).replace(" ", ""), f"`{quoted(value)}` is not a usable threshold"
    metric = METRICS[subject.name]
    measure = metric.measure
    if text.endswith("%"):
        return "%", _percentage(text, what, metric), text
    if measure is PERCENTAGE:
        raise CriterionSyntaxError("wrong-threshold", f"{what}. Write {measure.example}.")
    if measure is TIME:
        return time_threshold(value, what)
    also = ", or a percentage like `5%`" if metric.is_share else ""
    return measure.unit, read_quantity(measure.read, value, what, f"Write {measure.example}{also}."), text


def time_threshold(value: object, what: str) -> tuple[Unit, Fraction, str]:
    """Returns unit, value in µs and canonical text of a response time; a number without a unit is in seconds."""
    text = str(value).replace(" ", "")
    seconds = read_quantity(duration_s, value, what, f"Write {TIME.example}.")
    return "us", seconds * 1_000_000, text + "s" if text[-1] in "0123456789." else text


def _percentage(text: str, what: str, metric: Metric) -> Fraction:
    if not metric.is_share and metric.measure is not PERCENTAGE:
        fix = f"Write {metric.measure.example}."
        raise CriterionSyntaxError("no-percentage", f"The threshold cannot be a percentage. {fix}")
    percentage = read_quantity(number, text[:-1], what, "Write a percentage like `5%`.")
    most = MOST_LOAD if metric.source == "load" else 100
    if percentage > most:
        raise CriterionSyntaxError("wrong-threshold", f"{what}. Write a percentage from 0% to {most}%.")
    return percentage


def read_quantity(read: Callable[[object], Fraction], value: object, what: str, fix: str) -> Fraction:
    """Returns the value that `read` finds; raises CriterionSyntaxError if it finds none."""
    try:
        return read(value)
    except ValueError:
        raise CriterionSyntaxError("wrong-threshold", f"{what}. {fix}") from None
