"""The blocks of a trend, for the terminal, the page, the console and GitHub."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

from toril import text
from toril.records.trend import Trend, TrendGroup, TrendMember, TrendPoint, TrendSeries
from toril.regression.trend import CLAIMED, FIGURES, NOTHING_RECENT, UNITS
from toril.reports.blocks import Cell, Charts, Column, Headline, NoteBlock, Report, Row, Table, severity_of
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


def trend_report(trend: Trend, address: Address = beside_runs) -> Report:
    """Returns the trend as a report: its groups of changes first, then a chart of each series."""
    outcomes = [outcome_of(group) for group in trend.groups]
    runs, suspected = text.plural(trend.runs, "run"), outcomes.count("inconclusive")
    stale = any(reason.code == NOTHING_RECENT for reason in trend.notes)
    brief = {
        "regressed": f"{text.plural(outcomes.count('failed'), 'confirmed regression')} in {runs}",
        "short": f"no recent run to judge in {runs}" if stale else f"no series has 10 comparable runs in {runs}",
        "clean": f"no new regression in {runs}",
    }[trend.outcome] + (f", {suspected} suspected" if suspected else "")
    suite = f"{trend.suite}, stage {trend.stage}" if trend.stage else trend.suite
    headline = Headline(suite=plain(suite), text=brief, brief=brief, outcome=OUTCOMES[trend.outcome])
    changes = (changes_table(trend.groups, address),) if trend.groups else ()
    ended = [("An acknowledgement has ended", entry) for entry in trend.expired]
    unused = [("An acknowledgement fits no change", entry) for entry in trend.unused]
    notes = (NoteBlock("acknowledged", f"{problem}: {plain(entry)}", "caution") for problem, entry in (*ended, *unused))
    limits = (
        NoteBlock((code := plain(reason.code)), plain(reason.message, 500), "caution", cause=code)
        for reason in trend.notes
    )
    history = (_charts(trend, address), _series_table(trend.series)) if trend.runs else ()
    return Report(headline=headline, blocks=(*limits, *changes, *notes, *history))


def group_report(trend: Trend, group: TrendGroup) -> Report:
    """Returns one group of changes and its series."""
    words = plain(_message(group), 1000).rstrip(".")
    headline = Headline(suite=plain(trend.suite), text=words, brief=brief_of(group))
    own = {_key(member) for member in group.series}
    series = _series_table([line for line in trend.series if _key(line) in own])
    changes = changes_table([group], beside_runs)
    once = replace(changes, rows=tuple(replace(row, note="") for row in changes.rows))  # the headline has the message
    return Report(headline=headline, blocks=(once, replace(series, opened="all")))


def brief_of(group: TrendGroup) -> str:
    """Returns the largest change of a group in a few words."""
    largest = max(group.series, key=lambda member: abs(member.change or 0))
    more = f" and {len(group.series) - 1} more" if len(group.series) > 1 else ""
    return f"{_name(largest)} {text.change(largest.change, UNITS.get(largest.metric, 'us'))}{more}"


def _message(group: TrendGroup) -> str:
    """Returns the change, and the result of the search for its commit."""
    return " ".join(filter(None, (group.message, group.search)))


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
    commits = " … ".join(plain(commit[:12]) for commit in (group.from_commit, group.to_commit) if commit)
    remarks = {"since": group.to_run, "commits": commits, "acknowledged:": group.acknowledged, "duet": group.duet}
    remarks["commit"] = group.commit[:12]
    small = tuple(f"{name} {plain(value)}" for name, value in remarks.items() if value)
    head = Cell(kind, small=small, link=address(group.to_run))
    outcome = outcome_of(group)
    note = plain(_message(group), 1000) if outcome in ("failed", "inconclusive") else ""
    yield Row((head,), outcome="" if outcome == "skipped" else outcome, note=note, weight=place)
    for member in group.series:
        unit = UNITS.get(member.metric, "us")
        values = (Cell(text.quantity(value, unit)) for value in (member.before, member.after))
        change = Cell(text.change(member.change, unit), small=(bounds_of(member.low, member.high, unit),))
        yield Row((Cell(_name(member)), change, *values), weight=place)


def _series_table(curves: Sequence[TrendSeries]) -> Table:
    """Returns the newest runs of the most important series, drawn in characters."""
    rows = []
    chosen = [curve for curve in curves if curve.metric in CLAIMED or curve.metric not in FIGURES] or curves
    for place, curve in enumerate([curve for curve in chosen if not (curve.label and curve.location)] or chosen):
        known = [point.value for point in curve.points if point.value is not None and not point.hollow]
        if any(known):
            drawn = trendline([point.value for point in curve.points], [point.hollow for point in curve.points], 40)
            shown = (text.quantity(value, curve.unit) for value in (known[-1], min(known), max(known)))
            rows.append(Row((Cell(_name(curve)), Cell(drawn), *map(Cell, shown)), weight=place))
    bounds = (Column(title, rank=2) for title in ("lowest", "highest"))
    columns = (
        Column("series", "name"),
        Column("newest runs", "text", whole=True),
        Column("last", strong=True),
        *bounds,
    )
    return Table(id="series", title="Series", noun="row", columns=columns, rows=tuple(rows), folded=True)


def _charts(trend: Trend, address: Address) -> Charts:
    """Returns the charts of each label and location. Those with a new regression come first."""
    points = {point.run_id: point for series in trend.series for point in series.points}
    runs = sorted(points.values(), key=lambda point: (point.started_at, point.run_id))
    worst = sorted(trend.groups, key=lambda group: severity_of(outcome_of(group)))
    changed = [member for group in worst for member in group.series]
    parts: dict[str, list[Chart]] = {name: [] for name in (*map(_part, changed), *map(_part, trend.series))}
    for series in trend.series:
        if any(point.value is not None for point in series.points):
            parts[_part(series)].append(_chart(trend, series, runs))
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


def _chart(trend: Trend, series: TrendSeries, runs: Sequence[TrendPoint]) -> Chart:
    """Returns the chart of one series over all runs."""
    places = {run.run_id: place for place, run in enumerate(runs)}
    own = {places[point.run_id]: point for point in series.points}
    unit, factor = SCALES.get(series.unit, (series.unit, 1.0))
    counted, hollow, means = (list[float | None]([None] * len(runs)) for _ in range(3))
    for place, point in own.items():
        if point.value is not None:
            (hollow if point.hollow else counted)[place] = factor * point.value
    ranges = []
    for group in reversed(trend.groups):  # the oldest first
        at = places.get(group.to_run)
        for member in group.series:
            if at is None or _key(member) != _key(series):
                continue
            tone = TONES.get(outcome_of(group), "shade")
            ranges.append({"from": places.get(group.from_run, at - 1), "to": at, "tone": tone})
            for place, point in own.items():
                if point.segment == own[at].segment and (place >= at or means[place] is None):
                    mean = member.after if place >= at else member.before
                    means[place] = None if mean is None else factor * mean
    cuts = [
        {"at": place - 0.5, "text": f"other {plain(trend.segments[own[place].segment])}"}
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


def _key(part: TrendSeries | TrendMember) -> tuple[str, str, str]:
    return part.label, part.location, part.metric


def _part(part: TrendSeries | TrendMember) -> str:
    return f"{plain(part.label) or 'all requests'}{f' at {plain(part.location)}' if part.location else ''}"


def _name(part: TrendSeries | TrendMember) -> str:
    return text.figure(part.metric, part.label, part.location)
