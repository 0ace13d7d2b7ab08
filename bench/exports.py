"""Measures the exports of a run: duration, size and additional memory.

    python bench/exports.py                                   the rows of bench/README.md
    python bench/exports.py --labels 20 [--seconds 600] [--samples 100]     those of one run

Two workers in two locations measure these samples per label and second (log-normal, σ = 0.5; 5 % fail). The peer of
`hdr` is Python's HdrHistogram library, with 500 of the log's histograms (extrapolated); that of `hgrm` is the same
library with one histogram of all requests. The peer of the other formats is pandas, which writes the same table. Each
peer runs immediately after its export.
"""

import argparse
import io
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
from hdrh.histogram import HdrHistogram

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.measured import START, left, plan_of
from toril.records import Verdict
from toril.records.summary import LabelFigures
from toril.reports import EXPORTS, FORMATS, TABLES, Bundle, pieces
from toril.reports.exports.rows import row_batches
from toril.stats.histogram import highests_of
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode

PEER_HISTOGRAMS = 500
HOUR_US = 3_600_000_000
ROWS = ("--labels 40000 --seconds 3 --samples 1", "--labels 20 --seconds 600 --samples 100")
HEAD = "| run | format | time | size | more memory | peer |\n|---|---|---|---|---|---|"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=1)
    options = parser.parse_args()
    if options.labels:
        rows(options)
        return
    print(HEAD, flush=True)
    for words in ROWS:  # each in its own process, for separate peaks of memory
        subprocess.run([sys.executable, __file__, *words.split()], check=True)


def rows(options: argparse.Namespace) -> None:
    bundle = measured(options.labels, options.seconds, options.samples)
    run = f"{options.labels:,} × {options.seconds} s × {options.samples}"
    exports = [(name, table) for name in EXPORTS for table in (TABLES if FORMATS[name].tables else TABLES[:1])]
    for name, table in exports:
        before, began, size, kept = memory_mib(), time.process_time(), 0, []
        for piece in pieces(name, bundle, table):
            size += len(piece)
            kept.append(piece)
        took_s = time.process_time() - began
        more_mib = memory_mib() - before - size // (1 << 20)  # a user's export goes to a file
        peer_s = peer(name, bundle, b"".join(kept))
        del kept
        shown = f"`{name}` `{table}`" if FORMATS[name].tables else f"`{name}`"
        megabytes, more_mib = size / 1e6, max(0, more_mib)
        print(
            f"| {run} | {shown} | {took_s:.1f} s | {megabytes:.1f} MB | {more_mib} MiB | {peer_s:.1f} s |", flush=True
        )


def peer(name: str, bundle: Bundle, written: bytes) -> float:
    """CPU seconds."""
    if name == "hdr":
        return by_library(bundle)
    return by_library_percentiles(bundle) if name == "hgrm" else by_pandas(name, written)


def measured(labels: int, seconds: int, samples: int) -> Bundle:
    """Returns a run with `samples` samples per label, second and location."""
    chance = np.random.default_rng(1)
    timeline, plan = Timeline(), plan_of(locations=("madrid", "sevilla"))
    workers = tuple(share.worker for share in plan.shares)
    recorders = [Recorder(share.worker, share.location) for share in plan.shares]
    for second in range(seconds):
        for recorder in recorders:
            codes = np.array([recorder.code("label", f"GET /item/{number}") for number in range(labels)])
            size = labels * samples
            ok = chance.random(size) > 0.05
            columns = {
                "completed_s": np.full(size, second + 0.5),
                "response_us": np.exp(chance.normal(10, 0.5, size)).astype(np.int64),
                "label": np.repeat(codes, samples),
                "ok": ok,
                "steady": True,
                "rc": np.where(ok, recorder.code("rc", "200"), recorder.code("rc", "503")),
                "message": np.where(ok, recorder.code("message", ""), recorder.code("message", "unavailable")),
            }
            recorder.add_many("shop", columns)
            data = recorder.flush()
            assert data is not None
            timeline.add(decode(data, recorder.worker))
    complete = Completeness(
        planned=workers, reported=workers, exits={name: left(name) for name in workers}, started_at=START
    )
    total = timeline.select().total.samples
    assert total == 2 * labels * seconds * samples
    summary = replace(summarise(plan, Timeline(), complete, START), labels={"": LabelFigures(samples=total)})
    return Bundle(plan, summary, Verdict(outcome="passed"), timeline)


def by_library(bundle: Bundle) -> float:
    """Returns the CPU seconds for all histograms of the log."""
    assert bundle.timeline is not None
    total, some, took_s = 0, 0, 0.0
    for key_of in (lambda _, series: (series.label,), lambda _, series: ("",)):
        for batch in row_batches(bundle.timeline, key_of):
            total += len(batch)
            bounds = np.searchsorted(batch.row, np.arange(len(batch) + 1))
            for first, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
                if some == PEER_HISTOGRAMS:
                    break
                some += 1
                began = time.process_time()
                histogram = HdrHistogram(1, HOUR_US, 3)
                values = highests_of(batch.bucket[first:end]).tolist()
                for value, count in zip(values, batch.count[first:end].tolist(), strict=True):
                    histogram.record_value(value, count)
                histogram.encode()
                took_s += time.process_time() - began
    return took_s / some * total


def by_library_percentiles(bundle: Bundle) -> float:
    """Returns the CPU seconds for one histogram of all requests and its percentiles as text."""
    assert bundle.timeline is not None
    counts = bundle.timeline.select().total.response
    began = time.process_time()
    histogram = HdrHistogram(1, HOUR_US, 3)
    for value, count in zip(highests_of(counts.buckets).tolist(), counts.counts.tolist(), strict=True):
        histogram.record_value(value, count)
    histogram.output_percentile_distribution(io.BytesIO(), 1000.0)
    return time.process_time() - began


def by_pandas(name: str, data: bytes) -> float:
    """Returns the CPU seconds to write the same table."""
    if name.startswith("csv"):
        rows = pandas.read_csv(io.BytesIO(data), keep_default_na=False)
        began = time.process_time()
        rows.to_csv(io.StringIO(), index=False)
    else:
        rows = pandas.read_parquet(io.BytesIO(data))
        began = time.process_time()
        rows.to_parquet(io.BytesIO(), index=False)
    return time.process_time() - began


def memory_mib() -> int:
    """Returns the peak memory of this process, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
