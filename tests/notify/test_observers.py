"""Observers of a run: what its owner reports to them, and that none changes the run."""

import sys
import threading

import pytest

from tests.launchers.scene import Scene, abandoned
from tests.refusals import refused
from toril.errors import OptionError
from toril.notify.observers import ON_AWS, Observing


class Seen:
    """An observer that keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.complete: list[int | None] = []
        self.attempts: dict[str, str] = {}
        self.samples = 0
        self.outcome = ""

    def begun(self, plan, start_at, attempts) -> None:
        self.calls.append("begun")
        self.attempts = dict(attempts)

    def advanced(self, timeline, complete_to, progress) -> None:
        self.calls.append(progress.phase)
        self.complete.append(complete_to)
        self.samples = timeline.select().total.samples

    def judged(self, bundle) -> None:
        self.calls.append("judged")
        self.outcome = bundle.outcome

    def close(self, within_s):
        self.calls.append(f"close {within_s:g}")
        return ()


class Broken(Seen):
    def advanced(self, timeline, complete_to, progress) -> None:
        super().advanced(timeline, complete_to, progress)
        raise KeyError("broken")


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_an_observer_follows_the_run_from_its_start_to_its_verdict(scene):
    seen = Seen()
    scene.observers = [seen]
    scene.run()
    assert seen.calls[-2:] == ["ended", "judged"]
    assert seen.calls.index("begun") == seen.calls.index("running") - 1
    assert seen.calls.count("begun") == seen.calls.count("judged") == 1
    assert set(seen.attempts) == {"local-1", "local-2"}
    known = [second for second in seen.complete if second is not None]
    assert known == sorted(known)
    assert (known[-1], seen.samples, seen.outcome) == (29, 60, "passed")


def test_the_observer_of_a_take_over_gets_the_start_again(scene):
    one, seen = abandoned(scene, 10), Seen()
    one.observers = [seen]
    one.take_over()
    assert seen.calls.count("begun") == 1
    assert (seen.samples, seen.outcome) == (60, "passed")


def test_a_broken_observer_is_dropped_and_changes_nothing_else(scene):
    broken, seen = Broken(), Seen()
    scene.observers = [broken, seen]
    assert scene.run().bundle.outcome == "passed"
    assert len(broken.complete) == 1
    assert seen.outcome == "passed"
    assert "observer-failed" in {note.code for note in scene.view.notes}


def test_an_export_without_the_extra_is_refused_before_the_load(scene, monkeypatch):
    monkeypatch.delitem(sys.modules, "toril.notify.otel.exporter", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    observing = Observing(scene.store, scene.clock, {}, print)
    with refused("no-otel", "--otlp", error=OptionError):
        observing.of(scene.plan, "http://127.0.0.1:4318")


def test_a_try_has_neither_exports_nor_events(scene):
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    observing = Observing(scene.store, scene.clock, environment, print)
    assert observing.of(scene.plan.model_copy(update={"tried": True})) == ()


def test_all_observers_together_may_hold_back_the_command_for_a_few_seconds(scene, monkeypatch):
    both = threading.Barrier(2, timeout=10)

    class Waiting(Seen):
        def close(self, within_s):
            both.wait()  # until the other one is closing, too
            return super().close(within_s)

    for environment, within in (({}, "close 5"), ({ON_AWS: "http://169.254.170.2/v4"}, "close 20")):
        seen = [Waiting(), Waiting()]
        with Observing(scene.store, scene.clock, environment, print) as observing:
            monkeypatch.setattr(observing, "_observers", seen)
        assert [one.calls for one in seen] == [[within], [within]]
