"""The versions of `progress.json`: their size, labels and seconds."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.clocks import SteppedClock
from tests.measured import execution, plan_of
from toril.coordinator.fold import Fold
from toril.coordinator.progress import CriteriaProgress, ProgressBuilder, packed
from toril.coordinator.protocol import begin, resumed
from toril.errors import Note
from toril.records import Launch, Plan, Start
from toril.records.progress import (
    MOST_BYTES_OF_PROGRESS,
    MOST_LABELS_SHOWN,
    RECENT_S,
    GeneratorsNow,
    Progress,
    WorkersNow,
)
from toril.store import FolderStore
from toril.summary import Completeness, summarise
from toril.timeline.intervals import Recorder, decode

STARTED = 100.0
RARE, LONG = "rare/" * 40, "🧨" * 310
NASTY = "\x00\u202e🧨" * 400


class Run:
    """A started run of one worker, whose files the test writes into the fold."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        attempts = {share.worker: "a" for share in plan.shares}
        launch = Launch(at=0.0, deadline=1e9, attempts={worker: ("a",) for worker in attempts})
        self.state = resumed(begin(plan, launch, 0.0), Start(at=STARTED, attempts=attempts), None)
        self.fold = Fold(FolderStore(folder), plan, attempts)
        self.builder, self.recorder = ProgressBuilder(self.fold), Recorder("local-1", "local")

    def progress(self, elapsed_s: float) -> Progress:
        while (data := self.recorder.flush()) is not None:
            self.fold.whole.add(decode(data, "test"))
        return self.builder.build(self.state, STARTED + elapsed_s)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path, plan_of(f"p95 of {RARE}>1s", executions=(execution(hold_for_s=600.0),)))


def test_it_has_the_label_of_a_criterion_and_the_largest_of_5000_in_64_kib(run):
    for number in range(5000):
        for _ in range(1 + (number >= 4900)):
            run.recorder.add_one("shop", completed_s=0.5, label=f"{number} {LONG}", response_us=1000)
    run.recorder.add_one("shop", completed_s=1.5, label=RARE, response_us=1000)
    written = packed(run.progress(3.0))
    stored = Progress.from_json(written, "progress.json")
    assert len(written) <= MOST_BYTES_OF_PROGRESS
    assert stored.labels[0].label == RARE
    assert {one.figures.samples for one in stored.labels[1:]} == {2}
    assert 10 <= len(stored.labels) <= MOST_LABELS_SHOWN
    assert len(stored.labels) + stored.labels_left_out == 5001
    assert stored.figures.samples == 5101


def test_it_counts_the_lost_workers_and_labels_that_do_not_fit(run):
    run.recorder.add_one("shop", completed_s=1.5, label="home", response_us=1000)
    lost = {f"local-{number}": NASTY for number in range(1000)}
    workers = WorkersNow(planned=1000, lost=lost)
    generators = GeneratorsNow(saturated=(NASTY,) * 500)
    written = packed(replace(run.progress(3.0), workers=workers, generators=generators))
    stored = Progress.from_json(written, "progress.json")
    assert len(written) <= MOST_BYTES_OF_PROGRESS
    assert stored.workers.lost
    assert len(stored.workers.lost) + stored.workers.lost_left_out == 1000


def test_its_seconds_are_those_of_the_summary(run):
    """Each second is computed once, when all workers have reported it; the last one may be incomplete."""
    versions = []
    for second in range(RECENT_S + 30):
        for number in range(second % 7):
            run.recorder.add_one(
                "shop", completed_s=second + 0.5, label="home", response_us=1000 * number + second, ok=number > 0
            )
        run.recorder.virtual_users(second, "shop", 3 + second % 5)
        versions.append(run.progress(second + 1.0))
    recent = versions[-1].recent
    series = summarise(run.fold.plan, run.fold.whole, Completeness(planned=()), STARTED).series
    expected = series[recent.from_s : recent.from_s + RECENT_S]
    for name, column in recent.members().items():
        if name not in ("from_s", "rps"):
            assert column == tuple(getattr(one, name) for one in expected)
    assert recent.rps == tuple(one.samples for one in expected)
    assert recent.from_s + RECENT_S - 1 >= RECENT_S + 30 - 4


def test_notes_and_the_start_of_a_phase_are_kept(run):
    preparing = replace(run.state, phase="launching", start=None)
    first = run.builder.build(preparing, 10.0, notes=(Note("capacity", "eu-west-1: no capacity"),))
    later = run.builder.build(preparing, 20.0)
    running = run.builder.build(run.state, 30.0)
    assert [(one.phase, one.phase_since) for one in (first, later, running)] == [
        ("preparing", 10.0),
        ("preparing", 10.0),
        ("running", 30.0),
    ]
    assert [note.code for note in first.notes] == ["capacity"]


def test_a_criterion_without_samples_says_what_it_is_and_waits_for(tmp_path):
    plan = plan_of("p95>1s", executions=(execution(ramp_up_s=20.0, hold_for_s=60.0),), ramp_up_exclude=True)
    run = Run(tmp_path, plan)
    criteria = CriteriaProgress(run.fold.judged_plan)
    assert [one.message for one in criteria.evaluate(run.fold.timeline, SteppedClock(0.0))] == [
        "p95>1s: waiting for the first samples"
    ]
    run.recorder.add_one("shop", completed_s=4.5, label="a", response_us=1000, steady=False)
    run.progress(6.0)
    assert [one.message for one in criteria.evaluate(run.fold.timeline, SteppedClock(60.0))] == [
        "p95>1s: waiting for the end of the ramp-up"
    ]


def test_it_has_all_checks_then_own_metrics_then_the_checks_that_failed_most(run):
    for second in range(10):
        for label, kind, ok in (("a", "check", True), ("b", "check", second != 8), ("shown", "rate", second % 2 == 0)):
            run.recorder.add_one("shop", completed_s=second + 0.5, label=label, response_us=0, ok=ok, kind=kind)
        for label, kind, value in (("items", "trend", second), ("orders", "counter", 2)):
            run.recorder.add_one("shop", completed_s=second + 0.5, label=label, response_us=1000 * value, kind=kind)
    found = run.progress(10.0)
    assert [(one.name, one.now, one.samples, one.failures) for one in found.metrics] == [
        ("all checks", "90 %", 20, 1),  # the values are those of the last 5 complete seconds
        ("items", "6", 10, 0),
        ("orders", "2/s", 10, 0),
        ("shown", "60 %", 10, 5),
        ("b", "80 %", 10, 1),
        ("a", "100 %", 10, 0),
    ]
    assert found.figures.samples == 0
