"""Criteria on what CloudWatch measured of the system under test: always a mapping, under `toril.criteria` only.

`{subject: cloudwatch, namespace: …, metric: …, statistic: …, dimensions: {…}}`, or a shortcut that knows these names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from toril.criteria.quantities import duration_s, number, size_with_giga
from toril.criteria.subjects import CriterionSyntaxError, Unit, check_keys, quoted, read_quantity, time_threshold
from toril.text import suggestion

Merge = Literal["sum", "max", "min", "none"]

COMMON_KEYS = ("subject", "condition", "threshold", "logic", "timeframe", "stop", "fail", "message")
QUERY_KEYS = ("statistic", "region", "period", "unit", "missing")
FULL_KEYS = ("namespace", "metric", "dimensions")

PLAIN = ("Average", "Sum", "Minimum", "Maximum", "SampleCount", "IQM")
MERGED: Mapping[str, Merge] = {"Sum": "sum", "SampleCount": "sum", "Maximum": "max", "Minimum": "min"}
PERCENTILE = re.compile(r"p(?:100|[0-9]{1,2}(?:\.[0-9]{1,10})?)")
TRIMMED = re.compile(r"(?:tm|wm|tc|ts)(?:100|[0-9]{1,2}(?:\.[0-9]{1,10})?)", re.IGNORECASE)
RANGED = re.compile(r"(?:TM|WM|TC|TS|PR)\([0-9.%]*:[0-9.%]*\)", re.IGNORECASE)
REGION = re.compile(r"[a-z]{2,3}(?:-[a-z]+)+-[0-9]{1,2}")
PERIODS_S = (1, 5, 10, 20, 30)  # or any number of whole minutes
LONGEST_PERIOD_S = 86_400

US_OF = {"Seconds": 1_000_000, "Milliseconds": 1000, "Microseconds": 1}
UNITS = (
    *US_OF,
    *(f"{scale}{kind}" for scale in ("", "Kilo", "Mega", "Giga", "Tera") for kind in ("bytes", "bits")),
    "Bytes", "Bits", "Percent", "Count", "Count/Second", "Bytes/Second", "Bits/Second", "None",
)  # fmt: skip
KNOWN_TIMES = {  # metrics of AWS that are times, and their unit: CloudWatch does not say it with its answers
    ("AWS/ApplicationELB", "TargetResponseTime"): "Seconds",
    ("AWS/ELB", "Latency"): "Seconds",
    ("AWS/ApiGateway", "Latency"): "Milliseconds",
    ("AWS/ApiGateway", "IntegrationLatency"): "Milliseconds",
    ("AWS/Lambda", "Duration"): "Milliseconds",
    ("AWS/RDS", "ReadLatency"): "Seconds",
    ("AWS/RDS", "WriteLatency"): "Seconds",
    ("AWS/DynamoDB", "SuccessfulRequestLatency"): "Milliseconds",
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): "Seconds",
}


@dataclass(frozen=True, slots=True)
class ServerMetric:
    """One metric with one statistic, and how its values compare with the threshold."""

    namespace: str
    metric: str
    statistic: str
    dimensions: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    period_s: int = 60
    unit: str | None = None
    factor: int = 1  # from CloudWatch's values to the criterion's unit: 1,000,000 from seconds to µs
    missing_is_zero: bool = False  # periods without a value count as 0: AWS leaves some counts out that are 0

    @property
    def merge(self) -> Merge:
        """How values of several periods become one; averages and percentiles cannot."""
        return MERGED.get(self.statistic, "none")


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A metric under a name of its own: which of our keys is which dimension."""

    namespace: str
    metric: str
    statistic: str
    keys: Mapping[str, str]
    required: tuple[str, ...]  # one of these keys
    threshold: Literal["time", "percentage", "count"]


ALB_KEYS = {"load-balancer": "LoadBalancer", "target-group": "TargetGroup"}
ECS_KEYS = {"cluster": "ClusterName", "service": "ServiceName"}
RDS_KEYS = {"database": "DBInstanceIdentifier", "cluster": "DBClusterIdentifier"}
SHORTCUTS: Mapping[str, Shortcut] = {
    "alb-response-time": Shortcut(
        "AWS/ApplicationELB", "TargetResponseTime", "p95", ALB_KEYS, ("load-balancer",), "time"
    ),
    "ecs-cpu": Shortcut("AWS/ECS", "CPUUtilization", "Average", ECS_KEYS, ("cluster",), "percentage"),
    "ecs-memory": Shortcut("AWS/ECS", "MemoryUtilization", "Average", ECS_KEYS, ("cluster",), "percentage"),
    "rds-connections": Shortcut(
        "AWS/RDS", "DatabaseConnections", "Maximum", RDS_KEYS, ("database", "cluster"), "count"
    ),
}
KEYS = (
    *QUERY_KEYS,
    *FULL_KEYS,
    *dict.fromkeys(key for shortcut in SHORTCUTS.values() for key in shortcut.keys),
)  # those that only server-side criteria have


def read_server(fields: Mapping[str, Any]) -> tuple[ServerMetric, Unit, Fraction, str]:
    """The metric of a server-side criterion, and its threshold: unit, value and canonical text."""
    subject = fields["subject"]
    shortcut = SHORTCUTS.get(subject)
    own = FULL_KEYS if shortcut is None else tuple(shortcut.keys)
    _only_known(fields, (*COMMON_KEYS, *QUERY_KEYS, *own), subject)
    if fields.get("stop") is True:
        text = "which is to stop the run; CloudWatch answers minutes later, after the end: leave `stop` out"
        raise CriterionSyntaxError("cannot-stop", text)
    if shortcut is None:
        namespace, metric = (_text(fields, key, "cloudwatch") for key in ("namespace", "metric"))
        dimensions = _dimensions(fields.get("dimensions") or {})
        statistic = _statistic(fields.get("statistic"))
    else:
        namespace, metric = shortcut.namespace, shortcut.metric
        if not any(fields.get(key) for key in shortcut.required):
            needed = " or ".join(f"`{key}`" for key in shortcut.required)
            raise CriterionSyntaxError("missing-key", f"without {needed}; `{subject}` needs it")
        dimensions = {name: _own_name(fields, key, subject) for key, name in shortcut.keys.items() if fields.get(key)}
        statistic = _statistic(fields.get("statistic", shortcut.statistic))
    unit, threshold, text, factor = _threshold(fields, namespace, metric, statistic, shortcut)
    found = ServerMetric(
        namespace=namespace,
        metric=metric,
        statistic=statistic,
        dimensions=dimensions,
        region=_region(fields.get("region")),
        period_s=_period_s(fields.get("period", 60)),
        unit=_unit(fields.get("unit")),
        factor=factor,
        missing_is_zero=_missing(fields.get("missing")),
    )
    if fields.get("logic", "for") != "for" and fields.get("timeframe") and found.merge == "none":
        what = f"which takes {statistic} together over `{quoted(fields['logic'])} {quoted(fields['timeframe'])}`"
        fix = "averages and percentiles of CloudWatch's periods cannot be merged: use `for`, or a longer `period`"
        raise CriterionSyntaxError("unmergeable-statistic", f"{what}; {fix}")
    return found, unit, threshold, text


def _own_name(fields: Mapping[str, Any], key: str, subject: str) -> str:
    """A resource as its metrics name it, which is never its ARN: a metric of that name would never have a value."""
    text = _text(fields, key, subject)
    if text.startswith("arn:"):
        resource = text.split(":", 5)[-1]
        if subject == "alb-response-time":
            meant = resource.removeprefix("loadbalancer/")
        else:
            meant = resource.replace(":", "/").rpartition("/")[2]
        raise CriterionSyntaxError("arn-as-name", f"with an ARN as `{key}`; CloudWatch knows it as `{quoted(meant)}`")
    return text


def server_text(subject: str, metric: ServerMetric) -> str:
    """The metric as it is shown: `alb-response-time p95 of app/shop/1`, `AWS/SQS … Maximum of QueueName=orders`."""
    shortcut = SHORTCUTS.get(subject)
    name = f"{metric.namespace} {metric.metric}" if shortcut is None else subject
    values = (f"{key}={value}" if shortcut is None else value for key, value in metric.dimensions.items())
    of = ", ".join(values)
    return f"{name} {metric.statistic}" + (f" of {of}" if of else "")


def _only_known(fields: Mapping[str, Any], known: tuple[str, ...], subject: str) -> None:
    for key in fields:
        if key in ("label", "location", "kind"):
            text = f"where `{key}` means nothing; `{subject}` is about a server: name it by its dimensions"
            raise CriterionSyntaxError("unexpected-key", text)
    check_keys(fields, known)


def _text(fields: Mapping[str, Any], key: str, subject: str) -> str:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise CriterionSyntaxError("missing-key", f"without `{key}`; `{subject}` needs it as text")
    return str(value).strip()


def _dimensions(written: object) -> dict[str, str]:
    if not isinstance(written, Mapping):
        text = "where `dimensions` is no mapping; write `{LoadBalancer: app/shop/1}`"
        raise CriterionSyntaxError("not-a-mapping", text)
    return {str(name): _text(written, name, "dimensions") for name in written}


def _statistic(written: object) -> str:
    fix = "use Average, Sum, Minimum, Maximum, SampleCount, a percentile like p95, or a trimmed mean like tm99"
    if not isinstance(written, str) or not written.strip():
        raise CriterionSyntaxError("missing-key", f"without `statistic`; {fix}")
    for name in PLAIN:
        if written.lower() == name.lower():
            return name
    if not any(pattern.fullmatch(written) for pattern in (PERCENTILE, TRIMMED, RANGED)):
        raise CriterionSyntaxError("wrong-statistic", f"with the statistic `{quoted(written)}`; {fix}")
    return written


def _region(written: object) -> str | None:
    if written is None:
        return None
    if not isinstance(written, str) or not REGION.fullmatch(written):
        raise CriterionSyntaxError("wrong-region", f"with the region `{quoted(written)}`; write one like `eu-west-1`")
    return written


def _period_s(written: object) -> int:
    try:
        seconds = duration_s(written)
    except ValueError:
        seconds = Fraction(0)
    if seconds not in PERIODS_S and (not seconds or seconds % 60 or seconds > LONGEST_PERIOD_S):
        text = f"with the period `{quoted(written)}`; CloudWatch has 1s, 5s, 10s, 20s, 30s and whole minutes"
        raise CriterionSyntaxError("wrong-period", text)
    return int(seconds)


def _unit(written: object) -> str | None:
    if written is not None and written not in UNITS:
        raise CriterionSyntaxError("unknown-unit", f"with the unit `{quoted(written)}`; {suggestion(written, UNITS)}")
    return None if written is None else str(written)


def _missing(written: object) -> bool:
    if written in (None, "inconclusive"):
        return False
    if written != "zero":
        text = f"where `missing` is `{quoted(written)}`; write `zero` or `inconclusive`"
        raise CriterionSyntaxError("wrong-missing", text)
    return True


def _threshold(
    fields: Mapping[str, Any], namespace: str, metric: str, statistic: str, shortcut: Shortcut | None
) -> tuple[Unit, Fraction, str, int]:
    """Unit, value, canonical text, and the factor from CloudWatch's values."""
    value = fields["threshold"]
    what, text = f"with the threshold `{quoted(value)}`", str(value).replace(" ", "")
    wanted = "count" if statistic == "SampleCount" else shortcut.threshold if shortcut else None
    if text.endswith("%") and wanted in (None, "percentage"):
        return "%", read_quantity(number, text[:-1], what, "write a percentage like `80%`"), text, 1
    if wanted == "percentage":
        raise CriterionSyntaxError("wrong-threshold", f"{what}; write a percentage like `80%`")
    if wanted == "time" or (wanted is None and re.search(r"[0-9.](?:ms|[smhd])", text, re.IGNORECASE)):
        unit = fields.get("unit") or KNOWN_TIMES.get((namespace, metric))
        if unit not in US_OF:
            text = f"{what}; say what {metric} is measured in: `unit: Seconds` or `unit: Milliseconds`"
            raise CriterionSyntaxError("missing-unit", text)
        return *time_threshold(value, what), US_OF[unit]
    if wanted is None and re.search(r"[0-9.][kmg]?i?b", text, re.IGNORECASE):
        fix = "write a size like `500MB` or `3GB` (kB = 1024)"
        return "bytes", read_quantity(size_with_giga, value, what, fix), text, 1
    return "", read_quantity(number, value, what, "write a number like `10`"), text, 1
