"""Measures the list of runs of a large store, in a folder and in a bucket of the embedded cloud.

    python bench/history.py [--runs 10000]

The runs are spread over a year. A cold list is the first one of a new process, with its imports. The peer is the list
that reads each run's folder, which toril used before it had an index; in the bucket with 100 runs, extrapolated.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toril.records.history import KeptFigures

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

YEAR_S, NOW = 365 * 86400.0, 1_795_000_000.0
VARIATION = 0.05  # of response times from run to run
HEAD = "| store | list | cold | CPU of it | warm | requests, cold | warm |\n|---|---|---|---|---|---|---|"
SAMPLED = 100  # runs of the peer in a bucket
BUCKET, CALLS = "history", 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--list", nargs=2, metavar=("STORE", "LIST"), help="measure one list in this process")
    asked = parser.parse_args()
    if asked.list:
        print(measured(*asked.list, asked.runs), flush=True)
        return
    from tests.cloud.embedded import embedded_cloud

    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as name, embedded_cloud() as cloud:
        fill(Path(name), asked.runs)
        cloud.client("s3").create_bucket(Bucket=BUCKET)
        copy(Path(name), cloud)
        for where in (name, cloud.url):
            for which in LISTS:
                command = [sys.executable, __file__, "--runs", str(asked.runs), "--list", where, which]
                subprocess.run(command, check=True)


def fill(folder: Path, runs: int) -> None:
    """Writes judged runs of ten suites. Their files are written without the store, which would sync each of them."""
    from tests.reports import examples
    from toril.records import run_key
    from toril.records.document import document
    from toril.runs.history import record_of, row_of
    from toril.runs.index import pack
    from toril.store import FolderStore

    bundle = examples.passed()
    files = {"plan.json": bundle.plan.to_json(), "summary.json": document(bundle.summary)}
    files["verdict.json"] = bundle.verdict.to_json()
    first, random = record_of(bundle), Random(1)
    for number in range(runs):
        at, suite = NOW - YEAR_S * (runs - number) / runs, f"shop-{number % 10}"
        run_id = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(at))}-{suite}-{number:04x}"
        tags = {"commit": f"{number:012x}", "pull-request": str(number % 400)}
        factor = random.lognormvariate(0, VARIATION)
        record = replace(
            first, run_id=run_id, suite=suite, started_at=at, tags=tags, total=varied(first.total, factor),
            labels={label: varied(figures, factor) for label, figures in first.labels.items()},
        )  # fmt: skip
        written = {run_key(run_id, name): data for name, data in files.items()}
        for key, data in {
            **written,
            record.key: record.to_json(),
            row_of(record).key: row_of(record).to_json(),
        }.items():
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes(data)
    pack(FolderStore(folder), NOW)


def varied(figures: "KeptFigures", factor: float) -> "KeptFigures":
    """Returns the figures with all response times multiplied."""
    times = {name: replace(one, value_us=round(one.value_us * factor)) for name, one in figures.percentiles.items()}
    return replace(figures, percentiles=times)


def copy(folder: Path, cloud: object) -> None:
    """Copies the index and the newest runs into the bucket; of other runs the plan only."""
    from tests.cloud.embedded import Cloud
    from toril.store import FolderStore
    from toril.store.s3 import S3Store

    assert isinstance(cloud, Cloud)
    store, bucket = FolderStore(folder), S3Store(BUCKET, "", cloud.client("s3"))
    newest = set(sorted(store.names("runs/"))[-SAMPLED:])
    keys = [key for key in store.keys("runs/") if key.endswith("plan.json") or key.split("/")[1] in newest]
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda key: bucket.put(key, store.get(key)), [*store.keys("index/"), *keys]))


def measured(where: str, which: str, runs: int) -> str:
    """Returns the row of one list: the first call, with the imports of this process, and the median of the others."""
    began, requests = time.monotonic(), [0]
    from toril.store import FolderStore, Store

    store: Store = FolderStore(Path(where))
    if where.startswith("http"):
        store = bucket_of(where, requests)
    call = LISTS[which]
    call(store)
    cold_s, cpu_s, cold_requests = time.monotonic() - began, time.process_time(), requests[0]
    warm = []
    for _ in range(CALLS if which != "folders" else 1):
        at = time.monotonic()
        call(store)
        warm.append(time.monotonic() - at)
    warm_s, warm_requests = statistics.median(warm), (requests[0] - cold_requests) // len(warm)
    if which == "folders" and requests[0]:  # the peer reads some runs only
        cold_s, cpu_s, warm_s = (seconds * runs / SAMPLED for seconds in (cold_s, cpu_s, warm_s))
        cold_requests, warm_requests = (count * runs // SAMPLED for count in (cold_requests, warm_requests))
    kind = "bucket" if where.startswith("http") else "folder"
    times = f"{cold_s:.2f} s | {cpu_s:.2f} s | {warm_s * 1000:,.0f} ms"
    return f"| {kind} | {which} | {times} | {cold_requests} | {warm_requests} |"


def bucket_of(url: str, requests: list[int]):  # type: ignore[no-untyped-def]
    """Returns the store in the bucket, which counts its requests."""
    from tests.cloud.embedded import Cloud
    from toril.store.s3 import S3Store

    client = Cloud(url=url).client("s3")

    def count(**_: object) -> None:
        requests[0] += 1

    client.meta.events.register("before-send.s3", count)
    return S3Store(BUCKET, "", client)


def first_page(store):  # type: ignore[no-untyped-def]
    from toril.runs.index import Query, search

    assert len(search(store, Query()).rows) == 50


def text(store):  # type: ignore[no-untyped-def]
    from toril.runs.index import Query, search

    assert search(store, Query(text="0000000000ff")).rows


def command(store):  # type: ignore[no-untyped-def]
    from toril.runs.stored import listing

    assert len(listing(store, NOW)) == 50


def folders(store):  # type: ignore[no-untyped-def]
    from toril.records import Plan, Verdict, run_key
    from toril.records.summary import Summary
    from toril.runs.find import run_ids
    from toril.store import FolderStore
    from toril.store.records import find_record

    ids = run_ids(store) if isinstance(store, FolderStore) else sorted(store.names("runs/"))[-SAMPLED:]

    def read(run_id: str) -> None:
        for kind, name in ((Verdict, "verdict.json"), (Summary, "summary.json"), (Plan, "plan.json")):
            assert find_record(store, kind, run_key(run_id, name)) is not None

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(read, ids))


LISTS: dict[str, Callable] = {
    "first page": first_page,
    "search by text": text,
    "toril runs": command,
    "folders": folders,
}

if __name__ == "__main__":
    main()
