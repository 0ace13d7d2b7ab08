"""Rates of a location or label with load in a part of the run only."""

from dataclasses import replace

from tests.measured import FAST, every_second, execution, judged_ours, plan_of, timeline_of
from toril.verdict.live import LiveCriteria


def replaced(record, **changes):
    return record.model_copy(update=changes)


def test_a_location_or_label_with_ended_load_is_not_silent_while_others_continue():
    long, short = execution("long", labels=("home",)), execution("short", labels=("cart",), hold_for_s=5.0)
    plan = plan_of(executions=[long, short], locations=["eu", "us"])
    eu, us = plan.shares
    eu, us = (replaced(eu, executions=eu.executions[:1]), replaced(us, executions=us.executions[1:]))
    plan = replaced(plan, shares=(eu, us))
    here = replace(FAST, execution="long", location="eu")
    there = replace(FAST, execution="short", location="us", label="cart")

    def judged_with(seconds, source, plan=plan):
        timeline = timeline_of([*every_second(range(10), here, 5), *every_second(seconds, there, 5)])
        live = LiveCriteria(replaced(plan, criteria=plan_of(ours=[f"{source}, stop"]).criteria))
        live_at_s = [one.at_s for second in range(10) for one in live.advance(timeline, second)]
        result = judged_ours(source, timeline, plan)
        assert live_at_s == [one for one in [result.at_s] if one is not None]
        return result.outcome, result.at_s

    for source in ("throughput<4/s for 2s in us", "throughput of cart<4/s for 2s"):
        assert judged_with(range(5), source) == ("passed", None)
        assert judged_with(range(3), source) == ("failed", 4)
    unknown = replaced(plan, executions=(long, replaced(short, labels=()), execution("script")))
    assert judged_with(range(5), "throughput<4/s for 2s in us", unknown) == ("passed", None)
    assert judged_with(range(5), "throughput of cart<4/s for 2s", unknown) == ("failed", 6)  # its execution is unknown
