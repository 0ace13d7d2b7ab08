"""Saturation of generators: limits, duration, messages and advice."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.measured import START, Sample, every_second, execution, plan_of, timeline_of
from toril.records import Plan
from toril.records.summary import Generators
from toril.summary import (
    LIMITS,
    OTHERS,
    Advice,
    Completeness,
    advise,
    check_generators,
    generators,
    saturated_now,
    summarise,
)
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode

CALM: dict[str, Any] = {"cpu": 0.2, "core": 0.3, "waiting": 0.01, "throttled": 0.0, "machine": 0.3, "share": 0.01}
CALM |= {"memory": 200 << 20, "late_ms": 1.0, "sockets": 5}
LIMIT = LIMITS["locust"]
TOO_MUCH: dict[str, dict[str, Any]] = {
    "core": {"core": LIMIT.core},
    "cpu": {"cpu": LIMIT.cpu},
    "waiting": {"waiting": 0.9},
    "throttled": {"throttled": LIMIT.throttled},
    "lateness": {"late_ms": 400.0},
    "memory": {"memory": 950 << 20},
    "sockets": {"share": LIMIT.sockets},
}


def recorded(worker: str, seconds: Sequence[Mapping[str, Any]], **facts: Any) -> Recorder:
    recorder = Recorder(worker, "local")
    recorder.generator(**{"memory_limit_bytes": 1 << 30, "single_threaded": True} | facts)
    for second, changes in enumerate(seconds):
        now = {**CALM, **changes}
        recorder.health(
            second,
            now["cpu"],
            now["core"],
            now["memory"],
            0.0,
            machine=now["machine"],
            waiting=now["waiting"],
            throttled=now["throttled"],
            sockets=now["sockets"],
            sockets_share=now["share"],
        )
        if now["late_ms"] is not None:
            late_us = round(now["late_ms"] * 1000)
            recorder.sends(second, late_us=2 * late_us, late_p90_us=late_us, dropped=now.get("dropped"))
    return recorder


def judged(
    seconds: Sequence[Mapping[str, Any]], plan: Plan | None = None, window: tuple[float, float] = (0, 1e9), **facts: Any
) -> Generators:
    return generators(plan or plan_of(), measured(seconds, **facts), window)


def measured(seconds: Sequence[Mapping[str, Any]], **facts: Any) -> Timeline:
    timeline = Timeline()
    timeline.add(decode(recorded("local-1", seconds, **facts).flush() or b"", "x"))
    return timeline


def advised(seconds: Sequence[Mapping[str, Any]], plan: Plan | None = None) -> Advice:
    chosen = plan or plan_of()
    advice = advise(chosen, check_generators(chosen, measured(seconds), (0, 1e9)))
    assert advice is not None
    return advice


def kinds(found: Generators) -> list[str]:
    return [one.what for one in found.workers["local-1"].saturation]


def test_an_unloaded_generator_is_not_saturated_and_gets_no_advice() -> None:
    found = judged([{}] * 60)
    assert (found.saturated, found.advice, kinds(found)) == ((), None, [])


@pytest.mark.parametrize("what", TOO_MUCH)
def test_a_figure_above_its_limit_for_five_seconds_is_reported_with_time_and_value(what: str) -> None:
    found = judged([{}] * 7 + [TOO_MUCH[what]] * 5 + [{}] * 60)
    assert found.saturated == ("local-1",)
    (one,) = found.workers["local-1"].saturation
    assert (one.what, one.from_s, one.lasted_s, one.seconds) == (what, 7, 5, 5)
    assert one.value >= one.limit
    assert "local-1" in one.message
    assert found.advice


@pytest.mark.parametrize("what", TOO_MUCH)
def test_a_short_spike_is_not_saturation(what: str) -> None:
    assert judged([{}] * 7 + [TOO_MUCH[what]] * 4 + [{}] * 60).saturated == ()


@pytest.mark.parametrize(("calm", "saturated"), [(8, ("local-1",)), (9, ())])
def test_separate_seconds_count_if_they_are_more_than_a_tenth_of_the_time(
    calm: int, saturated: tuple[str, ...]
) -> None:
    assert judged(([{"core": 1.0}] + [{}] * calm) * 6).saturated == saturated


def test_fewer_than_five_separate_seconds_are_not_saturation() -> None:
    assert judged([{"core": 1.0}, {}] * 4).saturated == ()
    assert judged([{"core": 1.0}, {}] * 5).saturated == ("local-1",)


def test_a_waiting_engine_is_saturated_without_high_cpu_figures() -> None:
    seconds = [{"core": 0.5, "cpu": 0.25, "waiting": 0.5, "machine": 0.95}] * 10
    (found,) = judged(seconds).workers["local-1"].saturation
    assert (found.what, found.value) == ("waiting", 0.5)
    assert advised(seconds).code == "own-core"


@pytest.mark.parametrize(
    ("core", "waiting", "found"),
    [
        (0.14, 0.8, ["waiting"]),
        (0.5, 0.4, ["waiting"]),  # a tenth of the time to spare is saturation
        (0.5, 0.39, []),
        (0.85, 0.06, []),
        (0.95, 0.04, ["core"]),
    ],
)
def test_running_and_waiting_together_saturate_an_engine(core: float, waiting: float, found: list[str]) -> None:
    assert kinds(judged([{"core": core, "waiting": waiting}] * 10)) == found
    assert judged([{"core": core, "waiting": waiting}] * 4).saturated == ()


@pytest.mark.parametrize(
    ("late_ms", "median_ms", "found"),
    [
        (4.9, 1, []),
        (5.0, 1, ["lateness"]),
        (5.0, None, ["lateness"]),
        (5.0, 51, []),
        (19.9, 200, []),
        (20.0, 200, ["lateness"]),
    ],
)
def test_the_limit_of_lateness_is_five_milliseconds_or_a_tenth_of_the_median(
    late_ms: float, median_ms: int | None, found: list[str]
) -> None:
    timeline = Timeline()
    timeline.add(decode(recorded("local-1", [{"late_ms": late_ms}] * 9).flush() or b"", "x"))
    found_of = generators(plan_of(), timeline, (0, 9), None if median_ms is None else median_ms * 1000)
    assert kinds(found_of) == found


@pytest.mark.parametrize(
    ("fast", "saturated"),
    [(0, ()), (1, ("local-1",))],  # among 60 requests of 300 ms per second
)
def test_the_fastest_label_sets_the_limit_of_lateness(fast: int, saturated: tuple[str, ...]) -> None:
    samples = every_second(range(10), Sample(0, 300_000, "slow"), 60)
    samples += every_second(range(10), Sample(0, 90_000, "fast"), fast)
    timeline = timeline_of(samples)
    timeline.add(decode(recorded("local-1", [{"late_ms": 10.0}] * 10).flush() or b"", "x"))
    summary = summarise(plan_of(), timeline, Completeness(planned=("local-1",)), START)
    assert summary.generators is not None
    assert summary.generators.saturated == saturated


def test_a_full_machine_is_saturation_only_if_waiting_is_unknown() -> None:
    assert kinds(judged([{"machine": 0.95}] * 10)) == []
    assert kinds(judged([{"machine": 0.95, "waiting": None}] * 10)) == ["machine"]


def test_only_the_judged_seconds_count() -> None:
    seconds = [{"core": 1.0}] * 6 + [{}] * 20 + [{"core": 1.0}] * 6
    assert judged(seconds, window=(6.0, 26.0)).saturated == ()
    assert judged(seconds, window=(0.5, 32.0)).saturated == ("local-1",)
    assert judged(seconds, window=(6.0, 26.0)).busiest_core_max == 1.0


def test_a_reading_covers_the_gap_before_it() -> None:
    recorder = Recorder("local-1", "local")
    for second in (0, 3, 5, 8):
        recorder.health(second, 0.95, 0.1, 1, 0.0)
    timeline = Timeline()
    timeline.add(decode(recorder.flush() or b"", "x"))
    (one,) = generators(plan_of(), timeline, (0, 9)).workers["local-1"].saturation
    assert (one.from_s, one.lasted_s, one.seconds) == (0, 9, 4)


@pytest.mark.parametrize(
    ("workers", "changes", "advice"),
    [
        (1, {"core": 1.0, "cpu": 0.5}, ("more-workers", 2)),
        (4, {"core": 0.95, "cpu": 0.5}, ("more-workers", 6)),
        (2, {"core": 0.99, "waiting": 0.2}, ("more-workers", 3)),
        (2, {"cpu": 1.0}, ("more-workers", 3)),
        (1, {"memory": 1000 << 20}, ("memory", 2)),
        (1, {"share": 0.97}, ("sockets", 2)),
    ],
)
def test_the_advised_number_of_workers_covers_the_worst_excess(
    workers: int, changes: dict[str, Any], advice: tuple[str, int]
) -> None:
    plan = plan_of(executions=[execution(concurrency=100)], workers=workers)
    found = advised([changes] * 10, plan)
    assert (found.code, found.workers) == advice
    assert str(found.workers) in found.message


def test_the_advice_does_not_exceed_the_number_of_users() -> None:
    advice = advised([{"core": 1.0}] * 10, plan_of(executions=[execution(concurrency=1)]))
    assert (advice.code, advice.workers) == ("less-load", None)


def test_a_worker_with_several_engines_has_the_strictest_limit() -> None:
    plan = plan_of(executions=[execution("a", executor="locust"), execution("b", executor="jmeter")])
    assert judged([{"waiting": LIMIT.waiting}] * 10, plan).saturated == ("local-1",)
    assert judged([{"waiting": 0.49}] * 10, plan).saturated == ()


def test_the_waits_of_jmeter_s_threads_are_reported_but_not_judged() -> None:
    found = judged([{"waiting": 1.0}] * 10, plan_of(executions=[execution(executor="jmeter")]))
    assert (found.saturated, found.waiting_max) == ((), 1.0)
    late = judged([{"waiting": 1.0, "late_ms": 30.0}] * 10, plan_of(executions=[execution(executor="jmeter")]))
    assert kinds(late) == ["lateness"]


def test_the_summary_has_the_limits_and_the_worst_value_of_each_figure() -> None:
    found = judged([{"late_ms": ms, "dropped": 2, "waiting": ms / 1000, "sockets": ms} for ms in range(1, 11)])
    worker = found.workers["local-1"]
    assert (worker.late_max_us, worker.late_p99_us) == (20_000, 20_000)
    assert (worker.dropped, found.dropped) == (20, 20)
    assert (worker.waiting_max, found.waiting_max) == (0.01, 0.01)
    assert (worker.sockets_max, worker.memory_limit_bytes, worker.throttled_max) == (10, 1 << 30, 0.0)
    assert found.limits == {"locust": LIMITS["locust"]}


def test_unmeasured_figures_are_null_and_not_saturation() -> None:
    unknown = dict.fromkeys(("machine", "waiting", "throttled", "sockets", "share", "late_ms"))
    found = judged([unknown] * 10, plan_of(executions=[execution(executor="gatling")]), memory_limit_bytes=None)
    worker = found.workers["local-1"]
    names = ("machine_max", "waiting_max", "throttled_max", "late_max_us", "late_p99_us", "dropped", "sockets_max")
    assert {getattr(worker, name) for name in (*names, "memory_limit_bytes")} == {None}
    assert found.saturated == ()
    assert found.limits == {"gatling": OTHERS}


def test_saturated_workers_are_noted_during_the_run_with_the_same_text() -> None:
    timeline = Timeline()
    seconds = [{"core": 0.9 + second / 1000} for second in range(12)] + [{}] * 12
    timeline.add(decode(recorded("local-1", seconds).flush() or b"", "x"))
    plan = plan_of(executions=[execution(hold_for_s=60.0)])
    notes = [saturated_now(plan, timeline, last) for last in range(24)]
    assert notes[3] == ()
    assert notes[4] == notes[11] == notes[16]
    assert "local-1" in notes[4][0]
    assert notes[17] == notes[23] == ()


@pytest.mark.parametrize(
    ("length_s", "busy_s", "saturated"),
    [(3, 0, False), (3, 1, True), (10, 1, True), (20, 1, False), (20, 2, True), (60, 4, False), (60, 5, True)],
)
def test_a_tenth_of_a_short_load_saturates_and_five_seconds_of_any_other(length_s, busy_s, saturated) -> None:
    seconds = [{"core": 0.95 if second < busy_s else 0.3} for second in range(length_s)]
    found = generators(plan_of(), measured(seconds), (0, length_s))
    assert (found.saturated == ("local-1",)) is saturated


def test_without_any_health_everything_is_null() -> None:
    found = generators(plan_of(), Timeline(), (0, 10))
    assert found.workers == {}
    assert found.saturated == ()
    assert (found.cpu_max, found.late_max_us, found.throttled_s, found.advice) == (None,) * 4


def test_an_idle_engine_on_a_core_full_of_other_programs_is_saturated() -> None:
    busy = {"core": 0.06, "cpu": 0.03, "machine": 1.0, "waiting": 0.05}
    assert kinds(judged([busy] * 6)) == ["crowd"]
    assert advised([busy] * 6).code == "own-core"


@pytest.mark.parametrize("own", [0.5, 0.99])
def test_an_engine_that_waits_half_of_the_time_on_a_full_machine_is_saturated(own: float) -> None:
    plan = plan_of(executions=[execution(executor="jmeter")])
    busy = {"core": 0.0, "cpu": own * 0.9, "machine": 0.97, "waiting": 0.5}
    assert "full" in kinds(judged([busy] * 5 + [{}] * 60, plan, single_threaded=False))
    for calm in ({"machine": 0.96}, {"waiting": 0.49}):
        assert "full" not in kinds(judged([{**busy, **calm}] * 20, plan, single_threaded=False))
    seldom_read = [{**busy, "waiting": 0.5 if second % 5 == 4 else None} for second in range(10)]
    assert "full" in kinds(judged([*seldom_read, *[{}] * 60], plan, single_threaded=False))
    assert "full" not in kinds(judged([busy] * 4 + [{}] * 60, plan, single_threaded=False))
    assert kinds(judged([{**busy, "cpu": 0.06}] * 5 + [{}] * 60, plan, single_threaded=False)) == ["crowd"]


def test_unmeasured_figures_of_an_engine_with_many_threads_are_not_zero() -> None:
    found = judged([{"core": 0.0}] * 20, single_threaded=False)
    assert found.busiest_core_max is None
    assert found.workers["local-1"].busiest_core_max is None


def test_a_core_filled_by_the_engine_and_its_target_is_not_crowded() -> None:
    shared = {"core": 0.5, "cpu": 0.5, "machine": 1.0, "waiting": 0.05}
    assert judged([shared] * 6).saturated == ()


def test_the_figures_of_a_generator_include_extremes_and_the_longest_time_above_the_limit() -> None:
    recorder = Recorder("w", "local")
    for second, cpu in enumerate([0.2, 0.95, 0.91, 0.3, 0.9, 0.9, 0.9]):
        recorder.health(second, cpu, 0.1, 1000 + second, 0.5)
    timeline = Timeline()
    timeline.add(decode(recorder.flush() or b"", "x"))
    found = generators(plan_of(), timeline, (0, 1e9)).workers["w"]

    assert (found.cpu_max, found.memory_max_bytes, found.throttled_s) == (0.95, 1006, 3.5)
    assert (found.longest_above_s, found.first_above_s) == (3, 4)


def test_a_late_send_after_a_pause_does_not_cover_the_pause() -> None:
    """The engine reports no lateness while nothing is due."""
    paused = ((0, 10.0), (10, 10.0), (10, 0.0), (30, 0.0), (30, 10.0), (60, 10.0))
    seconds: list[dict[str, Any]] = [{}] * 10 + [{"late_ms": None}] * 20 + [{"late_ms": 400.0}] + [{}] * 29
    vegeta = {"executor": "vegeta", "adjustable": True, "throughput_rps": 10.0}
    own = execution(concurrency=None, hold_for_s=60.0).model_copy(update=vegeta)
    plans = (plan_of(executions=[own.model_copy(update={"curve": curve})]) for curve in (paused, ()))
    assert [judged(seconds, plan).saturated for plan in plans] == [(), ("local-1",)]
