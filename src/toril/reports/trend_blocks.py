"""The blocks of a trend, for the terminal, the page, the console and GitHub."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

from toril import text
from toril.records.trend import Trend, TrendGroup, TrendMember, TrendPoint, TrendSeries
from toril.regression.trend import CLAIMED, NOTHING_RECENT, UNITS
from toril.reports.blocks import Cell, Charts, Column, Headline, Note, Report, Row, Table, severity_of
from toril.reports.charts.lines import Chart, chart, line
from toril.reports.curves import trendline
from toril.reports.duet_blocks import SCALES, bounds_of
from toril.text import plain

OUTCOMES = {"regressed": "failed", "short": "inconclusive", "clean": "passed"}
TONES = {"failed": "breach", "inconclusive": "unsure", "passed": "better"}  # colours of ranges
MOST_PARTS = 60  # labels and locations with charts
HINT = (
    "Each point is a run, in order of time. Focus a chart and press ← or → to read values. Click or press Enter to "
    "open the run. Drag to zoom; double-click or press Escape to zoom out. Shaded: commits of a change. Hollow: runs "
    "that the trend leaves out."
)
Address = Callable[[str], str]  # of a run's page


def beside_runs(run_id: str) -> str:
    """Returns the address of a run's page for a page in the folder of the store."""
    return f"runs/{run_id}/report.html"


def trend_report(found: Trend, address: Address = beside_runs) -> Report:
    """Returns the trend as a report: its groups of changes first, then a chart of each series."""
    outcomes = [outcome_of(group) for group in found.groups]
    runs, suspected = text.plural(found.runs, "run"), outcomes.count("inconclusive")
    stale = any(one.code == NOTHING_RECENT for one in found.notes)
    brief = {
        "regressed": f"{text.plural(outcomes.count('failed'), 'confirmed regression')} in {runs}",
        "short": f"no recent run to judge in {runs}" if stale else f"no series has 10 comparable runs in {runs}",
        "clean": f"no new regression in {runs}",
    }[found.outcome] + (f", {suspected} suspected" if suspected else "")
    headline = Headline(suite=plain(found.suite), text=brief, brief=brief, outcome=OUTCOMES[found.outcome])
    changes = (changes_table(found.groups, address),) if found.groups else ()
    ended = [("An acknowledgement has ended", one) for one in found.expired]
    unused = [("An acknowledgement fits no change", one) for one in found.unused]
    notes = (Note("acknowledged", f"{problem}: {plain(one)}", "caution") for problem, one in (*ended, *unused))
    limits = (Note(plain(one.code), plain(one.message, 500), "caution") for one in found.notes)
    history = (_charts(found, address), _series_table(found.series)) if found.runs else ()
    return Report(headline=headline, blocks=(*limits, *changes, *notes, *history))


def group_report(found: Trend, group: TrendGroup) -> Report:
    """Returns one group of changes and its series."""
    headline = Headline(suite=plain(found.suite), text=plain(group.message, 1000).rstrip("."), brief=brief_of(group))
    own = {_key(one) for one in group.series}
    series = _series_table([one for one in found.series if _key(one) in own])
    changes = changes_table([group], beside_runs)
    once = replace(changes, rows=tuple(replace(row, note="") for row in changes.rows))  # the headline has the message
    return Report(headline=headline, blocks=(once, replace(series, opened="all")))


def brief_of(group: TrendGroup) -> str:
    """Returns the largest change of a group in a few words."""
    largest = max(group.series, key=lambda one: abs(one.change or 0))
    more = f" and {len(group.series) - 1} more" if len(group.series) > 1 else ""
    return f"{_name(largest)} {text.change(largest.change, UNITS.get(largest.metric, 'us'))}{more}"


def outcome_of(group: TrendGroup) -> str:
    """Returns how a group counts: failed, inconclusive, passed (an improvement) or skipped (settled or small)."""
    if not group.worse:
        return "passed"
    return {"confirmed": "failed", "suspected": "inconclusive"}.get("" if group.small else group.state, "skipped")


def changes_table(groups: Sequence[TrendGroup], address: Address) -> Table:
    """Returns the groups with the series of each below it."""
    columns = (Column("change", "name"), Column("by, 95 % interval", strong=True), Column("before"), Column("after"))
    return Table(
        id="changes",
        title="Changes",
        noun="change",
        columns=columns,
        rows=tuple(row for place, group in enumerate(groups) for row in _group_rows(group, place, address)),
        about="the newest first",
        opened="all",
        sortable=False,
    )


def _group_rows(group: TrendGroup, place: int, address: Address) -> Iterator[Row]:
    kind = f"{plain(group.state)}{' small' if group.small else ''} {'regression' if group.worse else 'improvement'}"
    commits = " … ".join(plain(one[:12]) for one in (group.from_commit, group.to_commit) if one)
    remarks = {"since": group.to_run, "commits": commits, "acknowledged:": group.acknowledged, "duet": group.duet}
    small = tuple(f"{name} {plain(value)}" for name, value in remarks.items() if value)
    head = Cell(kind, small=small, link=address(group.to_run))
    outcome = outcome_of(group)
    note = plain(group.message, 500) if outcome in ("failed", "inconclusive") else ""
    yield Row((head,), outcome="" if outcome == "skipped" else outcome, note=note, weight=place)
    for one in group.series:
        unit = UNITS.get(one.metric, "us")
        values = (Cell(text.quantity(value, unit)) for value in (one.before, one.after))
        change = Cell(text.change(one.change, unit), small=(bounds_of(one.low, one.high, unit),))
        yield Row((Cell(_name(one)), change, *values), weight=place)


def _series_table(found: Sequence[TrendSeries]) -> Table:
    """Returns the newest runs of the most important series, drawn in characters."""
    rows = []
    chosen = [one for one in found if one.metric in CLAIMED] or found
    for place, one in enumerate([one for one in chosen if not (one.label and one.location)] or chosen):
        known = [point.value for point in one.points if point.value is not None and not point.hollow]
        if any(known):
            drawn = trendline([point.value for point in one.points], [point.hollow for point in one.points], 40)
            shown = (text.quantity(value, one.unit) for value in (known[-1], min(known), max(known)))
            rows.append(Row((Cell(_name(one)), Cell(drawn), *map(Cell, shown)), weight=place))
    bounds = (Column(title, rank=2) for title in ("lowest", "highest"))
    columns = (
        Column("series", "name"),
        Column("newest runs", "text", whole=True),
        Column("last", strong=True),
        *bounds,
    )
    return Table(id="series", title="Series", noun="row", columns=columns, rows=tuple(rows), folded=True)


def _charts(found: Trend, address: Address) -> Charts:
    """Returns the charts of each label and location. Those with a new regression come first."""
    points = {point.run_id: point for series in found.series for point in series.points}
    runs = sorted(points.values(), key=lambda point: (point.started_at, point.run_id))
    worst = sorted(found.groups, key=lambda group: severity_of(outcome_of(group)))
    changed = [one for group in worst for one in group.series]
    parts: dict[str, list[Chart]] = {name: [] for name in (*map(_part, changed), *map(_part, found.series))}
    for series in found.series:
        if any(point.value is not None for point in series.points):
            parts[_part(series)].append(_chart(found, series, runs))
    times = [datetime.fromtimestamp(run.started_at, UTC) for run in runs]
    about = (", ".join([f"commit {plain(run.commit[:12])}"] * bool(run.commit) + [plain(run.outcome)]) for run in runs)
    shared = {
        "names": [f"{at:%Y-%m-%d %H:%M}, {words}" for at, words in zip(times, about, strict=True)],
        "ticks": [f"{at:%b} {at.day}" for at in times],
        "links": [address(run.run_id) for run in runs],
    }
    charts = [{"name": name, "charts": charts} for name, charts in parts.items() if charts]
    return Charts(
        id="trend",
        title="History",
        about="one label and location at a time",
        charts=charts[:MOST_PARTS],
        hint=HINT,
        shared={"runs": shared},
    )


def _chart(found: Trend, series: TrendSeries, runs: Sequence[TrendPoint]) -> Chart:
    """Returns the chart of one series over all runs."""
    places = {run.run_id: place for place, run in enumerate(runs)}
    own = {places[point.run_id]: point for point in series.points}
    unit, factor = SCALES.get(series.unit, (series.unit, 1.0))
    counted, hollow, means = (list[float | None]([None] * len(runs)) for _ in range(3))
    for place, point in own.items():
        if point.value is not None:
            (hollow if point.hollow else counted)[place] = factor * point.value
    ranges = []
    for group in reversed(found.groups):  # the oldest first
        at = places.get(group.to_run)
        for one in group.series:
            if at is None or _key(one) != _key(series):
                continue
            tone = TONES.get(outcome_of(group), "shade")
            ranges.append({"from": places.get(group.from_run, at - 1), "to": at, "tone": tone})
            for place, point in own.items():
                if point.segment == own[at].segment and (place >= at or means[place] is None):
                    mean = one.after if place >= at else one.before
                    means[place] = None if mean is None else factor * mean
    cuts = [
        {"at": place - 0.5, "text": f"other {plain(found.segments[own[place].segment])}"}
        for before, place in pairwise(sorted(own))
        if own[before].segment != own[place].segment
    ]
    return chart(
        _name(series),
        unit,
        line("mean", "planned dashed steps", means),
        line(plain(series.metric), "first points", counted),
        line("left out", "planned hollow", hollow),
        axis="runs",
        log=True,
        ranges=ranges,
        cuts=cuts,
    )


def _key(one: TrendSeries | TrendMember) -> tuple[str, str, str]:
    return one.label, one.location, one.metric


def _part(one: TrendSeries | TrendMember) -> str:
    return f"{plain(one.label) or 'all requests'}{f' at {plain(one.location)}' if one.location else ''}"


def _name(one: TrendSeries | TrendMember) -> str:
    return text.figure(one.metric, one.label, one.location)
