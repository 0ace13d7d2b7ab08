"""Raw samples, their interval files, and their true figures: sorted, counted and added one by one.

The oracle below shares no code with toril.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.measured import START, execution, plan_of
from toril.records import Exit, Plan, Ready, Start, run_key, worker_key
from toril.reports import Bundle
from toril.runs.conclude import judge_again
from toril.store import FolderStore
from toril.timeline.intervals import Recorder

MS, S = 1000, 1_000_000
PERCENTILES = {"p50": "50", "p75": "75", "p90": "90", "p95": "95", "p99": "99", "p99_9": "99.9", "p99_99": "99.99"}


@dataclass(frozen=True, slots=True)
class Raw:
    """One sample as a worker sees it."""

    completed_s: float = 0.5
    us: int = 100 * MS
    label: str = "home"
    worker: str = "local-1"
    ok: bool = True
    rc: str = "200"
    message: str = ""
    execution: str = "shop"
    kind: str = "request"
    steady: bool = True
    bytes: int = 0

    @property
    def second(self) -> int:
        return max(0, math.floor(self.completed_s))

    @property
    def location(self) -> str:
        return self.worker.rsplit("-", 1)[0]


def interval_files(samples: Iterable[Raw], cut: float = 0.0, seed: int = 0) -> dict[str, list[bytes]]:
    """Returns each worker's interval files; after each sample, a new file begins with the probability `cut`."""
    chance = random.Random(seed)
    recorders: dict[str, Recorder] = {}
    files: defaultdict[str, list[bytes]] = defaultdict(list)
    for one in samples:
        recorder = recorders.setdefault(one.worker, Recorder(one.worker, one.location))
        columns = {
            "completed_s": [one.completed_s], "label": [one.label], "kind": one.kind, "steady": one.steady,
            "ok": one.ok, "rc": one.rc, "message": one.message, "response_us": [one.us], "bytes": [one.bytes],
        }  # fmt: skip
        recorder.add_many(one.execution, columns)
        if chance.random() < cut:
            files[one.worker] += flushed(recorder)
    for worker, recorder in recorders.items():
        files[worker] += flushed(recorder)
    return dict(files)


def flushed(recorder: Recorder) -> list[bytes]:
    """Returns all files of the recorder."""
    found = []
    while (data := recorder.flush()) is not None:
        found.append(data)
    return found


def plan_for(samples: Sequence[Raw], *criteria: Any, **settings: Any) -> Plan:
    """Returns a plan with the samples' workers; its executions have no planned end."""
    names = sorted({one.worker for one in samples} | {"local-1"})
    executions = [execution(name, iterations=1, hold_for_s=0.0) for name in sorted({one.execution for one in samples})]
    made = plan_of(*criteria, executions=executions or [execution(iterations=1, hold_for_s=0.0)], **settings)
    template = made.shares[0]
    shares = [
        template.model_copy(update={"worker": name, "location": name.rsplit("-", 1)[0], "index": index})
        for index, name in enumerate(names)
    ]
    return made.model_copy(update={"shares": tuple(shares)})


def store_run(
    folder: Any,
    plan: Plan,
    files: Mapping[str, Sequence[bytes]],
    samples: Sequence[Raw],
    clock_s: Mapping[str, tuple[float, float]] | None = None,
) -> FolderStore:
    """Returns a store with the run's folder after its load."""
    store = FolderStore(folder)
    store.put(run_key(plan.run_id, "plan.json"), plan.to_json())
    attempts = {share.worker: "once" for share in plan.shares}
    store.put(run_key(plan.run_id, "start.json"), Start(at=START, attempts=attempts).to_json())
    for worker, attempt in attempts.items():
        mine = [one for one in samples if one.worker == worker]
        for number, data in enumerate(files.get(worker, ()), 1):
            store.put(worker_key(plan.run_id, worker, attempt, f"intervals-{number:06d}"), data)
        offset_s, uncertainty_s = (clock_s or {}).get(worker, (0.0, 0.0))
        ready = Ready(worker=worker, attempt=attempt, at=START - 2, toril_version="0", pid=1)
        ready = ready.model_copy(update={"clock_offset_s": offset_s, "clock_uncertainty_s": uncertainty_s})
        left = Exit(
            worker=worker, attempt=attempt, at=START + 1e6, outcome="finished",
            interval_files=len(files.get(worker, ())), samples=sum(one.kind == "request" for one in mine),
            last_sample_s=max((one.completed_s for one in mine), default=None),
        )  # fmt: skip
        for name, record in (("ready.json", ready), ("exit.json", left)):
            store.put(worker_key(plan.run_id, worker, attempt, name), record.to_json())
    return store


def judged(folder: Any, samples: Sequence[Raw], *criteria: Any, cut: float = 0.2, **settings: Any) -> Bundle:
    """Records, stores, reads, merges, summarises and judges the samples."""
    plan = plan_for(samples, *criteria)
    store = store_run(folder, plan, interval_files(samples, cut, seed=len(samples)), samples, **settings)
    return judge_again(store, plan.run_id)


# ── the oracle


def rank(percent: str, count: int) -> int:
    return max(1, math.ceil(Fraction(percent) * count / 100))


def true_percentile(samples: Iterable[Raw], percent: str) -> int:
    times = sorted(one.us for one in samples)
    return times[rank(percent, len(times)) - 1]


def parts(samples: Iterable[Raw], run: Iterable[Raw]) -> dict[str, list[Raw]]:
    """Returns the samples by the summary's labels: all requests, each label, and transactions named like a request."""
    found: defaultdict[str, list[Raw]] = defaultdict(list)
    requests = {one.label for one in run if one.kind == "request"}
    for one in samples:
        if one.kind == "request":
            found[""].append(one)
        found[one.label + (" (transaction)" if one.kind == "transaction" and one.label in requests else "")].append(one)
    return found


def check_figures(entry: Mapping[str, Any], samples: Sequence[Raw]) -> None:
    """Compares one label's entry with its samples."""
    times = sorted(one.us for one in samples)
    failed = [one for one in samples if not one.ok]
    found = entry["response_us"]
    assert (entry["samples"], entry["failures"]) == (len(samples), len(failed))
    assert entry["bytes"] == sum(one.bytes for one in samples)
    assert entry["rc"] == Counter(one.rc for one in samples)
    assert sum(error["count"] for error in entry["errors"]) == len(failed)
    if not samples:
        assert {found[name] for name in ("min", "mean", "max", *PERCENTILES)} == {None}
        return
    assert (found["min"], found["max"]) == (times[0], times[-1])
    assert abs(found["mean"] - Fraction(sum(times), len(times))) <= Fraction(501, 1000)
    for name, percent in PERCENTILES.items():
        exact = times[rank(percent, len(times)) - 1]
        assert exact <= found[name] <= min(exact * 1.001, times[-1])
    if failed:
        assert entry["failed_response_us"]["max"] == max(one.us for one in failed)
    if "histogram" in entry:
        assert sum(count for *_, count in entry["histogram"]) == len(samples)
        assert all(low <= high for low, high, _ in entry["histogram"])


def check_summary(summary: Mapping[str, Any], samples: Sequence[Raw], *, steady_only: bool = False) -> None:
    """Compares all labels of the run, of each location and of each execution, and each second, with the samples."""
    chosen = [one for one in samples if one.steady or not steady_only]
    scopes = [(summary["labels"], chosen)]
    for name, part in summary["locations"].items():
        scopes.append((part["labels"], [one for one in chosen if one.location == name]))
    for name, part in summary["executions"].items():
        scopes.append((part["labels"], [one for one in chosen if one.execution == name]))
    for labels, mine in scopes:
        expected = {"": [], **parts(mine, samples)}
        assert set(labels) == set(expected)
        for label, part in expected.items():
            check_figures(labels[label], part)
    assert {one.location for one in samples} <= set(summary["locations"])
    by_second: defaultdict[int, list[Raw]] = defaultdict(list)
    for one in samples:
        if one.kind == "request":
            by_second[one.second].append(one)
    assert set(by_second) <= {entry["second"] for entry in summary["series"]}
    for entry in summary["series"]:
        here = by_second[entry["second"]]
        assert (entry["samples"], entry["failures"]) == (len(here), sum(not one.ok for one in here))
        exact = true_percentile(here, "99") if here else None
        assert (entry["p99_us"] is None) == (exact is None)
        assert exact is None or exact <= entry["p99_us"] <= exact * 1.001
