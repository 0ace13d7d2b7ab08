"""What is wrong in a suite is refused with where, what and the fix."""

import pytest
import yaml

from tests.suite.reading import SIMPLE, execution, read, refusal, write


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"executor": "ab"}, "counts HTTP errors as successes"),
        ({"executor": "siege"}, "rounds to 10 ms"),
        ({"executor": "locust", "master": True}, "no percentiles"),
        ({"executor": "locust", "throughput": 5}, "Locust ignores"),
        ({"executor": "locust", "steps": 5}, "Locust ignores"),
        ({"executor": "apiritif", "throughput": 5}, "Apiritif ignores"),
        ({"throughput": 5, "hold-for": None}, "add `hold-for: 1m`"),
        ({"concurrency": "many"}, "execution[0].concurrency is `many`, not a number; write a number"),
        ({"concurrency": -1}, "below 0"),
        ({"concurrency": 2.5}, "not a whole number"),
        ({"concurrency": True}, "not a number"),
        ({"concurrency": [1]}, "not a number"),
        ({"concurrency": 10**12}, "more than 100,000,000"),
        ({"concurrency": {"locla": 5}}, "neither local nor cloud"),
        ({"throughput": "1e999999999"}, "not a number"),
        ({"throughput": "${__P(rate)}"}, "toril divides it"),
        ({"hold-for": "5 parsecs"}, "not a duration; write it like 30s"),
        ({"hold-for": "inf"}, "not a duration"),
        ({"ramp-up": -5}, "not a duration"),
        ({"hold-for": "999999d"}, "longer than a year"),
        ({"delay": {}}, "not a duration"),
        ({"locations": ["eu-west-1"]}, "not a mapping; write it like `locations: {eu-west-1: 1"),
        ({"locations": {"eu-west-1": 0}}, "without any weight above 0"),
        ({"locations": {"eu west": 1}}, "not a name for a location"),
        ({"locations": {"../up": 1}}, "not a name for a location"),
        ({"locations": {"eu": 1.5}, "locations-weighted": False}, "not a whole number"),
        ({"locations": {"eu": 1}, "locations-weighted": 0}, "locations-weighted is `0`; write true or false"),
        ({"locations": {"eu": 1}, "locations-weighted": "off"}, "locations-weighted is `off`; write true or false"),
        ({"scenario": "chekout"}, "did you mean `checkout`?"),
        ({"scenario": None}, "scenario is missing; name one, or the path of a script; known are checkout, text"),
        ({"scenario": []}, "scenario is `[]`, not a scenario; name one"),
        ({"scenario": "text"}, "not a mapping"),
        ({"scenario": {"script": "gone.jmx"}}, "a script that does not exist"),
        ({"scenario": {"script": "../outside.py"}}, "outside the suite's folder"),
        ({"scenario": {"script": "/etc/passwd"}}, "outside the suite's folder"),
        ({"scenario": {"script": "link.py"}}, "outside the suite's folder"),
        ({"scenario": {"script": 5}}, "not the path of a script"),
        ({"scenario": {"script": "x\0y"}}, "does not exist"),
        ({"scenario": {"script": "x" * 5000}}, "does not exist"),
        ({"scenario": {"script": "${NOWHERE}/x.jmx"}}, "--env NOWHERE=…"),
        (
            {"scenario": {"requests": ["/"], "data-sources": ["gone.csv"]}},
            "data-sources[0] is `gone.csv`, a data source that",
        ),
        ({"scenario": {"requests": ["/"], "data-sources": [{"path": "../outside.py"}]}}, "outside"),
        ({"scenario": {"requests": ["/"], "data-sources": "users.csv"}}, "not a list"),
        ({"scenario": {"requests": [{"url": "/", "body-file": "gone.json"}]}}, "requests[0].body-file is"),
        ({"files": ["gone.jar"]}, "execution[0].files[0] is `gone.jar`"),
        ({"criteria": "fail>0"}, "not a list; write it like"),
        ({"executor": ["jmeter"]}, "not a name"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_fix(tmp_path, keys, says):
    folder = tmp_path / "shop"
    write(tmp_path, "", "outside.py")
    write(folder, "")
    (folder / "link.py").symlink_to(tmp_path / "outside.py")
    document = {**execution(**keys), "scenarios": {"checkout": {"requests": ["/"]}, "text": "load.jmx"}}
    text = refusal(folder, document)
    assert text.startswith("suite.yml: ")
    assert says in text
    assert "; " in text


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        (None, "execution[0].scenario is missing; write `scenario: {requests: [http://…]}`, or `scenario: load.jmx`"),
        ("gone", "is `gone`, neither a scenario nor a file; correct the path of the script, or write `scenario: {req"),
    ],
)
def test_a_suite_without_scenarios_is_told_how_to_write_one(tmp_path, scenario, says):
    assert says in refusal(tmp_path, {"execution": [{"scenario": scenario, "hold-for": "1m"}]})


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ({"wokers": 3}, "toril.wokers is unknown; did you mean `workers`?"),
        ({"split_data": []}, "did you mean `split-data`?"),
        ({"worker": {"cpus": 1}}, "toril.worker.cpus is unknown; did you mean `cpu`?"),
        ({"regression": {"margins": "3%"}}, "did you mean `margin`?"),
        ({"zzz": 1}, "known are workers, worker, max-duration"),
        ({"workers": 0}, "toril.workers is wrong"),
        ({"workers": 10**9}, "toril.workers is wrong"),
        ({"quorum": "120%"}, "write it like 90%"),
        ({"quorum": 50}, "write it like 90%"),
        ({"max-duration": "soon"}, "write it like 30s, 5m or 2h"),
        ({"worker": {"cpu": 3}}, "toril.worker.cpu is wrong"),
        ({"gate": "perhaps"}, "toril.gate is wrong"),
        ({"split-data": ["gone.csv"]}, "toril.split-data[0] is `gone.csv`"),
        ([], "toril is no mapping"),
    ],
)
def test_our_own_block_is_strict_and_names_what_was_meant(tmp_path, block, says):
    assert says in refusal(tmp_path, {**SIMPLE, "toril": block})


def test_our_own_block_as_designed(tmp_path):
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
      regression: {margin: 3%, blocks: 10, labels: [checkout]}
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
