"""Engines that run through a duet: their turns, and the arm and block of each request. Without processes."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.duets import SUITE, SWITCHED, merged, planned
from tests.pathological.brute import flushed
from toril.engines import Batch, EngineContext, InFlight, LoadFacts, Sends
from toril.records import BASE, HEAD, Plan
from toril.timeline.intervals import Interval, Recorder, decode
from toril.worker.capture import Capture, CaseBook
from toril.worker.engine_runs import EngineRun, EngineRuns
from toril.worker.share import configuration, contexts
from toril.worker.turns import engine_turns, turn_of

START = 1_700_000_000.0
SCRIPTED = SWITCHED.replace("requests: [{label: home, url: /}, {label: checkout, url: /checkout}]", "script: own.py")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(tmp_path, SWITCHED.replace("hold-for: 40s", "hold-for: 40s, delay: 1s"))


def prepared(plan: Plan, folder: Path) -> list[EngineContext]:
    return contexts(plan, plan.shares[0], folder, folder)


def test_one_engine_gets_both_shares(plan: Plan, tmp_path: Path) -> None:
    (context,) = prepared(plan, tmp_path)
    assert (context.arms, context.planned.arm, context.base) == ((BASE, HEAD), HEAD, plan.shares[0].executions[0])
    (item,) = configuration(plan, plan.shares[0], tmp_path, {})["execution"]
    assert item["scenario"] == "shop of head"


def test_a_script_that_reads_the_address_gets_an_engine_for_each_arm(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("from locust import HttpUser\n")
    plan = planned(tmp_path, SCRIPTED)
    found = prepared(plan, tmp_path)
    assert [(one.arms, one.base) for one in found] == [((BASE,), None), ((HEAD,), None)]
    items = configuration(plan, plan.shares[0], tmp_path, {})["execution"]
    assert [item["scenario"] for item in items] == ["shop of base", "shop of head"]


def test_engines_that_start_for_each_turn_have_no_turns(tmp_path: Path) -> None:
    plan = planned(tmp_path, SUITE)
    found = prepared(plan, tmp_path)
    assert len(found) == 8 and not any(one.turns or one.arms for one in found)


def test_each_arm_loses_the_delay_in_its_warm_up(plan: Plan, tmp_path: Path) -> None:
    """The gate opens at 1 s. The warm-ups are 0 s to 2 s and 2.2 s to 4.2 s of the run."""
    assert plan.duet is not None
    (context,) = prepared(plan, tmp_path)
    found = [(one.block, one.begin_s, one.end_s) for one in context.turns[:3]]
    assert found == [
        (0, 0, 1),
        (0, pytest.approx(2.2), pytest.approx(3.2)),
        (1, pytest.approx(3.4), pytest.approx(5.4)),
    ]
    own_s = {arm: sum(one.end_s - one.begin_s for one in context.turns if one.arm == arm) for arm in (BASE, HEAD)}
    assert own_s == {BASE: pytest.approx(9), HEAD: pytest.approx(9)}
    assert context.turns[-1].end_s == pytest.approx(context.length_s)


def test_a_request_belongs_to_the_turn_in_which_it_began(plan: Plan) -> None:
    assert plan.duet is not None
    turns = engine_turns(plan.duet, 0.0)
    for turn in turns:
        for at_s, within in (
            (turn.begin_s - 0.001, True),  # rounded down by its engine
            (turn.begin_s, True),
            (turn.end_s - 0.001, True),
            (turn.end_s, False),
            (turn.end_s + 0.1, False),
        ):
            arm, block, inside = turn_of(turns, (BASE, HEAD), np.array([at_s]))
            assert (arm[0], block[0], inside[0]) == (turn.arm, turn.block, within)


def test_an_engine_with_one_arm_has_requests_of_this_arm_only(plan: Plan) -> None:
    assert plan.duet is not None
    turns = engine_turns(plan.duet, 0.0)
    for arm in (BASE, HEAD):
        found, _, within = turn_of(turns, (arm,), np.array([one.begin_s for one in turns]))
        assert set(found.tolist()) == {arm}
        assert within.tolist() == [one.arm == arm for one in turns]


def batch(*begun_s: float, us: int = 50_000) -> Batch:
    size, started_s = len(begun_s), START + np.array(begun_s, np.float64)
    return Batch(
        started_s=started_s, completed_s=started_s + us / 1e6, label=np.full(size, "home", object),
        kind=np.full(size, "request", object), ok=np.ones(size, np.bool_), rc=np.full(size, "200", object),
        message=np.full(size, "", object),
        **{name: np.full(size, us, np.int64) for name in ("response_us", "ttfb_us", "connect_us", "bytes")},
    )  # fmt: skip


def recorded(context: EngineContext, samples: Batch, **more: Any) -> tuple[EngineRuns, Interval]:
    """Returns what a worker records of these samples."""
    engine: Any = SimpleNamespace(
        context=context, resolution_us=1, recorded=False, facts=LoadFacts, unreadable=lambda: 0, switches=True,
        **{"batches": lambda final: iter([samples]), "sends": tuple, "unfinished": tuple} | more,
    )  # fmt: skip
    runs = EngineRuns([EngineRun(engine=engine, begins_at=START + 1, ended_at=START + 20)])
    recorder = Recorder("local-1", "local")
    Capture(recorder, runs, START, CaseBook("local-1", str)).read(runs[0], final=True)
    (data,) = flushed(recorder)
    return runs, decode(data, "file")


def test_samples_of_both_arms_have_their_turns(plan: Plan, tmp_path: Path) -> None:
    assert plan.duet is not None
    (context,) = prepared(plan, tmp_path)
    turns = list(plan.duet.turns())
    late_s = turns[2].ends_s + 0.1  # between two turns
    runs, interval = recorded(context, batch(*(turn.ends_s - 0.01 for turn in turns), late_s))
    timeline, arms = merged(plan, interval)
    for turn in turns:
        whole = timeline.select(arm=turn.arm, block=turn.block)
        assert whole.total.samples == 1 + (turn == turns[2])
        steady = timeline.select(arm=turn.arm, block=turn.block, steady=True)
        assert steady.total.samples == int(turn.block > 0)
    counts = {arm: 5 + (turns[2].arm == arm) for arm in (BASE, HEAD)}
    assert {arm: one.select().total.samples for arm, one in arms.items()} == counts
    reports = runs.reports(START, str)
    assert {name: one.samples for name, one in reports.items()} == {"shop, base": counts[1], "shop, head": counts[2]}


def test_a_late_request_of_a_schedule_belongs_to_its_due_time(plan: Plan, tmp_path: Path) -> None:
    assert plan.duet is not None
    (context,) = prepared(plan, tmp_path)
    due = next(turn for turn in plan.duet.turns() if turn.block)
    one = batch(due.ends_s - 0.01, us=900_000)
    _, interval = recorded(context, replace(one, started_s=one.started_s + 0.8))  # sent in the next turn
    assert [(series.arm, series.block) for series in interval.series] == [(due.arm, due.block)]


def test_unfinished_and_dropped_requests_belong_to_their_arm(plan: Plan, tmp_path: Path) -> None:
    assert plan.duet is not None
    (context,) = prepared(plan, tmp_path)
    turns = [turn for turn in plan.duet.turns() if turn.block]
    hung = [InFlight(label="home", waited_s=20 - (turn.starts_s + 1)) for turn in turns]
    own = [InFlight(label="home", count=2, waited_s=0.0, arm=BASE)]
    dropped = [Sends(at_s=START + turn.starts_s, late_us=1, late_p90_us=1, dropped=turn.arm) for turn in turns]
    runs, interval = recorded(context, batch(), unfinished=lambda: hung + own, sends=lambda: iter(dropped))
    found = {name: (one.unfinished, one.dropped) for name, one in runs.reports(START, str).items()}
    assert found == {"shop, base": (4 + 2, 4), "shop, head": (4, 2 * 4)}
    whole, arms = merged(plan, interval)
    assert whole.select().total.unfinished == 10
    assert {arm: one.select().total.unfinished for arm, one in arms.items()} == {BASE: 4 + 2, HEAD: 4}


def test_an_unknown_wait_may_have_lasted_for_the_whole_load(plan: Plan, tmp_path: Path) -> None:
    (context,) = prepared(plan, tmp_path)
    _, interval = recorded(context, batch(), unfinished=lambda: [InFlight(label="")])
    assert interval.waits[3:].T.tolist() == [[pytest.approx(19e6, rel=0.01), 1]]


def test_a_request_that_is_due_as_the_steady_state_begins_belongs_to_it(plan: Plan, tmp_path: Path) -> None:
    """A record cuts its time to µs, and a float of seconds since 1970 is not exact either."""
    (context,) = prepared(plan, tmp_path)
    context = replace(context, turns=())
    begins_s = context.planned.steady_from_s
    for begun_s, steady in ((begins_s - 1.2e-6, True), (begins_s - 0.001, False)):
        _, interval = recorded(context, batch(begun_s))
        assert [series.steady for series in interval.series] == [steady]
