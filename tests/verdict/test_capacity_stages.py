"""One stage of a search, judged from the measurements of its seconds: held, breached or void."""

import pytest

from tests.measured import MS, execution, plan_of
from toril.load.search import Stage
from toril.records import Journey, Search
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode
from toril.verdict.capacity.stages import StageJudge

SEARCH = Search(from_rps=50, to_rps=500, until=("p95>300ms", "fail>5%"), step_s=10, settle_s=3)
PLANNED = execution(hold_for_s=600.0, concurrency=None, throughput_rps=500.0).model_copy(update={"search": SEARCH})
PLAN = plan_of(executions=(PLANNED,))


def stages(*, us=20 * MS, rps=50, ok=True, rc="", seconds=range(40), search=SEARCH, cpu=0.2, dropped=0, sockets=0.1):
    """Returns equal seconds."""
    recorder = Recorder("local-1", "local")
    for second in seconds:
        for number in range(rps):
            at = {"completed_s": second + (number + 0.5) / rps, "label": "home", "response_us": us}
            recorder.add_one("shop", **at, ok=ok, rc=rc)
        recorder.health(second, cpu, cpu, 1 << 20, 0.0, sockets=1, sockets_share=sockets)
        recorder.sends(second, late_us=0, late_p90_us=0, dropped=dropped)
    timeline = Timeline()
    timeline.add(decode(recorder.flush() or b"", "local-1"))
    return StageJudge(PLAN, PLANNED, search, timeline)


def judged(one, rps=50.0, kind="raise", at_s=10.0, complete_to=39):
    return one.judge(Stage(rps, kind), at_s, complete_to)


def outcome(one, **how):
    found = judged(one, **how)
    return found.outcome, found.why


def test_a_stage_without_a_breach_has_held_after_its_settling_time():
    found = judged(stages())
    assert (found.outcome, found.from_s, found.to_s) == ("held", 13, 20)
    assert (found.samples, found.achieved_rps) == (350, 50.0)
    assert [result.value for result in found.observed] == [20 * MS, 0.0]


def test_the_requests_in_progress_are_the_rate_times_the_mean_response_time():
    assert judged(stages(us=400 * MS)).in_progress == pytest.approx(50 * 0.4)
    assert judged(stages(), rps=60.0).in_progress is None  # a sixth of the requests has no response


@pytest.mark.parametrize(("how", "why"), [({"us": 400 * MS}, "p95>300ms"), ({"ok": False}, "fail>5%")])
def test_one_true_criterion_is_a_breach(how, why):
    assert outcome(stages(**how)) == ("breached", why)


@pytest.mark.parametrize(
    ("until", "rc", "why"),
    [("p95>300ms", "503", "failures"), ("rc503>90%", "503", "rc503>90%"), ("p95>300ms", "ReadTimeout", "p95>300ms")],
)
def test_failing_requests_breach_a_stage(until, rc, why):
    one = stages(ok=False, rc=rc, search=SEARCH.model_copy(update={"until": (until,)}))
    assert outcome(one) == ("breached", why)


def test_seconds_outside_a_stage_are_ignored():
    slow = stages(us=400 * MS)
    assert outcome(stages(seconds=range(13, 20))) == ("held", "")
    assert outcome(slow) == ("breached", "p95>300ms")


def test_seconds_without_samples_count_as_zeros_within_a_stage_only():
    counting = SEARCH.model_copy(update={"until": ("succ<10 for 3s",)})
    assert outcome(stages(search=counting)) == ("held", "")
    assert outcome(stages(search=counting, seconds=[*range(20), 39])) == ("held", "")
    assert outcome(stages(search=counting, seconds=[*range(17), 39])) == ("breached", "succ<10 for 3s")


def test_a_stage_is_judged_once_its_seconds_are_complete():
    assert judged(stages(), complete_to=18) is None
    assert judged(stages(), complete_to=19) is not None


@pytest.mark.parametrize(("rps", "found"), [(49.0, "held"), (52.0, "held"), (54.0, "breached"), (100.0, "breached")])
def test_too_few_responses_are_a_breach(rps, found):
    assert outcome(stages(rps=50), rps=rps)[0] == found


JOURNEYS = PLANNED.model_copy(update={"model": "arrivals"})


@pytest.mark.parametrize(
    ("journey", "each_second", "found"),
    [
        (Journey(requests=3, first="home", times=2), ("home", "home", "cart"), "held"),
        (Journey(requests=3, first="home", times=2), ("home", "cart"), "breached"),
        (Journey(first="home"), ("home",), "held"),
        (Journey(first="home"), ("cart",), "breached"),
    ],
)
def test_journeys_fall_behind_by_the_answers_to_their_steps(journey, each_second, found):
    recorder = Recorder("local-1", "local")
    for second in range(40):
        for number in range(50):
            for label in ("journey start", *each_second):
                kind = "timing" if label == "journey start" else "request"
                at_s = second + (number + 0.5) / 50
                recorder.add_one("shop", completed_s=at_s, response_us=20 * MS, ok=True, label=label, kind=kind)
    timeline = Timeline()
    timeline.add(decode(recorder.flush() or b"", "local-1"))
    planned = JOURNEYS.model_copy(update={"journey": journey})
    assert outcome(StageJudge(PLAN, planned, SEARCH, timeline))[0] == found


def test_no_response_is_a_breach_and_not_a_lack_of_samples():
    assert outcome(stages(seconds=range(12))) == ("breached", "answers")


def test_a_saturated_generator_makes_a_stage_void():
    assert outcome(stages(cpu=0.99, us=400 * MS)) == ("void", "generators")


def test_unsent_requests_make_a_stage_void_unless_it_breached():
    assert outcome(stages(dropped=2)) == ("void", "generators")
    assert outcome(stages(dropped=2, us=400 * MS)) == ("breached", "p95>300ms")


def test_a_slow_service_that_fills_sockets_breaches():
    assert outcome(stages(sockets=0.95)) == ("void", "generators")
    assert outcome(stages(sockets=0.95, us=400 * MS)) == ("breached", "p95>300ms")


def test_too_few_samples_of_a_label_make_a_stage_void():
    search = SEARCH.model_copy(update={"until": ("p99>300ms",)})
    assert outcome(stages(search=search)) == ("void", "samples")
    assert "368" in judged(stages(search=search)).message


def test_a_criterion_may_have_a_timeframe_within_the_stage():
    search = SEARCH.model_copy(update={"until": ("p95>300ms for 5s",)})
    assert outcome(stages(search=search)) == ("held", "")
    assert outcome(stages(search=search, us=400 * MS)) == ("breached", "p95>300ms for 5s")


class TestRecovery:
    """Recoveries after a breach."""

    def test_a_service_that_keeps_up_for_three_seconds_has_recovered(self):
        found = judged(stages(), kind="recover")
        assert (found.outcome, found.from_s, found.to_s) == ("held", 10, 13)

    def test_the_first_calm_seconds_count_at_any_time_of_judging(self):
        assert judged(stages(), kind="recover", complete_to=12) == judged(stages(), kind="recover", complete_to=39)
        assert judged(stages(), kind="recover", complete_to=11) is None

    def test_late_responses_to_earlier_requests_are_no_recovery(self):
        found = judged(stages(rps=60), kind="recover")
        assert (found.outcome, found.why) == ("void", "recovery")
        assert all(figure in found.message for figure in ("20 s", "50/s"))

    def test_slow_responses_are_no_recovery(self):
        assert outcome(stages(us=400 * MS), kind="recover") == ("void", "recovery")
