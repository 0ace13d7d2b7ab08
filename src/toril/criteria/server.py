"""Criteria on metrics of the system under test: always a mapping, under `toril.criteria` only.

`{subject: cloudwatch, namespace: …, metric: …, statistic: …, dimensions: {…}}`, or a shortcut for these keys.
`{subject: prometheus, metric: …}` names a query in `toril.service`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from toril.criteria.quantities import duration_s, number, size_with_giga
from toril.criteria.subjects import CriterionSyntaxError, Unit, check_keys, quoted, read_quantity, time_threshold
from toril.records.run import PROMETHEUS, MetricQuery
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
KNOWN_TIMES = {  # AWS' metrics that are times, and their units, which CloudWatch's responses do not have
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


class ServerMetric(MetricQuery):
    """A query, and the conversion of its values to the threshold's unit."""

    factor: int = 1  # from the source's values to the criterion's unit: 1,000,000 from seconds to µs
    missing_is_zero: bool = False  # periods without a value count as 0, since AWS does not publish some counts of 0

    @property
    def merge(self) -> Merge:
        """How to merge the values of several periods; `none` for averages and percentiles."""
        return MERGED.get(self.statistic, "none")


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A metric with a subject of its own, and the dimensions of its keys."""

    namespace: str
    metric: str
    statistic: str
    keys: Mapping[str, str]
    required: tuple[str, ...]  # at least one of these keys
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
)  # keys of criteria on servers


def read_server(fields: Mapping[str, Any]) -> tuple[ServerMetric, Unit, Fraction, str]:
    """Returns the metric of a criterion on a server, and the threshold's unit, value and canonical text."""
    subject = fields["subject"]
    shortcut = SHORTCUTS.get(subject)
    named = subject == "prometheus"
    keys = (
        ("metric", "unit", "missing") if named else (*QUERY_KEYS, *(FULL_KEYS if shortcut is None else shortcut.keys))
    )
    _only_known(fields, (*COMMON_KEYS, *keys), subject)
    if fields.get("stop") is True:
        text = "These metrics are read after the load, too late to stop the run. Remove `stop`."
        raise CriterionSyntaxError("cannot-stop", text)
    if named:
        namespace, metric, statistic, dimensions = PROMETHEUS, _text(fields, "metric", subject), "value", {}
    elif shortcut is None:
        namespace, metric = (_text(fields, key, "cloudwatch") for key in ("namespace", "metric"))
        dimensions = _dimensions(fields.get("dimensions") or {})
        statistic = _statistic(fields.get("statistic"))
    else:
        namespace, metric = shortcut.namespace, shortcut.metric
        if not any(fields.get(key) for key in shortcut.required):
            needed = " or ".join(f"`{key}`" for key in shortcut.required)
            raise CriterionSyntaxError("missing-key", f"A required key of `{subject}` is missing. Add {needed}.")
        dimensions = {name: _own_name(fields, key, subject) for key, name in shortcut.keys.items() if fields.get(key)}
        statistic = _statistic(fields.get("statistic", shortcut.statistic))
    unit, threshold, text, factor = _threshold(fields, namespace, metric, statistic, shortcut)
    metric_read = ServerMetric(
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
    if fields.get("logic", "for") != "for" and fields.get("timeframe") and metric_read.merge == "none":
        window = f"`{quoted(fields['logic'])} {quoted(fields['timeframe'])}`"
        what = f"{window} needs one {statistic} of several periods, which cannot be merged"
        raise CriterionSyntaxError("unmergeable-statistic", f"{what}. Use `for`, or a longer `period`.")
    return metric_read, unit, threshold, text


def _own_name(fields: Mapping[str, Any], key: str, subject: str) -> str:
    """Returns the name of a resource in its metrics. It is never the ARN, which would select no values."""
    text = _text(fields, key, subject)
    if text.startswith("arn:"):
        resource = text.split(":", 5)[-1]
        last = resource.replace(":", "/").rpartition("/")[2]
        meant = resource.removeprefix("loadbalancer/") if subject == "alb-response-time" else last
        raise CriterionSyntaxError("arn-as-name", f"`{key}` is an ARN. Write CloudWatch's name: `{quoted(meant)}`.")
    return text


def server_text(subject: str, metric: ServerMetric) -> str:
    """Returns the metric for people: `alb-response-time p95 of app/shop/1`, `AWS/SQS … Maximum of QueueName=orders`."""
    shortcut = SHORTCUTS.get(subject)
    if metric.namespace == PROMETHEUS:
        return metric.key
    name = f"{metric.namespace} {metric.metric}" if shortcut is None else subject
    of = ", ".join(f"{key}={value}" if shortcut is None else value for key, value in metric.dimensions.items())
    return f"{name} {metric.statistic}" + (f" of {of}" if of else "")


def _only_known(fields: Mapping[str, Any], known: tuple[str, ...], subject: str) -> None:
    for key in fields:
        if key in ("label", "location", "kind"):
            text = f"`{subject}` has no key `{key}`. Select the server by its dimensions."
            raise CriterionSyntaxError("unexpected-key", text)
    check_keys(fields, known)


def _text(fields: Mapping[str, Any], key: str, subject: str) -> str:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise CriterionSyntaxError("missing-key", f"`{subject}` needs the key `{key}`. Add it as a text.")
    return str(value).strip()


def _dimensions(written: object) -> dict[str, str]:
    if not isinstance(written, Mapping):
        text = "`dimensions` is not a mapping. Write it like `{LoadBalancer: app/shop/1}`."
        raise CriterionSyntaxError("not-a-mapping", text)
    return {str(name): _text(written, name, "dimensions") for name in written}


def _statistic(written: object) -> str:
    fix = "Use Average, Sum, Minimum, Maximum, SampleCount, a percentile like p95, or a trimmed mean like tm99."
    if not isinstance(written, str) or not written.strip():
        raise CriterionSyntaxError("missing-key", f"`statistic` is missing. {fix}")
    for name in PLAIN:
        if written.lower() == name.lower():
            return name
    if not any(pattern.fullmatch(written) for pattern in (PERCENTILE, TRIMMED, RANGED)):
        raise CriterionSyntaxError("wrong-statistic", f"`{quoted(written)}` is not a statistic. {fix}")
    return written


def _region(written: object) -> str | None:
    if written is not None and not (isinstance(written, str) and REGION.fullmatch(written)):
        raise CriterionSyntaxError("wrong-region", f"`{quoted(written)}` is not a region. Write one like `eu-west-1`.")
    return None if written is None else str(written)


def _period_s(written: object) -> int:
    try:
        seconds = duration_s(written)
    except ValueError:
        seconds = Fraction(0)
    if seconds not in PERIODS_S and (not seconds or seconds % 60 or seconds > LONGEST_PERIOD_S):
        text = f"CloudWatch has no period `{quoted(written)}`. Use 1s, 5s, 10s, 20s, 30s or whole minutes."
        raise CriterionSyntaxError("wrong-period", text)
    return int(seconds)


def _unit(written: object) -> str | None:
    if written is not None and written not in UNITS:
        text = f"`{quoted(written)}` is not a unit of CloudWatch. {suggestion(written, UNITS)}"
        raise CriterionSyntaxError("unknown-unit", text)
    return None if written is None else str(written)


def _missing(written: object) -> bool:
    if written in (None, "inconclusive"):
        return False
    if written != "zero":
        text = f"`missing` is `{quoted(written)}`. Write `zero` or `inconclusive`."
        raise CriterionSyntaxError("wrong-missing", text)
    return True


def _threshold(
    fields: Mapping[str, Any], namespace: str, metric: str, statistic: str, shortcut: Shortcut | None
) -> tuple[Unit, Fraction, str, int]:
    """Returns unit, value, canonical text, and the factor for CloudWatch's values."""
    value = fields["threshold"]
    what, text = f"`{quoted(value)}` is not a usable threshold", str(value).replace(" ", "")
    wanted = "count" if statistic == "SampleCount" else shortcut.threshold if shortcut else None
    if text.endswith("%") and wanted in (None, "percentage"):
        return "%", read_quantity(number, text[:-1], what, "Write a percentage like `80%`."), text, 1
    if wanted == "percentage":
        raise CriterionSyntaxError("wrong-threshold", f"{what}. Write a percentage like `80%`.")
    if wanted == "time" or (wanted is None and re.search(r"[0-9.](?:ms|[smhd])", text, re.IGNORECASE)):
        unit = fields.get("unit") or KNOWN_TIMES.get((namespace, metric))
        if not isinstance(unit, str) or unit not in US_OF:
            fix = "Add `unit: Seconds` or `unit: Milliseconds`."
            text = f"`{quoted(value)}` is a time, but the unit of {quoted(metric)} is unknown. {fix}"
            raise CriterionSyntaxError("missing-unit", text)
        return *time_threshold(value, what), US_OF[unit]
    if wanted is None and re.search(r"[0-9.][kmg]?i?b", text, re.IGNORECASE):
        fix = "Write a size like `500MB` or `3GB` (kB = 1024)."
        return "bytes", read_quantity(size_with_giga, value, what, fix), text, 1
    return "", read_quantity(number, value, what, "Write a number like `10`."), text, 1
