"""`toril adjust`: changes of a running run's rate, refusals, and notes."""

import time

import pytest

from tests.launchers.scene import Scene
from tests.measured import execution, plan_of
from tests.refusals import refused
from tests.store.test_store import new_bucket
from toril.desk.adjust import adjust, chosen_of, parse_rate
from toril.errors import OptionError, RunOverError, StoreError
from toril.records import Lease, Rate, Start, Stop, rate_key, run_key
from toril.records.progress import Progress
from toril.runs.conclude import judge_again
from toril.runs.stored import follow
from toril.signals import Interrupts
from toril.store.records import next_rates

FIXED = {"hold_for_s": 25.0, "concurrency": None, "throughput_rps": 100.0}


def open_model(name="shop", **load):
    return execution(name=name, **FIXED | load).model_copy(update={"executor": "vegeta", "adjustable": True})


class Adjustable(Scene):
    """A run on Fargate with these executions."""

    def __init__(self, folder, *executions) -> None:
        super().__init__(folder)
        plan = plan_of(workers=2, executions=executions or (open_model(),))
        self.plan = self.plan.model_copy(
            update={"executions": plan.executions, "shares": plan.shares, "criteria": plan.criteria}
        )
        self.store.time = lambda: (self.clock.now(), 0.0)  # type: ignore[method-assign]

    def adjust(self, rate="500", name=None):
        return adjust(self.store, self.plan.run_id, rate, name, self.clock.now(), "ada")

    def meanwhile(self, second: float, *rates: str, name=None):
        """Sets these rates during the run, from `second` on. Returns the result or error of each."""
        found = []
        for offset, rate in enumerate(rates):
            self.at(second + 5 * offset, lambda rate=rate: found.append(self.attempt(rate, name)))
        self.run()
        return found

    def attempt(self, rate, name=None):
        try:
            return self.adjust(rate, name)
        except (OptionError, StoreError) as error:
            return error


@pytest.fixture
def scene(tmp_path):
    return lambda *executions: Adjustable(tmp_path, *executions)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("500", 500), ("500/s", 500), ("30 / min", 0.5), ("36/h", 0.01), ("+20%", 120), ("-20%", 80), ("x2", 200),
     ("×0.5", 50), ("0.25", 0.25)],
)  # fmt: skip
def test_a_rate_is_requests_per_second_or_a_change(written, wanted):
    assert parse_rate(written)(100.0) == pytest.approx(wanted)


@pytest.mark.parametrize("written", ["", "fast", "-5", "5/day", "20%", "2x", "1e9", "+", "٣", "nan"])
def test_an_invalid_rate_is_refused(written):
    with refused("option-value", written, error=OptionError):
        parse_rate(written)


def test_a_change_starts_at_a_whole_second_after_the_lead_time(scene):
    one = scene()
    (done,) = one.meanwhile(12, "500")
    lead_s = one.plan.pace.start_lead_s
    assert (done.rate.rps, done.before_rps, done.rate.number) == (500.0, 100.0, 1)
    assert done.at_s == int(done.at_s)
    assert lead_s <= done.in_s <= lead_s + 1
    assert done.rate.by == "ada"


def test_a_relative_change_starts_from_the_change_before(scene):
    _, done, last = scene().meanwhile(10, "500", "+10%", "x2")
    assert (done.before_rps, done.rate.rps) == (500.0, 550.0)
    assert (last.before_rps, last.rate.rps, last.rate.number) == (550.0, 1100.0, 3)


def test_the_verdict_notes_the_change_and_checks_the_new_rate(scene):
    one = scene()
    one.meanwhile(12, "500")
    verdict = one.verdict()
    (note,) = verdict["notes"]
    assert " changed the load of shop to 500/s at " in note
    assert not note.startswith("`toril adjust`")  # it names this machine's user
    assert [reason["code"] for reason in verdict["reasons"]] == ["unreached-load"]  # its workers kept their own rate


def test_judging_an_adjusted_run_again_gives_the_same_verdict(scene):
    one = scene()
    one.meanwhile(12, "500")
    before = one.verdict()
    assert judge_again(one.store, one.plan.run_id).verdict.to_dict() == before


def test_the_planned_load_follows_the_change(scene):
    one = scene()
    (done,) = one.meanwhile(12, "500")
    curve = judge_again(one.store, one.plan.run_id)
    planned = {second.second: second.planned_rps for second in curve.summary.series}
    assert planned[int(done.at_s) - 1] == 100
    assert planned[int(done.at_s)] == 500


def test_the_owner_of_a_run_shows_the_change(scene):
    one = scene()
    (done,) = one.meanwhile(12, "500")
    (note,) = [note for note in one.view.notes if note.code == "changed-rate"]
    assert all(text in note.message for text in ("shop: 500/s", f"{done.at_s:.0f} s", done.rate.by))


def test_a_watcher_shows_the_change(scene):
    one = scene()
    seen: list[Progress] = []
    shown = type("View", (), {"show": lambda self, figures: seen.append(figures)})()
    interrupts = Interrupts()

    def watch() -> None:
        follow(one.store, one.plan.run_id, clock=Once(one.clock, interrupts), view=shown, interrupts=interrupts)

    one.at(12, one.adjust)
    one.at(16, watch)
    one.run()
    assert any("shop: 500/s" in note.message for figures in seen for note in figures.notes)


class Once:
    """A clock that interrupts its owner at the first wait."""

    def __init__(self, clock, interrupts) -> None:
        self._clock, self._interrupts = clock, interrupts

    def now(self):
        return self._clock.now()

    def sleep(self, _: float) -> None:
        self._interrupts.names.append("SIGINT")


def test_concurrent_changes_get_their_own_numbers(scene):
    one = scene()
    rival = Rate(number=1, execution="shop", rps=7.0, at=one.clock.now() + 15, asked_at=0.0, cause="user")
    put_once = one.store.put_once
    raced: list[bool] = []

    def put_after_another(key, data):
        if key == rate_key(one.plan.run_id, 1) and not raced:
            raced.append(True)
            put_once(key, rival.to_json())
        return put_once(key, data)

    one.store.put_once = put_after_another
    (done,) = one.meanwhile(12, "500")
    assert done.rate.number == 2
    assert [rate.rps for rate in next_rates(one.store, one.plan.run_id, 0)] == [7.0, 500.0]


def test_a_run_that_is_over_ending_or_not_started_cannot_be_adjusted(scene):
    one = scene()
    early = []
    one.at(0.5, lambda: early.append(one.attempt("500")))
    stop = Stop(at=0.0, cause="user", message="ended early by `toril stop`")

    def stop_and_ask() -> None:
        one.store.put_once(one.key("stop.json"), stop.to_json())
        early.append(one.attempt("500"))

    one.at(15, stop_and_ask)
    one.run()
    assert [error.code for error in early] == ["run-not-started", "run-ending"]
    assert "ended early by `toril stop`" in str(early[1])
    late = one.attempt("500")
    assert isinstance(late, RunOverError)
    assert late.code == "run-over"


def test_a_change_shortly_before_the_end_is_refused(scene):
    (error,) = scene().meanwhile(28.5, "500")
    assert error.code == "run-ending"
    assert "shop" in str(error)


def test_a_rate_out_of_range_is_refused(scene):
    negative, too_much = scene().meanwhile(10, "-200%", "900000000")
    assert negative.code == too_much.code == "rate-out-of-range"
    assert "900000000" in str(too_much)


def test_an_execution_with_virtual_users_is_refused(scene):
    one = scene(execution(hold_for_s=25.0))
    (error,) = one.meanwhile(10, "500")
    assert error.code == "fixed-rate"
    assert "locust has virtual users" in str(error)


def test_a_run_in_a_bucket_can_be_adjusted(scene, open_cloud):
    one, bucket = scene(), new_bucket(open_cloud, "of/others")
    now, run_id = bucket.time()[0], one.plan.run_id
    records = {
        "plan.json": one.plan,
        "start.json": Start(at=now - 5, attempts={}),
        "lease.json": Lease(owner="o", pid=1, host="h", renewed_at=time.time()),
    }
    for name, record in records.items():
        bucket.put(run_key(run_id, name), record.to_json())
    done = [adjust(bucket, run_id, rate, None, time.time(), "ada") for rate in ("500", "+10%")]
    assert [rate.rps for rate in next_rates(bucket, run_id, 0)] == [500.0, 550.0]
    assert all(0 < one.in_s < 10 for one in done)


class TestWhichExecution:
    """A run with several executions."""

    @pytest.mark.parametrize(
        ("name", "code", "names"),
        [
            (None, "no-execution-named", ["shop", "search"]),
            ("shpo", "no-such-execution", ["did you mean `shop`?"]),
            ("users", "fixed-rate", ["shop", "search"]),
        ],
    )
    def test_a_missing_or_wrong_name_is_refused(self, scene, name, code, names):
        one = scene(open_model(), open_model("search"), execution(name="users", hold_for_s=25.0))
        with refused(code, *names, error=OptionError):
            adjust_chosen(one, name)

    def test_the_named_execution_is_chosen(self, scene):
        one = scene(open_model(), open_model("search"))
        assert adjust_chosen(one, "search").name == "search"

    def test_the_only_adjustable_execution_needs_no_name(self, scene):
        one = scene(execution(name="users", hold_for_s=25.0), open_model())
        assert adjust_chosen(one, None).name == "shop"


def adjust_chosen(one, name):
    return chosen_of(one.plan, name)
