"""Reports show the cost of a run on Fargate, from the run's records."""

from dataclasses import replace

import pytest

from tests.reports import examples
from toril.plan import FARGATE_TIMINGS
from toril.records import End, RanTask, TaskSize, run_key
from toril.reports import Bundle, render
from toril.runs.conclude import with_cost
from toril.store import FolderStore

RUN = examples.passed()
TASK = RanTask(arn="a", region="eu-west-1", capacity="FARGATE", pull_started_at=900.0, stopped_at=1500.0)


def on_fargate(run: Bundle = RUN) -> Bundle:
    size = TaskSize(cpu=1024, memory_mib=2048, architecture="x86-64")
    there = {"on": "fargate", "task": size, "pace": FARGATE_TIMINGS}
    return replace(run, plan=run.plan.model_copy(update=there))


@pytest.fixture
def store(tmp_path):
    made = FolderStore(tmp_path)
    end = End(at=1500.0, tasks={"madrid-1": TASK, "sevilla-1": TASK})
    made.put(run_key(RUN.plan.run_id, "end.json"), end.to_json())
    return made


def test_tasks_are_priced_per_second(store):
    """Two tasks of 1 vCPU and 2 GB for ten minutes cost 2 × 0.0494 ÷ 6 US dollars; S3 and logs cost the rest."""
    line = with_cost(store, on_fargate()).cost

    usd = float(line.split()[1].removeprefix("$"))
    assert 2 * 0.0494 / 6 < usd < 0.1
    assert "at list prices of 20" in line
    assert "for a million requests" in line
    assert line.endswith("2 tasks of 1 vCPU and 2 GiB, x86-64")


@pytest.mark.parametrize("name", ["terminal", "github"])
def test_reports_show_the_cost(name, store):
    assert "at list prices" in " ".join(render(name, with_cost(store, on_fargate())).decode().split())


def test_local_runs_and_runs_without_recorded_tasks_have_no_cost(store, tmp_path):
    assert with_cost(store, RUN).cost == ""
    assert with_cost(FolderStore(tmp_path / "elsewhere"), on_fargate()).cost == ""
    store.put(run_key(RUN.plan.run_id, "end.json"), End(at=1.0).to_json())
    assert with_cost(store, on_fargate()).cost == ""
