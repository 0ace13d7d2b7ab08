"""Builds the summary from the merged timeline."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, cast

from toril.records import Case, Plan
from toril.records.summary import (
    TRANSACTION,
    EarlyStop,
    ErrorCount,
    ExecutionLoad,
    FirstFailure,
    LabelFigures,
    Load,
    LoadTotals,
    LocationSecond,
    LostWorker,
    MetricFigures,
    PartFigures,
    PhaseTimes,
    RateChange,
    ResponseTimes,
    SecondFigures,
    Summary,
    TestResults,
    Window,
    WorkerCounts,
)
from toril.secrets.masking import mask, masked_settings
from toril.stats.histogram import Histogram, highests_of, lowests_of
from toril.stats.quantiles import quantile_interval
from toril.summary.completeness import Completeness, judged_window, last_measured, lasted_s, planned_s
from toril.summary.generators import generators
from toril.summary.load import SteadyLoad, due_by_second, planned_users, starts_of, steady_load
from toril.summary.phases import phase_figures
from toril.summary.plan_forms import queued_plan
from toril.timeline import Slice, Stats, Timeline
from toril.timeline.intervals import TAGGED, VALUE_SCALE, Kind
from toril.timeline.values import mean_value, percentile_value, sum_of_values

PERCENTILES = {
    "p50": 50.0, "p75": 75.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99
}  # fmt: skip


def summarise(plan: Plan, timeline: Timeline, completeness: Completeness, started_at: float | None) -> Summary:
    """Returns the summary of a run, over all samples, or those of the steady state if the plan excludes the ramp-up."""
    plan = queued_plan(plan, completeness)
    last, duration_s = last_measured(timeline), lasted_s(plan, timeline, completeness)
    whole_s = max(0 if last is None else last + 1, math.ceil(duration_s))
    builder = _Builder(plan, timeline, completeness)
    from_s, to_s = judged_window(plan, duration_s)
    locations = tuple(dict.fromkeys((*plan.locations, *timeline.locations())))
    return Summary(
        run_id=plan.run_id,
        suite=plan.suite,
        tags=masked_settings(dict(plan.tags)),
        started_at=_moment(started_at),
        duration_s=duration_s,
        window=Window(from_s=from_s, to_s=to_s),
        stop=_stop(completeness),
        workers=WorkerCounts(
            planned=len(completeness.planned),
            reported=len(completeness.reported),
            lost=tuple(LostWorker(worker=worker, reason=mask(reason)) for worker, reason in completeness.lost),
            damaged_files=completeness.damaged,
            unreadable_records=max(timeline.unreadable, completeness.unreadable_records),
        ),
        load=_load(steady_load(plan, timeline, completeness.stopped_at_s)),
        generators=generators(plan, timeline, (from_s, to_s), builder.shortest_median_us()),
        labels=builder.everything(),
        executions={name: builder.part(execution=name) for name in _executions(plan, timeline)},
        locations={name: builder.part(location=name) for name in locations},
        metrics=builder.metrics(),
        tagged=builder.tagged(),
        series=tuple(_series(plan, timeline, whole_s, locations)),
        first_failures=tuple(_first_failures(completeness)),
        rates=tuple(_rates(completeness)) or None,
        faults=phase_figures(plan, timeline, completeness) or None,
    )


def figures_between(
    summary: Summary, plan: Plan, timeline: Timeline, completeness: Completeness, first: int, last: int
) -> Summary:
    """Returns the summary with the figures of the seconds `first` to `last`, both inclusive.

    Rates are divided by the planned time in these seconds. Loads and generators stay those of the run.
    """
    plan, within = queued_plan(plan, completeness), (float(first), last + 1.0)
    builder = _Builder(plan, timeline.between(first, last), completeness, within)
    return replace(
        summary,
        window=Window(from_s=within[0], to_s=within[1]),
        labels=builder.everything(),
        executions={name: builder.part(execution=name) for name in summary.executions},
        locations={name: builder.part(location=name) for name in summary.locations},
        metrics=builder.metrics(),
        tagged=builder.tagged(),
        series=tuple(second for second in summary.series if first <= second.second <= last),
        first_failures=tuple(kept for kept in summary.first_failures if first <= kept.at_s < last + 1),
    )


def _first_failures(completeness: Completeness) -> Iterator[FirstFailure]:
    """Yields the first failures that workers kept, in the order of their times."""
    kept = [(worker, exit.attempt, failure) for worker, exit in completeness.exits.items() for failure in exit.kept]
    for worker, attempt, failure in sorted(kept, key=lambda entry: (entry[2].at_s, entry[0])):
        yield FirstFailure(
            worker=worker,
            execution=failure.execution,
            label=mask(failure.label),
            message=mask(failure.message),
            at_s=failure.at_s,
            files=tuple(f"workers/{worker}/{attempt}/{file}" for file in failure.files),
        )


def _rates(completeness: Completeness) -> Iterator[RateChange]:
    started_at = completeness.started_at or 0.0
    for rate in completeness.rates:
        yield RateChange(
            execution=rate.execution,
            rps=rate.rps,
            at_s=round(rate.at - started_at, 3),
            asked_s=round(rate.asked_at - started_at, 3),
            cause=rate.cause,
            unit=rate.unit if rate.unit != "/s" else None,
        )


def _stop(completeness: Completeness) -> EarlyStop | None:
    if completeness.stop is None:
        return None
    at_s = completeness.stopped_at_s
    return EarlyStop(cause=completeness.stop.cause, at_s=None if at_s is None else round(at_s, 3))


def tests_of(cases: Sequence[Case]) -> TestResults:
    """Returns `tests` of a summary: the number of test cases by outcome, and all cases in the order of their starts."""
    counted = Counter(case.outcome for case in cases)
    return TestResults(
        total=len(cases),
        passed=counted["passed"],
        failed=counted["failed"],
        broken=counted["broken"],
        skipped=counted["skipped"],
        cases=tuple(sorted(cases, key=lambda case: (case.at_s, case.execution))),
    )


class _Builder:
    """The figures of labels in the judged window."""

    def __init__(
        self,
        plan: Plan,
        timeline: Timeline,
        completeness: Completeness,
        within: tuple[float, float] | None = None,
    ) -> None:
        self._plan, self._timeline, self._completeness, self._within = plan, timeline, completeness, within
        self._planned_s: dict[tuple[str | None, frozenset[str]], float] = {}
        self._steady = True if plan.ramp_up_exclude else None
        self._whole = self._part(None, None)

    def shortest_median_us(self) -> int | None:
        """Returns the shortest median among labels with at least 1 % of all requests; None without samples."""
        least = self._whole[""][0].samples / 100
        some = [figures for figures, _ in self._whole.values() if figures.samples >= max(1, least)]
        requests = [figures for figures in some if figures.kind != "timing"]  # browsers measure timings themselves
        medians = [figures.response_us.p50 for figures in requests if figures.response_us is not None]
        return min((median for median in medians if median is not None), default=None)

    def everything(self) -> dict[str, LabelFigures]:
        """Returns the figures of all requests and of each label, with their histograms."""
        by_label = {}
        for label, (figures, response) in self._whole.items():
            lowest, highest = lowests_of(response.buckets), highests_of(response.buckets)
            histogram = zip(lowest.tolist(), highest.tolist(), response.counts.tolist(), strict=True)
            by_label[label] = replace(figures, histogram=tuple(histogram))
        return by_label

    def part(self, execution: str | None = None, location: str | None = None) -> PartFigures:
        """Returns the figures of one execution or location; if it is the only one, those of the whole run."""
        executions = {*(planned.name for planned in self._plan.executions), *self._timeline.executions()}
        everywhere = location is None or set(self._timeline.locations()) == {location}
        whole = everywhere and (execution is None or executions == {execution})
        part = self._whole if whole else self._part(execution, location)
        labels = {label: figures for label, (figures, _) in part.items()}
        return PartFigures(labels=labels, metrics=self.metrics(execution, location))

    def metrics(self, execution: str | None = None, location: str | None = None) -> dict[str, MetricFigures]:
        """Returns the figures of checks and own metrics with values there, by name; `name (kind)` if kinds share it."""
        executions, figures = () if execution is None else (execution,), {}
        for key, (name, kind) in self._timeline.metrics().items():
            stats = self._timeline.select(name, executions, location, self._steady, kind).total
            if stats.samples:
                figures[key] = _metric(kind, stats, self._seconds(name, execution, kind))
        return figures

    def tagged(self) -> dict[str, LabelFigures]:
        """Returns the figures of each label with each tag, and of each tag."""
        figures = {}
        for label in self._timeline.measured(TAGGED):
            view = self._timeline.select(label, steady=self._steady, kind=TAGGED)
            if (stats := view.total).samples:
                figures[label] = self._figures(view, stats, self._seconds(label, None, TAGGED))
        return figures

    def _part(self, execution: str | None, location: str | None) -> dict[str, tuple[LabelFigures, Histogram]]:
        """Returns the figures of all requests, and of each label with samples or unfinished requests there."""
        executions = () if execution is None else (execution,)
        by_name = {}
        shared = self._timeline.labels_of_both_kinds()
        for label in ("", *sorted({*self._timeline.labels(), *self._timeline.unfinished_labels()} - {""})):
            seconds = self._seconds(label, execution)
            kinds: tuple[Kind | None, ...] = (None, "transaction") if label in shared else (None,)
            for kind in kinds:
                view = self._timeline.select(label, executions, location, self._steady, kind)
                stats = view.total
                if stats.samples or stats.unfinished or not label:
                    name = f"{label}{TRANSACTION}" if kind else label
                    by_name[name] = self._figures(view, stats, seconds), stats.response
        return by_name

    def _seconds(self, label: str, execution: str | None, kind: Kind | None = None) -> float:
        """Returns the divisor of a label's rate; 0 without measurements. Labels of the same executions share it."""
        if self._timeline.last_second is None:
            return 0.0
        senders = self._timeline.senders(label, kind)
        key = execution, senders
        if key not in self._planned_s:
            executions = tuple(sorted(senders)) if execution is None and kind else (execution,) if execution else ()
            known = self._plan, self._timeline, self._completeness
            self._planned_s[key] = planned_s(*known, executions, "" if kind else label, self._within)
        return self._planned_s[key]

    def _figures(self, view: Slice, stats: Stats, seconds: float) -> LabelFigures:
        kind = view.kind or (self._timeline.kind_of(view.label) if view.label else "request")
        return LabelFigures(
            kind=cast(Literal["request", "transaction", "timing", "tagged"], kind),
            samples=stats.samples,
            failures=stats.failures,
            failures_share=stats.failures / stats.samples if stats.samples else None,
            unfinished=stats.unfinished,
            bytes=stats.bytes,
            rps=round(stats.samples / seconds, 3) if seconds > 0 else None,
            resolution_us=view.resolution_us,
            response_us=_times(stats, view.resolution_us),
            failed_response_us=_times(stats.failed, view.resolution_us) if stats.failures else None,
            ttfb_us=_mean(stats.ttfb_sum_us, stats.ttfb_count),
            connect_us=_mean(stats.connect_sum_us, stats.connect_count),
            rc=dict(sorted(stats.rc.items())),
            errors=tuple(
                ErrorCount(message=message, rc=rc, count=count)
                for (message, rc), count in sorted(stats.errors.items(), key=lambda item: (-item[1], item[0]))
            ),
        )


def _metric(kind: Kind, stats: Stats, seconds: float) -> MetricFigures:
    shown: dict[str, float] = {}
    if kind in ("trend", "counter"):
        shown["sum"] = sum_of_values(stats)
    if kind in ("trend", "gauge"):
        shown |= {"min": stats.min_us / VALUE_SCALE, "max": stats.max_us / VALUE_SCALE}
        shown["mean"] = round(mean_value(stats), 6)
    if kind == "trend":
        shown |= {name: percentile_value(stats, PERCENTILES[name]) for name in ("p50", "p90", "p95", "p99")}
    if seconds > 0:
        shown["per_s"] = round((shown["sum"] if kind == "counter" else stats.samples) / seconds, 3)
    named = cast(Literal["check", "trend", "counter", "gauge", "rate"], kind)
    return MetricFigures(kind=named, samples=stats.samples, failures=stats.failures, **shown)


def _times(stats: Stats, resolution_us: int) -> ResponseTimes:
    intervals = {
        name: quantile_interval(stats.response, percent, resolution_us=resolution_us)
        for name, percent in PERCENTILES.items()
    }
    if not stats.samples:
        return ResponseTimes(interval=intervals)
    return ResponseTimes(
        min=stats.min_us,
        mean=round(stats.mean_us),
        stdev=round(stats.stdev_us),
        **{name: stats.percentile(percent) for name, percent in PERCENTILES.items()},
        max=stats.max_us,
        interval=intervals,
    )


def _mean(sum_us: int, samples: int) -> PhaseTimes | None:
    return PhaseTimes(mean=round(sum_us / samples), samples=samples) if samples else None


def _executions(plan: Plan, timeline: Timeline) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*(execution.name for execution in plan.executions), *timeline.executions())))


def _load(loads: tuple[SteadyLoad, ...]) -> Load:
    """Returns requested and achieved load, in total and by execution; each execution counts in its own steady state."""
    executions = {
        load.execution: ExecutionLoad(
            requested=_requested((load,)),
            achieved=_achieved((load,)),
            steady=Window(from_s=load.from_s, to_s=load.to_s),
        )
        for load in loads
    }
    return Load(requested=_requested(loads), achieved=_achieved(loads), executions=executions)


def _requested(loads: tuple[SteadyLoad, ...]) -> LoadTotals:
    return _totals(loads, [load.requested_users for load in loads], [load.requested_rps for load in loads])


def _achieved(loads: tuple[SteadyLoad, ...]) -> LoadTotals:
    return _totals(loads, [load.achieved_users for load in loads], [load.achieved_rps for load in loads])


def _totals(loads: Sequence[SteadyLoad], users: Sequence[float | None], rates: Sequence[float | None]) -> LoadTotals:
    by_journeys = [load.of_journeys for load in loads]
    rps, journeys = (
        [rate if of is wanted else None for rate, of in zip(rates, by_journeys, strict=True)]
        for wanted in (False, True)
    )
    return LoadTotals(virtual_users=_total(users), rps=_total(rps), journeys_per_s=_total(journeys))


def _total(values: Sequence[float | None]) -> float | None:
    """Returns the sum; None if a part is unknown, because the rest is no total."""
    known = [value for value in values if value is not None]
    return round(sum(known), 3) if known and len(known) == len(values) else None


def _series(plan: Plan, timeline: Timeline, duration_s: int, locations: tuple[str, ...]) -> Iterator[SecondFigures]:
    """Yields each second of the run, with or without samples."""
    everything, views = timeline.select(), {name: timeline.select(location=name) for name in locations}
    whole, users = everything.by_second(duration_s, (50, 95, 99)), everything.virtual_users_curve(duration_s)
    parts = {
        name: (view.by_second(duration_s, (95,)), view.virtual_users_curve(duration_s)) for name, view in views.items()
    }
    started, seconds = starts_of(timeline, *plan.executions), range(duration_s)
    journeys = [None] * duration_s if started is None else started.by_second(duration_s).samples.tolist()
    due, due_journeys = due_by_second(plan, seconds), due_by_second(plan, seconds, journeys=True)
    for second in range(duration_s):
        p50_us, p95_us, p99_us = (column[second] for column in whole.percentiles_us)
        yield SecondFigures(
            second=second,
            samples=int(whole.samples[second]),
            failures=int(whole.failures[second]),
            bytes=int(whole.bytes[second]),
            virtual_users=users[second],
            planned_users=round(sum(planned_users(execution, second + 0.5) for execution in plan.executions)),
            planned_rps=due[second],
            journeys=journeys[second],
            planned_journeys=due_journeys[second],
            p50_us=p50_us,
            p95_us=p95_us,
            p99_us=p99_us,
            locations={
                name: LocationSecond(
                    samples=int(part.samples[second]),
                    failures=int(part.failures[second]),
                    virtual_users=users_there[second],
                    p95_us=part.percentiles_us[0][second],
                )
                for name, (part, users_there) in parts.items()
            },
        )


def _moment(started_at: float | None) -> str | None:
    """Returns the time in UTC as ISO 8601, to the millisecond."""
    if started_at is None:
        return None
    return datetime.fromtimestamp(started_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
