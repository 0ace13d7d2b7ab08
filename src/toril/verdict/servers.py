"""Criteria on metrics of the system under test, period by period.

All periods that overlap the judged time count. Sums, sample counts, maxima and minima can be merged exactly, so they
are judged over the whole run. Averages and percentiles cannot, so each period is judged alone.
"""

import math
from dataclasses import replace

from toril.criteria import Criterion, ServerMetric, criteria_of
from toril.criteria.service import service_queries
from toril.records import PART_OF_PERIOD_NEEDED, PROMETHEUS, MetricQuery, MetricSeries, Plan
from toril.summary import judged_window, lasted_s
from toril.text import plural
from toril.verdict.evidence import Evidence
from toril.verdict.result import CriterionResult, never_full, settled, undecided, with_value
from toril.verdict.windows import COMBINED, MORE, Combine, JudgedWindow, PointWatch, margin

TINY_S = 1e-3  # rounding error of the points' times


def queries(plan: Plan) -> tuple[MetricQuery, ...]:
    """Returns the queries of the plan's criteria and of its service, without duplicates."""
    judged = [criterion.server for criterion in criteria_of(plan.criteria) if criterion.server is not None]
    asked = (query for query in judged if query.namespace != PROMETHEUS)  # which are those of the service
    return tuple({query.key: query for query in (*service_queries(plan.service), *asked)}.values())


def judge_server(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    """Returns the result of a criterion on a metric of the system under test."""
    metric = blank.criterion.server
    assert metric is not None  # noqa: S101 - of each criterion with this source
    series = None if evidence.metrics is None else evidence.metrics.find(metric)
    if series is None:
        return _unknown(blank, f"toril did not query {metric.source}")
    metric = metric.model_copy(update={"period_s": series.period_s})  # a query of Prometheus has its own
    plan = evidence.plan
    from_s, to_s = judged_window(
        plan, lasted_s(plan, evidence.timeline, evidence.completeness), blank.criterion.executions
    )
    judged = _Periods(blank.criterion, metric, series, from_s, to_s)
    if not judged.periods:
        return _unknown(blank, series.error or f"{metric.source} has no value in the judged time")
    result = judged.total(blank) if blank.criterion.logic == "total" else judged.windows(blank)
    open_end = series.error is not None and not judged.zeros
    if result.fired:
        return settled(result, stands=judged.lasts or not (open_end or judged.missing))
    if open_end:
        return _unknown(result, series.error or "")
    if judged.missing:
        missing = f"{metric.source} has no value in {plural(judged.missing, 'judged period')}"
        return _unknown(result, f"{missing}; a longer `metrics-wait` may help")
    if result.observed is None:
        return never_full(blank, round(to_s - from_s), ended_by_criterion=evidence.ended_by_criterion)
    return result


class _Periods:
    """The periods that a criterion judges, numbered from the first one with a value."""

    def __init__(
        self, criterion: Criterion, metric: ServerMetric, series: MetricSeries, from_s: float, to_s: float
    ) -> None:
        self.criterion, self.metric, self.from_s, self.to_s = criterion, metric, from_s, to_s
        self.zeros = metric.missing_is_zero and series.answered
        self._origin_s = series.points[0][0] if series.points else from_s
        values = {round((at_s - self._origin_s) / metric.period_s): value for at_s, value in series.points}
        wanted = self._overlapping()
        self.periods = [  # number, value in the criterion's unit
            (number, metric.factor * values.get(number, 0.0)) for number in wanted if number in values or self.zeros
        ]
        there = {number for number, _ in self.periods}
        self.missing = sum(number not in there and self._overlap(number) >= PART_OF_PERIOD_NEEDED for number in wanted)

    @property
    def lasts(self) -> bool:
        """Whether later values cannot undo a breach."""
        if self.criterion.logic == "for" or self.metric.merge == "none":
            return True
        more = self.criterion.op in MORE
        return self.criterion.op != "=" and (self.metric.merge in ("sum", "max")) is more

    def total(self, blank: CriterionResult) -> CriterionResult:
        """Returns the result of the whole time: of the merged value, or of the worst period if values cannot merge."""
        window, merge = None, self.metric.merge
        if merge == "none":
            number, value = max(self.periods, key=lambda pair: margin(self.criterion, pair[1]))
            window = self._window(number, number, value)
        else:
            value = COMBINED[merge]([value for _, value in self.periods])
        return with_value(replace(blank, window=window, samples=len(self.periods)), value)

    def windows(self, blank: CriterionResult) -> CriterionResult:
        """Returns the result of all windows; a window has the timeframe's number of periods."""
        frame = math.ceil(self.criterion.timeframe_s / self.metric.period_s)
        combine: Combine = "max" if self.metric.merge == "none" else self.metric.merge  # `none` occurs with `for` only
        watch, before = PointWatch(self.criterion, combine, frame), None
        for number, value in self.periods:
            if self.metric.merge == "sum" and self.criterion.op not in MORE and self._overlap(number) < 1 - TINY_S:
                continue  # low only because the load covered a part of the period
            if before is not None and number > before + 1:
                watch.miss(number - 1)
            watch.add(number, value)
            before = number
        shown, worst = watch.fired or watch.worst, watch.worst
        if shown is None or worst is None:
            return blank
        window = self._window(shown.from_s, shown.to_s, shown.value)
        return with_value(replace(blank, window=window, samples=window.samples), shown.value, worst.value)

    def _overlapping(self) -> range:
        """Returns the numbers of all periods that overlap the judged time."""
        period_s = self.metric.period_s
        first = math.floor((self.from_s - self._origin_s) / period_s + TINY_S)
        last = math.ceil((self.to_s - self._origin_s) / period_s - TINY_S)
        return range(first, max(last, first + 1))

    def _overlap(self, number: int) -> float:
        """Returns the judged part of the period, 0 … 1."""
        begin, period_s = self._origin_s + number * self.metric.period_s, self.metric.period_s
        return max(0.0, min(self.to_s, begin + period_s) - max(self.from_s, begin)) / period_s

    def _window(self, first: int, last: int, value: float) -> JudgedWindow:
        """Returns the periods in seconds since the start signal, cut to the judged time."""
        period_s = self.metric.period_s
        begin, end = self._origin_s + first * period_s, self._origin_s + (last + 1) * period_s
        start, end = math.floor(max(begin, self.from_s)), math.ceil(min(end, self.to_s))
        return JudgedWindow(start, max(start, end - 1), value, last - first + 1)


def _unknown(result: CriterionResult, why: str) -> CriterionResult:
    """Returns the result as inconclusive: too few values to prove that the criterion was kept."""
    return undecided(result, "no-samples", f"{result.message}; but {why}" if result.message else why)
