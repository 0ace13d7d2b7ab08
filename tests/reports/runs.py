"""Runs for reports, judged from samples like a real run, in memory or in a folder."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.measured import START, Sample, counted, every_second, left, plan_of, timeline_of
from toril.records import Plan, Start, run_key, worker_key
from toril.reports import Bundle
from toril.store import FolderStore
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder
from toril.verdict import judge

MS = 1000


def judged(timeline: Timeline, plan: Plan, **circumstances: Any) -> Bundle:
    """Returns a judged run, complete except for these circumstances."""
    workers = tuple(share.worker for share in plan.shares)
    lost = {worker for worker, _ in circumstances.get("lost", ())}
    complete: dict[str, Any] = {
        "planned": workers,
        "reported": tuple(worker for worker in workers if worker not in lost),
        "exits": {worker: left(worker) for worker in workers if worker not in lost},
        "started_at": START,
    }
    known = complete | circumstances
    completeness = Completeness(**known | {"exits": counted(known["exits"], timeline)})
    summary = summarise(plan, timeline, completeness, START)
    verdict = judge(plan, timeline, completeness, summary)
    return Bundle(plan=plan, summary=summary, verdict=verdict, timeline=timeline, completeness=completeness)


def run_of(
    samples: Sequence[Sample],
    *criteria: str | dict[str, Any],
    run_id: str = "run",
    plan: Mapping[str, Any] = {},
    **circumstances: Any,
) -> Bundle:
    """Returns the run of one worker with these samples and 10 users all the time."""
    made = plan_of(*criteria, **plan).model_copy(update={"run_id": run_id})
    seconds = range(max((sample.second for sample in samples), default=0) + 1)
    users = dict.fromkeys(seconds, 10) if samples else None
    return judged(timeline_of(samples, users=users), made, **circumstances)


def wavering(label: str, ms: int, seconds: int = 40, spread: int = 20) -> list[Sample]:
    """Returns 20 samples per second, with times spread evenly by `spread` ms around that time."""
    times = [ms * MS + (step * 7919 % 1000 - 500) * spread for step in range(20 * seconds)]
    return [Sample(step // 20, us, label=label) for step, us in enumerate(times)]


def store_run(folder: Path, run_id: str, samples: Iterable[Sample], *criteria: str) -> None:
    """Writes the folder of a run as worker and coordinator do, without summary and verdict."""
    store = FolderStore(folder)
    plan = plan_of(*criteria).model_copy(update={"run_id": run_id})
    recorder = Recorder("local-1", "local")
    for sample in samples:
        recorder.add_one(
            sample.execution,
            completed_s=sample.second + 0.5,
            label=sample.label,
            response_us=sample.us,
            ok=sample.ok,
            steady=True,
            kind=sample.kind,
            rc=sample.rc,
            message="" if sample.ok else "it broke",
            bytes=sample.bytes,
        )
    for second in range(10):
        recorder.virtual_users(second, "shop", 10)
    data = recorder.flush()
    assert data is not None
    last = left(interval_files=1, samples=recorder.samples, last_sample_s=9.5)
    store.put(run_key(run_id, "plan.json"), plan.to_json())
    store.put(run_key(run_id, "start.json"), Start(at=START, attempts={"local-1": "a"}).to_json())
    store.put(worker_key(run_id, "local-1", "a", "intervals-000001"), data)
    store.put(worker_key(run_id, "local-1", "a", "exit.json"), last.to_json())


def small(ms: int = 50, seconds: int = 10) -> list[Sample]:
    """Returns ten seconds of a shop with mostly fast requests."""
    return [
        *every_second(range(seconds), Sample(0, ms * MS, label="home", bytes=800), 20),
        *every_second(range(seconds), Sample(0, 2 * ms * MS, label="checkout", bytes=300), 5),
    ]
