"""Builds the charts of the whole run per second: load, response times, errors, locations."""

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter

from toril.records.summary import SecondFigures
from toril.reports.bundle import Bundle
from toril.reports.charts import marks
from toril.reports.charts.lines import Chart, Thinning, Values, chart, line
from toril.reports.charts.percentiles import MOST_LINES
from toril.reports.curves import rate_curves
from toril.text import plain

Seconds = Sequence[SecondFigures]
MOST_KINDS = 6  # of errors; all others share one line
PERCENTS = {"p99": "third", "p95": "second", "p50": "first"}  # charts draw the last one on top


def course(bundle: Bundle, base: Bundle | None, thin: Thinning) -> list[Chart]:
    """Returns the charts of the whole run, with lines of the base run behind."""
    seconds, before = bundle.summary.series, base.summary.series if base else ()
    return [
        _users(bundle, seconds, before, thin),
        _rate(bundle, seconds, before, thin),
        *_journeys(bundle, seconds, thin),
        *_curves(bundle, thin),
        times(bundle, "", [_column_of(seconds, f"{name}_us") for name in PERCENTS], _column_of(before, "p95_us"), thin),
        _failed(bundle, seconds, before, thin),
        _kinds(bundle, len(seconds), thin),
        *_places(bundle, seconds, thin),
    ]


def _users(bundle: Bundle, seconds: Seconds, before: Seconds, thin: Thinning) -> Chart:
    # Else users of a script, or in flight.
    is_planned = any(execution.concurrency for execution in bundle.plan.executions)
    return chart(
        "Virtual users",
        "",
        line("base", "base steps", thin(_column_of(before, "virtual_users"))),
        line("running", "first steps filled", thin(_column_of(seconds[: bundle.whole_seconds], "virtual_users"))),
        line("planned", "planned dashed steps", thin(_column_of(seconds, "planned_users"))) if is_planned else None,
        marks=marks.of_subject(bundle, "concurrency", ""),
    )


def _rate(bundle: Bundle, seconds: Seconds, before: Seconds, thin: Thinning) -> Chart:
    # Else the plan does not cover all requests.
    whole = all(load.throughput_rps and load.model != "arrivals" for load in bundle.plan.executions)
    planned = line("planned", "planned dashed steps", thin(_column_of(seconds, "planned_rps")))
    return chart(
        "Requests per second",
        "/s",
        line("base", "base", thin(_column_of(before, "samples"))),
        line("achieved", "first", thin(_column_of(seconds[: bundle.whole_seconds], "samples"))),
        planned if whole else None,
        marks=marks.of_subject(bundle, "throughput", ""),
    )


def _journeys(bundle: Bundle, seconds: Seconds, thin: Thinning) -> list[Chart]:
    """Returns the chart of started journeys, if any start at a rate."""
    if all(execution.model != "arrivals" for execution in bundle.plan.executions):
        return []
    started = line("started", "first", thin(_column_of(seconds[: bundle.whole_seconds], "journeys")))
    planned = line("planned", "planned dashed steps", thin(_column_of(seconds, "planned_journeys")))
    return [chart("Journeys per second", "/s", started, planned)]


def _curves(bundle: Bundle, thin: Thinning) -> list[Chart]:
    """Returns a chart per execution with a load curve, if the run has several executions."""
    if len(bundle.plan.executions) == 1:
        return []
    return [
        chart(
            f"Requests per second of {plain(rate_curve.execution, 40)}",
            "/s",
            line("achieved", "first", thin(rate_curve.achieved)),
            line("planned", "planned dashed steps", thin(rate_curve.planned)),
        )
        for rate_curve in rate_curves(bundle)
    ]


def times(bundle: Bundle, label: str, percentiles_us: Sequence[Values], base_p95_us: Values, thin: Thinning) -> Chart:
    """Returns response times per second; `percentiles_us` are in the order of PERCENTS."""
    lines = zip(PERCENTS.items(), percentiles_us, strict=True)
    return chart(
        "Response times",
        "ms",
        line("base p95", "base", thin(base_p95_us), 1000),
        *(line(name, look, thin(values), 1000) for (name, look), values in lines),
        marks=marks.times_of(bundle, label),
    )


def _failed(bundle: Bundle, seconds: Seconds, before: Seconds, thin: Thinning) -> Chart:
    shares = [[100 * row.failures / row.samples if row.samples else None for row in own] for own in (before, seconds)]
    return chart(
        "Failed requests",
        "%",
        line("base", "base", thin(shares[0])),
        line("failed", "bad filled", thin(shares[1])),
        marks=marks.failed_of(bundle, ""),
        note="of the requests that completed in each second",
    )


def _kinds(bundle: Bundle, seconds: int, thin: Thinning) -> Chart:
    """Returns errors per second by response code, or by message without a code, stacked."""
    errors = _errors_by_second(bundle, seconds)
    total: Counter[str] = Counter({kind: sum(column) for kind, column in errors.items()})
    names = [kind for kind, _ in total.most_common(MOST_KINDS)]
    shown = {kind: (f"place{place} steps", errors[kind]) for place, kind in enumerate(names)}
    if rest := [errors[kind] for kind in total if kind not in names]:
        name = f"{len(rest)} other kinds" if len(rest) > 1 else "1 other kind"
        shown[name] = ("planned steps", [sum(column) for column in zip(*rest, strict=True)])
    drawn = thin.drawn([sum(column) for column in zip(*errors.values(), strict=True)])
    lines = [line(kind, look, [column[at or 0] for at in drawn]) for kind, (look, column) in shown.items()]
    return chart("Errors by kind", "/s", *lines, note="stacked: the top line is all errors", stacked=True)


def _errors_by_second(bundle: Bundle, seconds: int) -> dict[str, list[int]]:
    """Returns the failed requests per second by kind; empty without a timeline."""
    if bundle.timeline is None:
        return {}
    view = bundle.timeline.select()
    errors: dict[str, list[int]] = {}
    for second in [at for at in view.seconds if at < seconds]:
        for (message, rc), count in view.second(second).errors.items():
            column = errors.setdefault(kind_of_error(message, rc), [0] * seconds)
            column[second] += count
    return errors


def kind_of_error(message: str, rc: str) -> str:
    """Returns the response code, or the message for a success code, i.e. a failed assertion."""
    failed_code = rc and not rc.startswith(("2", "3"))
    return plain(rc if failed_code else message or rc or "no message", 40)


def _places(bundle: Bundle, seconds: Seconds, thin: Thinning) -> list[Chart]:
    """Returns charts that compare the busiest locations; none for a single location."""
    names = list(bundle.summary.locations)
    if len(names) < 2:
        return []
    most = sorted(names, key=lambda name: -bundle.summary.locations[name].total.samples)[:MOST_LINES]
    shown = [name for name in names if name in most]
    note = "" if len(shown) == len(names) else f"the busiest {len(shown)} of {len(names)}"
    places = []
    for title, unit, key, divisor in (
        ("p95 by location", "ms", "p95_us", 1000),
        ("Requests per second by location", "/s", "samples", 1),
    ):
        drawn = seconds[: bundle.whole_seconds] if key == "samples" else seconds
        columns = [[getattr(second.locations.get(name), key, None) for second in drawn] for name in shown]
        lines = [
            line(plain(name, 40), f"place{place}", thin(values), divisor)
            for place, (name, values) in enumerate(zip(shown, columns, strict=True))
        ]
        places.append(chart(title, unit, *lines, note=note))
    return places


def _column_of(seconds: Seconds, key: str) -> list[float | None]:
    return list(map(attrgetter(key), seconds))
