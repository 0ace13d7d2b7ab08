"""Executions side by side: when each begins, and what counts as late; without processes."""

import signal
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from toril.engines import EngineContext, LoadFacts
from toril.engines.base import Engine
from toril.load.interleave import interleave
from toril.records import ExecutionShare, Exit, PlannedExecution
from toril.secrets.redaction import MOST_IN_RECORD, Redactor
from toril.worker.engine_runs import EngineRuns

START = 1000.0


class FakeEngine(Engine):
    """An engine without a process; the test sets `ended`."""

    def __init__(self, context: EngineContext, *, parks: bool) -> None:
        self.context, self.ended, self.startups = context, False, 0
        self.parks = parks  # type: ignore[misc]  # set by each test

    def startup(self) -> None:
        self.startups += 1
        self.process = SimpleNamespace(pid=0, poll=lambda: 0 if self.ended else None)

    def check(self) -> bool:
        return self.ended

    def end(self, within_s: float) -> None:
        self.ended = True


def runs_of(folder, *executions, slots=None, phase=0.0):
    """Returns parked EngineRuns of (parks, delay_s) executions; a third value is the engine's lead."""
    engines = []
    for position, (parks, delay_s, *lead_s) in enumerate(executions):
        home = folder / str(position)
        home.mkdir()
        load = {"concurrency": 2, "ramp_up_s": 4.0, "hold_for_s": 6.0, "delay_s": delay_s}
        load |= {"lead_s": lead_s[0]} if lead_s else {}
        planned = PlannedExecution(name=f"e{position}", index=position, executor="x", scenario="s", **load)
        context = EngineContext(
            planned=planned,
            share=ExecutionShare(execution=planned.name, concurrency=2, phase=phase, config={}),
            graceful_stop_s=30.0,
            folder=home,
            suite=folder,
        )
        engines.append(FakeEngine(context, parks=parks))
    runs = EngineRuns.of(engines, slots)
    runs.park()
    return runs


def gates(runs):
    return [float(run.engine.context.gate.read_text()) if run.engine.context.gate.exists() else None for run in runs]


def end(runs, position):
    runs[position].engine.ended = True
    assert [run.execution for run, _ in runs.newly_ended()] == [f"e{position}"]


def test_parked_engines_get_their_gates_at_once_and_others_start_when_due(tmp_path):
    runs = runs_of(tmp_path, (True, 0.0), (True, 5.0), (False, 2.0))
    runs.open(START)
    assert gates(runs) == [START, START + 5, None]
    runs.start_due(START + 1.9, START)
    assert runs[2].engine.startups == 0
    assert runs.next_due(START + 1.9, START) == pytest.approx(0.1)
    runs.start_due(START + 2.0, START)
    assert [run.engine.startups for run in runs] == [1, 1, 1]
    assert gates(runs)[2] == START + 2


def test_an_engine_with_a_lead_starts_when_it_begins_and_gets_its_gate_once_parked(tmp_path):
    runs = runs_of(tmp_path, (True, 0.0), (True, 20.0, 3.0))
    assert [run.engine.startups for run in runs] == [1, 0]
    runs.open(START)
    runs.start_due(START + 16.9, START)
    assert runs[1].engine.startups == 0
    runs.start_due(START + 17.0, START)
    assert (runs[1].engine.startups, gates(runs)[1]) == (1, None)
    runs[1].engine.context.parked.touch()
    runs.start_due(START + 18.0, START)
    assert (runs[1].engine.startups, gates(runs)[1]) == (1, START + 20)


def test_an_engine_that_parks_too_late_begins_at_once(tmp_path):
    runs = runs_of(tmp_path, (True, 0.0), (True, 20.0, 3.0))
    runs.open(START)
    for now in (START + 17.0, START + 19.9, START + 20.0):
        runs.start_due(now, START)
    assert (runs[1].engine.startups, gates(runs)[1]) == (1, START + 20)


def test_an_engine_that_cannot_be_parked_has_no_lead(tmp_path):
    runs = runs_of(tmp_path, (True, 0.0), (False, 20.0, 3.0))
    runs.open(START)
    runs.start_due(START + 19.9, START)
    assert runs[1].engine.startups == 0
    runs.start_due(START + 20.0, START)
    assert (runs[1].engine.startups, gates(runs)[1]) == (1, START + 20)


def test_an_engine_that_is_started_late_is_late(tmp_path):
    runs = runs_of(tmp_path, (False, 1.0))
    runs.open(START)
    runs.start_due(START + 3.5, START)
    runs[0].first_started_s = START + 3.75
    assert runs.lateness_s(START) == {"e0": pytest.approx(2.75)}


def test_a_worker_whose_first_request_is_due_late_is_not_late(tmp_path):
    runs = runs_of(tmp_path, (True, 1.0))
    context = runs[0].engine.context
    third_of_three = context.share.model_copy(update={"interleave": interleave([1, 1, 1])[2]})
    planned = context.planned.model_copy(update={"curve": ((0.0, 0.5), (10.0, 0.5))})
    runs[0].engine.context = replace(context, share=third_of_three, planned=planned)
    runs.open(START)
    runs[0].first_started_s = START + 1 + 4 + 0.25
    assert runs.lateness_s(START) == {"e0": pytest.approx(0.25)}


def test_waiting_for_a_slot_is_not_lateness_but_later_delays_are(tmp_path):
    runs = runs_of(tmp_path, (True, 0.0), (True, 0.0), slots=1)
    assert [run.engine.startups for run in runs] == [1, 1]  # both are parked, so that the second one can begin at once
    runs.open(START)
    assert gates(runs) == [START, None]
    for now in (START + 1, START + 9.9):
        runs.start_due(now, START)
    end(runs, 0)
    runs.start_due(START + 10.0, START)
    assert gates(runs) == [START, START + 10]
    assert runs[1].queued_s(START) == pytest.approx(9.9)
    runs[0].first_started_s, runs[1].first_started_s = START + 0.1, START + 12.4
    assert runs.lateness_s(START) == {"e0": pytest.approx(0.1), "e1": pytest.approx(2.5)}


def test_slots_go_to_the_runs_that_are_due_first(tmp_path):
    runs = runs_of(tmp_path, (True, 5.0), (False, 1.0), (True, 3.0), slots=2)
    runs.open(START)
    assert gates(runs) == [None, None, START + 3]
    runs.start_due(START + 1, START)
    assert gates(runs)[1] == START + 1
    runs.start_due(START + 5, START)
    assert gates(runs)[0] is None
    end(runs, 2)
    runs.start_due(START + 6, START)
    assert gates(runs)[0] == START + 6


def test_an_early_end_does_not_wait_for_engines_that_have_not_begun(tmp_path):
    runs = runs_of(tmp_path, (True, 0.0), (True, 60.0), (False, 60.0))
    processes = [subprocess.Popen(["sleep", "60"], process_group=0) for _ in range(2)]
    try:
        for run, process in zip(runs, processes, strict=False):
            run.engine.process = process
        runs.open(START)
        runs.end(4.0, START + 10)
        assert processes[1].wait(timeout=10) == -signal.SIGKILL
        assert processes[0].poll() is None
        assert [run.ended for run in runs] == [False, False, True]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.75])
def test_all_workers_end_together_despite_their_phase_shifts(tmp_path, phase):
    runs = runs_of(tmp_path, (True, 1.0), phase=phase)
    run = runs[0]
    assert run.due(START) == START + 1 + phase * 2  # of a ramp-up of four seconds for two users
    assert run.due(START) + run.engine.context.length_s == START + 11


def test_stairs_rise_in_all_workers_at_once(tmp_path):
    runs = runs_of(tmp_path, (True, 0.0), phase=0.5)
    context = runs[0].engine.context
    assert context.phase_shift_s == 1.0
    stairs = replace(context, planned=context.planned.model_copy(update={"steps": 2}))
    assert stairs.phase_shift_s == 0.0


def test_every_text_of_a_script_fits_into_exit_json(tmp_path):
    runs = runs_of(tmp_path, (True, 0.0))
    runs[0].facts = LoadFacts(script_errors={"half \ud83d": 1}, script_failed="x" * 20_000, note="s3cret \ud83d")
    reports = runs.reports(START, Redactor(["s3cret"]).for_record)
    left = Exit(worker="w", attempt="a", at=START, outcome="finished", executions=reports)
    found = Exit.from_json(left.to_json(), "exit.json").executions["e0"]
    assert found.script_errors == {"half \\ud83d": 1}
    assert (found.script_failed, found.note) == ("x" * MOST_IN_RECORD, "*** \\ud83d")
