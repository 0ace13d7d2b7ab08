"""As many labels as requests, as from a script with ids in its labels: complete, and in bounded memory."""

import json
import resource
import subprocess
import sys

import numpy as np
import pytest

from tests.measured import START, left, plan_of
from tests.pathological.brute import flushed
from toril.reports import FORMATS, Bundle, render
from toril.stats.histogram import Int64s
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode
from toril.timeline.intervals.format import HEAD, MAX_UNPACKED
from toril.verdict import judge

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("many-labels")]


def times_of(count: int) -> Int64s:
    return np.random.default_rng(1).lognormal(11, 0.5, count).astype(np.int64)


def recorded(count: int, seconds: int, label: str = "/items/{}") -> list[bytes]:
    """Returns the files of a worker that sends one request to each of `count` labels, over `seconds`."""
    recorder, files, us = Recorder("local-1", "local"), [], times_of(count)
    for second in range(seconds):
        part = np.arange(second, count, seconds)
        columns = {
            "completed_s": np.full(part.size, second + 0.5), "label": [label.format(n) for n in part.tolist()],
            "steady": True, "ok": part % 100 > 0, "rc": "200", "message": "no", "response_us": us[part],
        }  # fmt: skip
        recorder.add_many("shop", columns)
        files += flushed(recorder)
    return files


def merged(files: list[bytes]) -> Timeline:
    timeline = Timeline()
    for data in files:
        timeline.add(decode(data, "file"))
    return timeline


def test_a_hundred_thousand_labels_are_merged_and_each_keeps_its_sample():
    count = 100_000
    files = recorded(count, 5)
    assert sum(map(len, files)) < 20 * count
    timeline, us = merged(files), times_of(count)
    assert len(timeline.labels()) == count
    everything = timeline.select().total
    assert (everything.samples, everything.failures) == (count, count // 100)
    assert everything.sum_us == us.sum()
    exact = int(np.sort(us)[count * 99 // 100 - 1])
    assert exact <= everything.percentile(99) <= exact * 1.001
    for n in (0, 1, 77_777, count - 1):
        one = timeline.select(f"/items/{n}").total
        assert (one.samples, one.min_us, one.max_us, one.failures) == (1, us[n], us[n], n % 100 == 0)


@pytest.mark.nightly
def test_no_file_exceeds_the_readable_size_even_with_long_labels():
    """Labels of four bytes per character, in one second: 400 MB of names, more than the limit of a file."""
    files = recorded(100_000, 1, "🐂" * 900 + "{}")
    sizes = [HEAD.unpack_from(data)[3] for data in files]
    assert len(sizes) > 1
    assert max(sizes) <= MAX_UNPACKED
    intervals = [decode(data, "file") for data in files]
    assert [interval.number for interval in intervals] == list(range(1, len(files) + 1))
    assert sum(interval.samples for interval in intervals) == 100_000


@pytest.fixture(scope="module")
def bundle():
    timeline = merged(recorded(10_000, 5))
    plan = plan_of("p95>300ms", "hits of /items/5>0", "fail>5%")
    complete = Completeness(
        planned=("local-1",), reported=("local-1",), exits={"local-1": left()}, started_at=START
    )  # fmt: skip
    summary = summarise(plan, timeline, complete, START)
    return Bundle(plan, summary, judge(plan, timeline, complete, summary), timeline)


def test_each_label_is_summarised_and_judged(bundle):
    us = times_of(10_000)
    labels = bundle.summary.labels
    assert len(labels) == 10_001
    assert {labels[f"/items/{n}"].response_us.max for n in range(10_000)} == set(us.tolist())
    assert [entry.outcome for entry in bundle.verdict.criteria] == ["passed", "failed", "passed"]


@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in FORMATS if not name.startswith("parquet")])
def test_each_report_accepts_ten_thousand_labels(bundle, name):
    data = render(name, bundle)
    assert data.decode()
    limits = {
        "terminal": 1 << 16,
        "github": 1 << 20,
        "junit": 1 << 16,
        "html": 4 << 20,
    }  # reports for people show the first labels only
    assert len(data) <= limits.get(name, 100 << 20)
    if name == "json":
        assert len(json.loads(data)["summary"]["labels"]) == 10_001


LONG_RUN = """
import numpy as np
from toril.timeline.intervals import Recorder, decode
from toril.timeline import Timeline
chance, recorder, timeline = np.random.default_rng(1), Recorder("local-1", "local"), Timeline()
names = np.array([f"/items/{n}" for n in range(50_000)], object)
for second in list(range(0, 3000, 15)) + [40_000]:
    label = names[chance.integers(0, 50_000, 1000)]
    us = chance.lognormal(11, 0.5, 1000).astype(np.int64)
    recorder.add_many("shop", {"completed_s": np.full(1000, second + 0.5), "label": label, "steady": True,
        "ok": True, "rc": "200", "response_us": us})
    timeline.add(decode(recorder.flush(), "file"))
assert timeline.select().total.samples == 201_000
assert timeline.select().second(40_000).samples == 1000
assert len(timeline.select().seconds) == 201
"""


@pytest.mark.nightly
def test_memory_grows_with_samples_and_not_with_labels_times_hours():
    """50,000 labels × 40,001 seconds would need 8 GB as a table; the process gets 1.5 GB."""
    limit = 1536 << 20
    done = subprocess.run(
        [sys.executable, "-c", LONG_RUN],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        env={"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-800:]
