"""OpenTelemetry's own Collector accepts the exports, and passes on what they contain."""

import json
import os
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.measured import START, every_second, plan_of, timeline_of
from tests.notify.collector import attributes, collecting
from toril.notify.otel.exporter import Exporter
from toril.records import Verdict
from toril.records.progress import Progress
from toril.records.verdict import JudgedCriterion

ROOT = Path(__file__).parent.parent.parent
BUILD_S = 180  # with an empty cache of Go's modules

pytestmark = [pytest.mark.live, pytest.mark.nightly]


@pytest.fixture(scope="module")
def program():
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "toril")
    try:
        done = subprocess.run(
            [ROOT / "tools/build", "collector", cache], capture_output=True, text=True, timeout=BUILD_S, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"the Collector is not built within {BUILD_S} s")
    if done.returncode:
        pytest.skip(f"the Collector cannot be built here: {done.stderr[-200:]}")
    return done.stdout.strip()


@contextmanager
def passing_on(program, folder, to):
    """Runs a Collector that sends all it accepts to the address `to`. Yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pipeline = {"receivers": ["otlp"], "exporters": ["otlphttp"]}
    config = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": {"otlphttp": {"endpoint": to, "compression": "none"}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"metrics": pipeline, "logs": pipeline},
        },
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    command = [program, "--config", str(folder / "config.yaml")]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until = time.monotonic() + 60
            while not _listens(port):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_collector_takes_metrics_and_events_as_they_are(program, tmp_path):
    verdict = Verdict(outcome="failed", criteria=(JudgedCriterion(criterion="p99>1s", outcome="failed", observed=2e6),))
    with collecting() as behind:
        with passing_on(program, tmp_path, behind.url) as url:
            exporter = Exporter(plan_of("avg-rt>1s"), url, {})
            exporter.begun(plan_of(), START, {})
            progress = Progress(run_id="r", at=START + 10, phase="ended")
            exporter.advanced(timeline_of(every_second(range(10), times=3)), 9, progress)
            exporter.judged(SimpleNamespace(verdict=verdict))
            assert exporter.close(30.0) == ()
        assert behind.metrics, (tmp_path / "log").read_text()
        found = behind.newest()
        assert [one.as_int for one in found["toril.requests"]] == [30]
        (times,) = found["toril.response_time"]
        assert (times.count, sum(times.positive.bucket_counts)) == (30, 30)
        assert [attributes(one)["toril.criterion"] for one in found["toril.criterion.breached"]] == ["p99>1s"]
        assert [name for name, _ in behind.events()] == ["toril.criterion.judged"]
