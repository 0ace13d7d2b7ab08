"""The trend of a suite: its figures over all runs, and the changes that are confirmed or suspected.

Each figure of each label and location is one series, in the order of the runs. Times and rates are compared by their
logarithms. A series is cut where the fingerprint of the runs changes. Inconclusive, tried and adjusted runs are drawn,
but no computation uses them.

- confirmed: a place found by e-divisive, with five runs before and three behind, whose 95 % interval excludes zero; or
  a suspicion that a duet of both commits has proven
- cleared: a duet of both commits, with a margin below the change, has proven that these figures are no worse
- suspected: the newest run, or the newest two, outside the range that the eight runs before predict (99 %)
- a group: changes of several series in one direction, whose first runs are neighbours

| note               | meaning                                                                                  |
|--------------------|------------------------------------------------------------------------------------------|
| `nothing-recent`   | none of the newest three runs is measured, or the newest one is old: nothing is judged    |
| `new-fingerprint`  | fewer than ten runs are comparable, because the fingerprint changed                      |
| `changed-together` | a figure jumped at that run, so the service may have changed as well as the suite        |
| `missing-label`    | the newest run has no requests of a label that most of the runs before have              |
"""

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise

from toril import text
from toril.records import Outcome, Reason
from toril.records.history import FAILED_CHECKS, MOST_LABELS_KEPT, HistoryRecord
from toril.records.trend import State, Trend, TrendGroup, TrendMember, TrendPoint, TrendSeries
from toril.regression.acknowledged import Acknowledgement
from toril.regression.earlier import figures_of, is_measured, value_of
from toril.regression.words import VERBS
from toril.stats.edivisive import AFTER, LEAST, splits
from toril.stats.paired import prediction
from toril.stats.quantiles import student_quantile

FIGURES: Mapping[str, str] = {"p50": "us", "p95": "us", "p99": "us", "failures": "share", "throughput": "/s"}
# Which direction is worse is known of checks alone, so the others are drawn only.
OF_SCRIPTS = {FAILED_CHECKS: "share", "metric-rate": "share", "metric-avg": "", "metric-p95": "", "metric-per-s": "/s"}
UNITS: Mapping[str, str] = {**FIGURES, **OF_SCRIPTS}
SHARES = ("failures", FAILED_CHECKS)
CLAIMED = ("p95", *SHARES)  # without `--metric`; more claims would be more false alarms
LEAST_CHANGE = 0.03  # relative
LEAST_FAILURES = 0.01  # one point
PREDICTING, OUTSIDE = 8, 0.01  # runs before a suspicion, and the probability that an unchanged run is suspected
CONFIRMING = 0.005  # of a place; about 4 % of unchanged series have one in any of 50 runs (bench/trend.py)
CONFIDENCE = 0.95  # of the interval of a change
NEAR = 1  # runs between the first runs of a group
MOVED = 2  # runs by which a place may move while runs are added
RECENT = 10  # runs whose labels and locations are drawn
NEWEST = 3  # runs of which one must be measured: otherwise nothing recent is judged
USUAL = 0.9  # share of the gaps between runs that are no longer than the usual one: weekends are longer
NOTHING_RECENT = "nothing-recent"
CONFIRMS = "confirms"  # the tag of a duet: the first run after a suspected change


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendQuery:
    """The wanted series. None: all; for metrics, changes are then claimed of p95 and of shares of failures only."""

    label: str | None = None
    location: str | None = None
    metric: str | None = None
    stage: str | None = None  # None: that of the newest run
    since_s: float | None = None  # the age of the oldest run in seconds; None: no limit
    least: float | None = None  # the smallest change that counts (`--min`); None: `LEAST_CHANGE`


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A change of one series."""

    at: int  # the first run after it
    member: TrendMember
    worse: bool
    small: bool
    confirmed: bool = False
    recovered: bool = False


def matters(record: HistoryRecord) -> bool:
    """Whether a trend uses a record: a run of the main branch, or a duet that confirms a suspicion."""
    drawn = record.kind in ("run", "try", "smoke") and not record.branch
    return drawn or (record.kind == "duet" and CONFIRMS in record.tags)


def trend(
    suite: str, records: Sequence[HistoryRecord], wanted: TrendQuery, accepted: Sequence[Acknowledgement], now: float
) -> Trend:
    """Returns the trend of one suite; `records` are all of its runs, the oldest first.

    `now` is in seconds since the epoch; it decides which acknowledgements have ended.
    """
    runs = [record for record in records if matters(record) and record.kind != "duet"]
    duets = {record.tags[CONFIRMS]: record for record in records if matters(record) and record.kind == "duet"}
    numbers, cuts = _segments(runs)
    measured = list(map(is_measured, runs))
    lines = [_TrendLine(*key, runs, measured, numbers, wanted.least or LEAST_CHANGE) for key in _keys(runs, wanted)]
    claimed = (wanted.metric,) if wanted.metric else CLAIMED
    changes = [tuple(line.changes()) if line.metric in claimed else () for line in lines]
    ours = [entry for entry in accepted if entry.suite == suite]
    valid = [entry for entry in ours if entry.until >= datetime.fromtimestamp(now, UTC).date()]
    clusters = _clusters([change for of_line in changes for change in of_line])
    groups = tuple(_group(cluster, runs, duets, valid) for cluster in clusters)
    regressed = any(group.state == "confirmed" and group.worse and not group.small for group in groups)
    short = all(len(line.parts[-1]) < LEAST for line in lines if line.metric in claimed)
    notes = (*_not_recent(runs, now), *_cut(runs, numbers, cuts), *_jumped(lines, claimed), *_missing(runs))
    short = short or any(reason.code == NOTHING_RECENT for reason in notes)
    used = [entry for entry in valid for cluster in clusters for change in cluster if _fits(entry, change, runs)]
    return Trend(
        suite=suite,
        at=now,
        series=tuple(line.series(of_line) for line, of_line in zip(lines, changes, strict=True)),
        groups=groups,
        segments=tuple(cuts),
        expired=tuple(str(entry) for entry in ours if entry not in valid),
        unused=tuple(str(entry) for entry in valid if entry not in used),
        runs=sum(measured),
        outcome="regressed" if regressed else "short" if short else "clean",
        stage=runs[-1].fingerprint.stage if runs else "",
        notes=notes,
    )


def _not_recent(runs: Sequence[HistoryRecord], now: float) -> Iterator[Reason]:
    """Yields a note if the newest runs judge nothing: a trend of older ones says nothing about the service of today."""
    scheduled = [record for record in runs if record.kind == "run"]
    newest = scheduled[-NEWEST:]
    if newest and not any(map(is_measured, newest)):
        codes = ", ".join(dict.fromkeys(code for record in newest for code in record.reasons)) or newest[-1].outcome
        none = f"None of the newest {text.plural(len(newest), 'run')} is measured ({text.plain(codes)})"
        fix = f"Run `toril report {text.plain(newest[-1].run_id)}`, and correct its reason"
        yield Reason(NOTHING_RECENT, f"{none}. {fix}.")
    gaps = sorted(after.started_at - before.started_at for before, after in pairwise(scheduled))
    if len(scheduled) >= LEAST and now - scheduled[-1].started_at > 2 * (usual_s := gaps[int(USUAL * len(gaps))]):
        when, usual = text.age(now - scheduled[-1].started_at), text.span(usual_s)
        gap = f"The usual gap between runs is {usual}. Check the schedule."
        yield Reason(NOTHING_RECENT, f"The newest run was {when}. {gap}")


def _cut(runs: Sequence[HistoryRecord], numbers: Sequence[int], cuts: Sequence[str]) -> Iterator[Reason]:
    """Yields a note while fewer than ten runs have the newest fingerprint."""
    newest = [run for run, number in zip(runs, numbers, strict=True) if number == numbers[-1] and is_measured(run)]
    if cuts[-1] and len(newest) < LEAST:
        since = f"Other {cuts[-1]} since run {text.plain(newest[0].run_id)}"
        only = f"only {text.plural(len(newest), 'run')} can be compared. Changes are found from {LEAST} runs on."
        yield Reason("new-fingerprint", f"{since}: {only}")


def _jumped(lines: Sequence["_TrendLine"], claimed: Sequence[str]) -> Iterator[Reason]:
    """Yields a note on figures that jumped where the newest, short segment begins."""
    jumps = [(line, change) for line in lines if line.metric in claimed if (change := line.jump()) is not None]
    if jumps:
        line, change = max(jumps, key=lambda jump: abs(jump[1]))
        what = text.figure(line.metric, line.label, line.location)
        more = f", and {len(jumps) - 1} more" if len(jumps) > 1 else ""
        moved = text.change(change, UNITS.get(line.metric, "us"))
        message = f"{text.sentence(what)} moved by {moved} with the new fingerprint{more}."
        fix = "Compare both versions with the same suite (`toril duet`): the service may have changed, too."
        yield Reason(code="changed-together", message=f"{message} {fix}")


def _missing(runs: Sequence[HistoryRecord]) -> Iterator[Reason]:
    """Yields a note on labels that most of the recent runs have, and the newest one has not."""
    recent = [record for record in runs if is_measured(record)][-RECENT:]
    if not recent or len(recent[-1].labels) == MOST_LABELS_KEPT:  # a record keeps no more
        return
    uses = Counter(label for record in recent for label in record.labels if label not in recent[-1].labels)
    gone = [text.plain(label) for label, count in uses.items() if 2 * count >= len(recent)]
    if gone:
        yield Reason(code="missing-label", message=f"The newest run has no requests of {', '.join(gone)}.")


def _keys(runs: Sequence[HistoryRecord], wanted: TrendQuery) -> list[tuple[str, str, str]]:
    """Returns label, location and metric of each wanted series. A single location is the same as all requests."""
    recent = [record for record in runs if is_measured(record)][: -RECENT - 1 : -1]
    labels = ["", *dict.fromkeys(label for record in recent for label in record.labels)]
    locations = ["", *dict.fromkeys(location for record in recent for location in record.locations)]
    alone = locations[1:] == [wanted.location]
    measured = {(name, "", one): None for record in recent for name, own in record.metrics.items() for one in own}
    drawn = [key for key in measured if wanted.label in (None, key[0]) and not (wanted.metric or wanted.location)]
    of_requests = [
        (label, location, metric)
        for location in (locations if len(locations) > 2 else [""])
        for label in labels
        for metric in ([wanted.metric] if wanted.metric else FIGURES)
        if wanted.label in (None, label)
        and (alone or wanted.location in (None, location))
        and any(figures_of(record, label, location) for record in recent)
    ]
    return of_requests + drawn


def _segments(runs: Sequence[HistoryRecord]) -> tuple[list[int], list[str]]:
    """Returns the segment of each run, and the parts of the fingerprint that changed where each segment begins."""
    numbers, cuts, last = [], [""], None
    for run in runs:
        if is_measured(run):
            if last is not None and run.fingerprint != last:
                old = last.members()
                cuts.append(", ".join(name for name, new in run.fingerprint.members().items() if new != old[name]))
            last = run.fingerprint
        numbers.append(len(cuts) - 1)
    return numbers, cuts


@dataclass(frozen=True)  # without slots, for its cached values
class _TrendLine:
    """One series. Its numbers are logarithms of times and rates, or shares of failures."""

    label: str
    location: str
    metric: str
    runs: Sequence[HistoryRecord]
    measured: Sequence[bool]  # of the runs
    segments: Sequence[int]  # of the runs
    least: float

    @cached_property
    def values(self) -> list[float | None]:
        if self.metric not in FIGURES:
            return [run.metrics.get(self.label, {}).get(self.metric) for run in self.runs]
        return [value_of(figures_of(run, self.label, self.location), self.metric) for run in self.runs]

    @cached_property
    def parts(self) -> list[dict[int, float]]:
        """Returns the numbers of each segment, by the place of their run."""
        parts: list[dict[int, float]] = [{} for _ in range(self.segments[-1] + 1)]
        for place, (value, is_used, segment) in enumerate(zip(self.values, self.measured, self.segments, strict=True)):
            if value is not None and is_used:
                parts[segment][place] = value if self.metric in SHARES else math.log(value)
        return parts

    def jump(self) -> float | None:
        """Returns the change from the segment before to the newest one, while that is too short for a place.

        None: it is no larger than a predicted one.
        """
        *others, part = self.parts
        old, new = list(others[-1].values())[-PREDICTING:] if others else [], list(part.values())
        if len(old) < PREDICTING or not new or len(new) >= LEAST:
            return None
        mean, low, high = prediction(old, OUTSIDE / 2)
        after = statistics.fmean(new)
        if low <= after <= high or abs(after - mean) <= self._limit:
            return None
        return after - mean if self.metric in SHARES else math.expm1(after - mean)

    def series(self, changes: Sequence[_Change]) -> TrendSeries:
        points = tuple(
            TrendPoint(
                run_id=run.run_id,
                started_at=run.started_at,
                value=self.values[place],
                hollow=not self.measured[place],
                segment=self.segments[place],
                commit=_commit(run),
                outcome=run.outcome,
            )
            for place, run in enumerate(self.runs)
        )
        return TrendSeries(
            label=self.label,
            location=self.location,
            metric=self.metric,
            unit=UNITS.get(self.metric, "us"),
            points=points,
            changes=tuple(change.at for change in changes if change.confirmed),
        )

    def changes(self) -> Iterator[_Change]:
        """Yields the confirmed changes, and a suspected one."""
        for part in self.parts:
            places, numbers = list(part), list(part.values())
            points = splits(numbers, CONFIRMING, correlated=True)
            for number, at in enumerate(points):
                reach = student_quantile((1 + CONFIDENCE) / 2, at.freedom) * at.error
                if abs(at.after - at.before) <= reach:  # the spread changed, or one run stands out
                    continue
                back = any(self._worse_by(later.after - at.before) <= self._limit for later in points[number + 1 :])
                change = self._change(places[at.place], at.before, at.after, reach, _delay(numbers, at.place))
                yield replace(change, confirmed=True, recovered=change.worse and back)
        if len(numbers) >= LEAST:  # of the last segment
            yield from self._suspected(places, numbers)

    def _suspected(self, places: Sequence[int], numbers: Sequence[float]) -> Iterator[_Change]:
        """Yields a change if the newest two runs, or the newest one, are on one side of the predicted range."""
        for count in (2, 1):
            new, old = numbers[-count:], numbers[-count - PREDICTING : -count]
            mean, low, high = prediction(old, OUTSIDE / 2)
            if min(new) > high or max(new) < low:
                error = statistics.stdev(old) * math.sqrt(1 / count + 1 / PREDICTING)
                reach = student_quantile((1 + CONFIDENCE) / 2, PREDICTING - 1) * error
                change = self._change(places[-count], mean, statistics.fmean(new), reach, count)
                if not change.small:
                    yield change
                return

    def _change(self, at: int, before: float, after: float, reach: float, delay: int) -> _Change:
        shares, change = self.metric in SHARES, after - before
        before, after = (round(level if shares else math.exp(level), 6) for level in (before, after))
        size, low, high = (
            round(bound if shares else math.expm1(bound), 6) for bound in (change, change - reach, change + reach)
        )
        member = TrendMember(
            label=self.label,
            location=self.location,
            metric=self.metric,
            before=before,
            after=after,
            change=size,
            low=low,
            high=high,
            delay=delay,
        )
        return _Change(at=at, member=member, worse=self._worse_by(change) > 0, small=abs(change) <= self._limit)

    def _worse_by(self, change: float) -> float:
        return -change if self.metric == "throughput" else change

    @property
    def _limit(self) -> float:
        """The largest change that counts as none; a step of the engine's record proves nothing."""
        if self.metric in SHARES:
            return LEAST_FAILURES
        figures, value = figures_of(self.runs[-1], self.label, self.location), self.values[-1]
        step_us = figures.resolution_us or 0 if figures and self.metric != "throughput" else 0
        return math.log1p(self.least) + math.log1p(step_us / value if value else 0)


def _delay(numbers: Sequence[float], place: int) -> int:
    """Returns the number of runs after a change that were needed to find it."""
    for count in range(AFTER, len(numbers) - place):
        split_points = splits(numbers[: place + count], CONFIRMING, correlated=True)
        if any(abs(split.place - place) <= NEAR for split in split_points):
            return count
    return len(numbers) - place


def _clusters(changes: Sequence[_Change]) -> list[list[_Change]]:
    """Returns the changes that belong together, the newest first: of one direction, their first runs neighbours."""
    clusters: list[list[_Change]] = []
    for change in sorted(changes, key=lambda change: (change.worse, change.at)):
        if clusters and clusters[-1][0].worse == change.worse and change.at - clusters[-1][0].at <= NEAR:
            clusters[-1].append(change)
        else:
            clusters.append([change])
    return sorted(clusters, key=lambda cluster: -cluster[0].at)


def _group(
    cluster: Sequence[_Change],
    runs: Sequence[HistoryRecord],
    duets: Mapping[str, HistoryRecord],
    valid: Sequence[Acknowledgement],
) -> TrendGroup:
    first, last = cluster[0].at, cluster[-1].at
    main = [change for change in cluster if not change.small] or list(cluster)
    before = max(place for place in range(first) if is_measured(runs[place]))
    near = [duets.get(run.run_id) for run in runs[before : last + NEAR + 1]]  # a place moves while runs are added
    proven = (duet for duet in near if duet is not None and _answer(duet, main) == "failed")
    own = near[first - before : last - before + 1]  # other duets cannot clear these commits
    duet = next(proven, None) or next(filter(None, own), None)
    answer = "inconclusive" if duet is None else _answer(duet, main)
    reasons = [next((entry.reason for entry in valid if _fits(entry, change, runs)), "") for change in main]
    state: State = "confirmed"
    if answer == "passed":
        state = "cleared"
    elif answer != "failed" and not any(change.confirmed for change in main):
        state = "suspected"
    elif all(change.recovered for change in main):
        state = "recovered"
    elif all(reasons):
        state = "acknowledged"
    group = TrendGroup(
        id=runs[first].run_id,
        state=state,
        worse=cluster[0].worse,
        small=all(change.small for change in cluster),
        from_run=runs[before].run_id,
        to_run=runs[last].run_id,
        from_commit=_commit(runs[before]),
        to_commit=_commit(runs[last]),
        series=tuple(change.member for change in (*main, *(change for change in cluster if change not in main))),
        duet="" if duet is None else duet.run_id,
        acknowledged=reasons[0] if state == "acknowledged" else "",
    )
    return replace(group, message=_words(group))


def _answer(duet: HistoryRecord, changes: Sequence[_Change]) -> Outcome:
    """Returns what a duet says about these changes: only figures that it compared count, and a margin below them."""
    compared = {(change.label, change.metric): change.outcome for change in (duet.duet.changes if duet.duet else ())}
    own = [change.member for change in changes if (change.member.label, change.member.metric) in compared]
    if "regression" in duet.reasons and any(compared[member.label, member.metric] == "failed" for member in own):
        return "failed"
    margin = duet.duet.margin if duet.duet else 0.0
    beyond = all(member.metric in SHARES or margin < abs(member.change or 0.0) for member in own)
    return "passed" if duet.outcome == "passed" and own and beyond else "inconclusive"


def _fits(entry: Acknowledgement, change: _Change, runs: Sequence[HistoryRecord]) -> bool:
    """Whether an acknowledgement is about this change."""
    member = change.member
    if any(getattr(entry, name) not in ("", getattr(member, name)) for name in ("label", "location", "metric")):
        return False
    near = runs[max(0, change.at - MOVED) : change.at + MOVED + 1]
    if entry.run:
        return any(run.run_id == entry.run for run in near)
    commits = [_commit(run).rstrip("+") for run in near]
    return any(commit and (commit.startswith(entry.commit) or entry.commit.startswith(commit)) for commit in commits)


def _commit(run: HistoryRecord) -> str:
    return run.tags.get("commit", "")


def _words(group: TrendGroup) -> str:
    """Returns one or two sentences about a group; the first series stands for all."""
    top, others = group.series[0], len(group.series) - 1
    unit, sign = UNITS.get(top.metric, "us"), -1 if (top.change or 0.0) < 0 else 1
    ends = (top.low, top.high)[::sign]
    size, least, most = (text.extent(sign * (value or 0.0), unit) for value in (top.change, *ends))
    moved = VERBS[unit][not group.worse].format(size)
    what = f"{text.sentence(text.figure(top.metric, top.label, top.location))} {moved}"
    more = f"; {others} more series moved with it" if others else ""
    words = f"found after {text.plural(top.delay, 'run')}" if group.state != "suspected" else "not confirmed yet"
    commits = text.plain(f"{group.from_commit or group.from_run} … {group.to_commit or group.to_run}")
    return f"{what} ({least} to {most}) since {commits}, {words}{more}."
