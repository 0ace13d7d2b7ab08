"""Measures, on one core, the merge, summary and verdict of 10 minutes from 1,000 workers.

    python bench/merge.py     the rows of bench/README.md
    python bench/merge.py --workers 100 [--seconds 600] [--labels 10] [--samples 100] [--order time|worker]     one row

Every interval file is real, and decoded from its bytes. The files of a dozen different workers are used for all, under
the others' names. The peer is Python's HdrHistogram library: `decode_and_add` of a histogram for each label and second.
It is timed on 2,000 of them before, between and after, and extrapolated from the median. Prints Markdown rows.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from hdrh.histogram import HdrHistogram

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from toril.records import ExecutionShare, Exit, Plan, PlannedCriterion, PlannedExecution, Share
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import Interval, Recorder, decode
from toril.verdict import judge

FILE_S = 5
VARIANTS = 12
LOCATIONS = ("eu-west-1", "us-east-1")
CRITERIA = ("p95>2s", "p99 of /page/3>1500ms for 10s", "fail>5%", "avg-rt of /page/1>1s over 30s", "hits<1 within 5s")
ROWS = ("--workers 1000", "--workers 250 --order worker")
HEAD = """
| workers × time × labels | order of files | merge | summary | verdict | in all (goal 30 s) | peak memory (goal 1 GiB) | bytes a label-second | HdrHistogram: merge | bytes |
|---|---|---|---|---|---|---|---|---|---|"""  # noqa: E501 - a row of the table
SIGMA = 0.5  # standard deviation of the logarithm: p99 is 3.2 times the median
FAILING = 0.002
HEALTHY = 0.04  # a generator throttled for more than 5 % of its time makes a run inconclusive


@dataclass(frozen=True)
class Size:
    workers: int
    seconds: int
    labels: int
    samples: int  # per label and second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--labels", type=int, default=10)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--order", choices=("time", "worker"), default="time")
    options = parser.parse_args()
    if options.workers:
        print(row(options), flush=True)
        return
    print(HEAD, flush=True)
    for words in ROWS:  # each in its own process, for separate peaks of memory
        subprocess.run([sys.executable, __file__, *words.split()], check=True)


def row(options: argparse.Namespace) -> str:
    size = Size(options.workers, options.seconds, options.labels, options.samples)
    files = {(variant, start): data for variant in range(VARIANTS) for start, data in recorded(variant, size)}
    octets = sum(map(len, files.values())) / (len(files) * FILE_S * size.labels)
    peers = [peer(size)]
    began = time.process_time()
    timeline = Timeline()
    for interval in intervals(files, size, options.order):
        timeline.add(interval)
    samples = timeline.select().total.samples
    merged = time.process_time()
    peers.append(peer(size))
    resumed = time.process_time()
    plan = plan_of(size)
    names = tuple(share.worker for share in plan.shares)
    recorded_by_each = size.seconds * size.labels * size.samples
    left = {"attempt": "a", "at": size.seconds, "outcome": "finished", "samples": recorded_by_each}
    exits = {name: Exit(worker=name, **left) for name in names}
    completeness = Completeness(planned=names, reported=names, exits=exits, started_at=0.0)
    summary = summarise(plan, timeline, completeness, 0.0)
    summarised = time.process_time()
    verdict = judge(plan, timeline, completeness, summary)
    judged = time.process_time()
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    assert samples == size.workers * size.seconds * size.labels * size.samples == summary.total.samples
    assert verdict.outcome == "passed", verdict.reasons

    peers.append(peer(size))
    peer_us, peer_octets = (statistics.median(one) for one in zip(*peers, strict=True))
    merge_s, summary_s, verdict_s = merged - began, summarised - resumed, judged - summarised
    label_seconds = size.workers * size.seconds * size.labels
    all_s = merge_s + summary_s + verdict_s
    return (
        f"| {size.workers:,} × {size.seconds} s × {size.labels} | {options.order} | {merge_s:.1f} s "
        f"| {summary_s:.1f} s | {verdict_s:.1f} s | **{all_s:.1f} s** | {memory_mib:.0f} MiB | {octets:.0f} "
        f"| {peer_us * label_seconds / 1e6:.0f} s | {peer_octets:.0f} |"
    )


def recorded(variant: int, size: Size) -> Iterator[tuple[int, bytes]]:
    """Yields one worker's files by their first second."""
    chance = np.random.default_rng(variant)
    recorder = Recorder(f"variant-{variant}", LOCATIONS[variant % len(LOCATIONS)])
    codes = np.array([recorder.code("label", f"/page/{number}") for number in range(size.labels)])
    count = size.labels * size.samples
    for start in range(0, size.seconds, FILE_S):
        for second in range(start, start + FILE_S):
            response = response_times(chance, size)
            ok = chance.random(count) >= FAILING
            columns = {
                "completed_s": second + chance.random(count),
                "label": np.repeat(codes, size.samples),
                "ok": ok,
                "steady": second >= size.seconds // 10,
                "rc": ["200" if good else "503" for good in ok.tolist()],
                "message": "Service Unavailable",
                "response_us": response,
                "ttfb_us": response - response // 10,
                "connect_us": np.where(chance.random(count) < 0.1, 400, 0),
                "bytes": chance.integers(900, 1100, count),
            }
            recorder.add_many("shop", columns)
            recorder.virtual_users(second, "shop", 10)
            shares = dict(zip(("machine", "waiting", "throttled"), HEALTHY * chance.random(3), strict=True))
            recorder.health(second, 0.4, 0.3, 200 << 20, 0.0, **shares, sockets=30, sockets_share=0.01)
            late_us = int(chance.integers(500, 3000))
            recorder.sends(second, late_us=late_us, late_p90_us=late_us // 2, dropped=None)
        data = recorder.flush()
        assert data is not None
        yield start, data


def response_times(chance: np.random.Generator, size: Size) -> np.ndarray:
    """Returns log-normal response times, with medians from 20 ms to 400 ms."""
    medians = np.repeat(np.linspace(20_000, 400_000, size.labels), size.samples)
    return (medians * chance.lognormal(0, SIGMA, medians.size)).astype(np.int64)


def intervals(files: dict[tuple[int, int], bytes], size: Size, order: str) -> Iterator[Interval]:
    """Yields the files of all workers, in the order of a run or worker by worker."""
    starts, workers = range(0, size.seconds, FILE_S), range(size.workers)
    if order == "time":
        places = ((worker, start) for start in starts for worker in workers)
    else:
        places = ((worker, start) for worker in workers for start in starts)
    for worker, start in places:
        interval = decode(files[worker % VARIANTS, start], "bench")
        yield replace(interval, worker=f"{interval.location}-{worker}")


def plan_of(size: Size) -> Plan:
    execution = PlannedExecution(
        name="shop", index=0, executor="locust", scenario="shop", concurrency=10 * size.workers, hold_for_s=size.seconds
    )
    shares = tuple(
        Share(
            worker=f"{LOCATIONS[number % VARIANTS % len(LOCATIONS)]}-{number}",
            location=LOCATIONS[number % VARIANTS % len(LOCATIONS)],
            index=number,
            executions=(ExecutionShare(execution="shop", concurrency=10, config={}),),
        )
        for number in range(size.workers)
    )
    return Plan(
        run_id="bench",
        suite="bench",
        toril_version="0",
        executions=(execution,),
        shares=shares,
        common={},
        criteria=tuple(PlannedCriterion(source=text, where="bench") for text in CRITERIA),
    )


def peer(size: Size) -> tuple[float, float]:
    """Returns the µs and bytes of one label-second with the HdrHistogram library."""
    chance = np.random.default_rng(0)
    encoded = []
    for _ in range(2000 // size.labels):
        for values in response_times(chance, size).reshape(size.labels, size.samples):
            histogram = HdrHistogram(1, 1 << 40, 3)
            for value in values.tolist():
                assert histogram.record_value(value)
            encoded.append(histogram.encode())
    total = HdrHistogram(1, 1 << 40, 3)
    began = time.process_time()
    for data in encoded:
        total.decode_and_add(data)
    return (time.process_time() - began) * 1e6 / len(encoded), sum(map(len, encoded)) / len(encoded)


if __name__ == "__main__":
    main()
