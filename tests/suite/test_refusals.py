"""Errors of an invalid suite name the place, the problem and the fix."""

import pytest
import yaml

from tests.suite.reading import SIMPLE, execution, read, refuses, write


@pytest.mark.parametrize(
    ("keys", "refusal"),
    [
        ({"executor": "locust", "master": True}, ("unsupported-key", "execution[0].master")),
        ({"executor": "jmeter", "distributed": ["a"]}, ("unsupported-key", "execution[0].distributed", "Remove it")),
        ({"executor": "locust", "throughput": 5}, ("ignored-load", "execution[0].throughput")),
        ({"executor": "locust", "steps": 5}, ("ignored-load", "execution[0].steps")),
        ({"executor": "apiritif", "throughput": 5}, ("ignored-load", "execution[0].throughput")),
        ({"throughput": 5, "hold-for": None}, ("ignored-load", "execution[0].throughput")),
        ({"concurrency": "many"}, ("not-a-number", "execution[0].concurrency", "many")),
        ({"concurrency": -1}, ("out-of-range", "execution[0].concurrency", "-1")),
        ({"concurrency": 2.5}, ("not-a-number", "execution[0].concurrency", "2.5")),
        ({"concurrency": True}, ("not-a-number", "execution[0].concurrency", "True")),
        ({"concurrency": [1]}, ("not-a-number", "execution[0].concurrency", "[1]")),
        ({"concurrency": 10**12}, ("out-of-range", "execution[0].concurrency", "1000000000000")),
        ({"concurrency": {"locla": 5}}, ("unknown-key", "execution[0].concurrency", "{'locla': 5}")),
        ({"throughput": "1e999999999"}, ("not-a-number", "execution[0].throughput", "1e999999999")),
        ({"throughput": "${__P(rate)}"}, ("unset-reference", "execution[0].throughput", "${__P(rate)}")),
        ({"hold-for": "5 parsecs"}, ("not-a-duration", "execution[0].hold-for", "5 parsecs")),
        ({"hold-for": "inf"}, ("not-a-duration", "execution[0].hold-for", "inf")),
        ({"ramp-up": -5}, ("not-a-duration", "execution[0].ramp-up", "-5")),
        ({"hold-for": "999999d"}, ("out-of-range", "execution[0].hold-for", "999999d")),
        ({"delay": {}}, ("not-a-duration", "execution[0].delay", "{}")),
        ({"locations": ["eu-west-1"]}, ("not-a-mapping", "execution[0].locations", "['eu-west-1']")),
        ({"locations": {"eu-west-1": 0}}, ("out-of-range", "execution[0].locations")),
        ({"locations": {"eu west": 1}}, ("unusable-name", "execution[0].locations.eu west")),
        ({"locations": {"../up": 1}}, ("unusable-name", "execution[0].locations.../up")),
        ({"locations": {"eu": 1.5}, "locations-weighted": False}, ("not-a-number", "execution[0].locations.eu", "1.5")),
        ({"locations": {"eu": 1}, "locations-weighted": 0}, ("not-a-boolean", "execution[0].locations-weighted", "0")),
        (
            {"locations": {"eu": 1}, "locations-weighted": "off"},
            ("not-a-boolean", "execution[0].locations-weighted", "off"),
        ),
        ({"scenario": "chekout"}, ("unknown-scenario", "execution[0].scenario", "chekout", "checkout")),
        ({"scenario": None}, ("missing-scenario", "execution[0].scenario")),
        ({"scenario": []}, ("missing-scenario", "execution[0].scenario", "[]")),
        ({"scenario": "text"}, ("not-a-mapping", "scenarios.text", "load.jmx")),
        ({"scenario": {"script": "gone.jmx"}}, ("no-such-file", "execution[0].scenario.script", "gone.jmx")),
        (
            {"scenario": {"script": "../outside.py"}},
            ("outside-folder", "execution[0].scenario.script", "../outside.py"),
        ),
        ({"scenario": {"script": "/etc/passwd"}}, ("outside-folder", "execution[0].scenario.script", "/etc/passwd")),
        ({"scenario": {"script": "link.py"}}, ("outside-folder", "execution[0].scenario.script", "link.py")),
        ({"scenario": {"script": 5}}, ("not-a-path", "execution[0].scenario.script", "5")),
        ({"scenario": {"script": "x\0y"}}, ("no-such-file", "execution[0].scenario.script", "x�y")),
        ({"scenario": {"script": "x" * 5000}}, ("no-such-file", "execution[0].scenario.script")),
        (
            {"scenario": {"script": "${NOWHERE}/x.jmx"}},
            ("unset-reference", "execution[0].scenario.script", "${NOWHERE}/x.jmx"),
        ),
        (
            {"scenario": {"requests": ["/"], "data-sources": ["gone.csv"]}},
            ("no-such-file", "execution[0].scenario.data-sources[0]", "gone.csv"),
        ),
        (
            {"scenario": {"requests": ["/"], "data-sources": [{"path": "../outside.py"}]}},
            ("outside-folder", "execution[0].scenario.data-sources[0].path", "../outside.py"),
        ),
        (
            {"scenario": {"requests": ["/"], "data-sources": "users.csv"}},
            ("not-a-list", "execution[0].scenario.data-sources", "users.csv"),
        ),
        (
            {"scenario": {"requests": [{"url": "/", "body-file": "gone.json"}]}},
            ("no-such-file", "execution[0].scenario.requests[0].body-file", "gone.json"),
        ),
        ({"files": ["gone.jar"]}, ("no-such-file", "execution[0].files[0]", "gone.jar")),
        ({"criteria": "fail>0"}, ("not-a-list", "execution[0].criteria", "fail>0")),
        ({"executor": ["jmeter"]}, ("unknown-executor", "execution[0].executor", "['jmeter']")),
    ],
)
def test_an_invalid_execution_is_rejected(tmp_path, keys, refusal):
    folder = tmp_path / "shop"
    write(tmp_path, "", "outside.py")
    write(folder, "")
    (folder / "link.py").symlink_to(tmp_path / "outside.py")
    document = {**execution(**keys), "scenarios": {"checkout": {"requests": ["/"]}, "text": "load.jmx"}}
    refuses(folder, document, *refusal)


@pytest.mark.parametrize(
    ("scenario", "refusal"),
    [
        (None, ("missing-scenario", "execution[0].scenario")),
        ("gone", ("unknown-scenario", "execution[0].scenario", "gone")),
    ],
)
def test_a_suite_without_scenarios_is_rejected(tmp_path, scenario, refusal):
    refuses(tmp_path, {"execution": [{"scenario": scenario, "hold-for": "1m"}]}, *refusal)


@pytest.mark.parametrize(
    ("block", "refusal"),
    [
        ({"wokers": 3}, ("unknown-key", "toril.wokers", "workers")),
        ({"split_data": []}, ("unknown-key", "toril.split_data", "split-data")),
        ({"worker": {"cpus": 1}}, ("unknown-key", "toril.worker.cpus", "cpu")),
        ({"regression": {"margins": "3%"}}, ("unknown-key", "toril.regression.margins", "margin")),
        ({"regression": {"metrics": ["p95", "p0"]}}, ("unknown-value", "toril.regression.metrics[1]")),
        ({"regression": {"metrics": "median"}}, ("unknown-value", "toril.regression.metrics[0]")),
        ({"earlier-runs": {"runs": 7}}, ("out-of-range", "toril.earlier-runs.runs")),
        ({"zzz": 1}, ("unknown-key", "toril.zzz")),
        ({"workers": 0}, ("out-of-range", "toril.workers")),
        ({"workers": 10**9}, ("out-of-range", "toril.workers")),
        ({"quorum": "120%"}, ("not-a-percentage", "toril.quorum")),
        ({"quorum": 50}, ("not-a-percentage", "toril.quorum")),
        ({"max-duration": "soon"}, ("not-a-duration", "toril.max-duration")),
        ({"worker": {"cpu": 3}}, ("unknown-value", "toril.worker.cpu")),
        ({"gate": "perhaps"}, ("not-a-boolean", "toril.gate")),
        ({"split-data": ["gone.csv"]}, ("no-such-file", "toril.split-data[0]", "gone.csv")),
        ([], ("not-a-mapping", "toril")),
    ],
)
def test_an_invalid_toril_block_is_rejected_with_the_nearest_key(tmp_path, block, refusal):
    refuses(tmp_path, {**SIMPLE, "toril": block}, *refusal)


def test_the_toril_block_has_typed_settings(tmp_path):
    write(tmp_path, "name\na\n", "users.csv")
    block = """
      workers: 6
      worker: {cpu: 2048, memory: 4096, arch: arm64, spot: true}
      max-duration: 2h
      graceful-stop: 30s
      split-data: [users.csv]
      quorum: 90%
      gate: true
      secrets: {TOKEN: arn-or-name}
      criteria: [hits<450 over 10s]
      regression: {margin: 3%, failures: 0.5%, blocks: 10, labels: [checkout], metrics: [p99.9, throughput]}
      earlier-runs: {labels: checkout}
    """
    suite = read(tmp_path, {**SIMPLE, "toril": yaml.safe_load(block)})
    ours = suite.toril
    assert (ours.workers, ours.worker.spot, ours.max_duration_s, ours.graceful_stop_s) == (6, True, 7200, 30)
    assert (ours.quorum, ours.gate, ours.secrets, ours.split_data) == (
        0.9,
        True,
        {"TOKEN": "arn-or-name"},
        ("users.csv",),
    )
    assert suite.data_rows == {"users.csv": 1}
    assert ours.regression is not None
    assert (ours.regression.margin, ours.regression.blocks, ours.regression.labels) == (0.03, 10, ("checkout",))
    assert (ours.regression.failures, ours.regression.metrics) == (0.005, ("p99.9", "throughput"))
    assert ours.earlier_runs is not None
    assert (ours.earlier_runs.runs, ours.earlier_runs.labels, ours.earlier_runs.margin) == (12, ("checkout",), 0.03)
