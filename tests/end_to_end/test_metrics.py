"""Criteria on CloudWatch's metrics, from the command to its exit code, against a service with CloudWatch's model."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cloudwatch.service import CREDENTIALS, CloudWatch, cloudwatch
from tests.end_to_end import running
from tests.end_to_end.running import Finished, toril, until
from tests.outcomes import CROWDED, fails, passes
from tests.targets import Target, target

BALANCER = {"LoadBalancer": "app/shop/50dc6c495c0c9188"}
SLOW = {
    "subject": "alb-response-time",
    "load-balancer": BALANCER["LoadBalancer"],
    "region": "eu-west-1",
    "period": "5s",
    "condition": ">",
    "threshold": "300ms",
}


def suite(folder: Path, service: Target, criterion: dict[str, Any] | None = None, wait: str = "30s") -> Path:
    return running.suite_file(
        folder,
        service.url,
        reporting=[{"module": "passfail", "criteria": ["fail>0%"]}],
        toril={"criteria": [criterion or SLOW], "metrics-wait": wait},
    )


def balancer(service: CloudWatch, response_s: float) -> None:
    service.publish(
        "AWS/ApplicationELB", "TargetResponseTime", BALANCER, lambda second: response_s, unit="Seconds", every_s=1
    )


def start(service: CloudWatch, store: Path, *arguments: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        toril(*arguments, "--store", store),
        env=service.environment(**CREDENTIALS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(service: CloudWatch, store: Path, *arguments: str | Path) -> Finished:
    return running.finish(start(service, store, "run", *arguments), store)


def report(store: Path) -> dict[str, Any]:
    """Returns the verdict that a command without access to AWS recomputes."""
    for name in ("summary.json", "verdict.json"):
        for path in store.glob(f"runs/*/{name}"):
            path.unlink()
    done = subprocess.run(
        toril("report", "latest", "--format", "json", "--store", store),
        env=CloudWatch().environment(),
        capture_output=True,
        text=True,
        timeout=running.LIMIT_S,
        check=True,
    )
    assert done.stdout
    (path,) = store.glob("runs/*/verdict.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize(
    ("response_s", "outcome"), [(0.412, "failed"), pytest.param(0.2, "passed", marks=pytest.mark.nightly)]
)
def test_a_slow_balancer_fails_the_run_and_the_verdict_can_be_recomputed_without_aws(
    tmp_path: Path, response_s: float, outcome: str
) -> None:
    store = tmp_path / "store"
    with target() as shop, cloudwatch() as service:
        balancer(service, response_s)
        done = run(service, store, suite(tmp_path, shop))
    verdict = done.json("verdict.json")
    assert {"failed": fails, "passed": passes}[outcome](verdict), done.stdout + done.stderr
    (judged,) = [found for found in verdict["criteria"] if found["observed"] not in (0, None)]
    assert (judged["outcome"], judged["observed"], judged["threshold"]) == (outcome, response_s * 1e6, 300_000)
    (series,) = done.json("metrics.json")["queries"]
    assert {value for _, value in series["points"]} == {response_s}
    assert "waiting for CloudWatch: 0 of 1 metrics are there" in done.stderr
    assert report(store) == verdict


@pytest.mark.nightly
def test_a_metric_without_values_is_noted_before_the_load_and_inconclusive_after_it(tmp_path: Path) -> None:
    with target() as shop, cloudwatch() as service:
        done = run(service, tmp_path / "store", suite(tmp_path, shop, wait="3s"))
    assert done.code == 3, done.stdout + done.stderr
    assert "no-samples" in done.reasons()
    assert "has no value of the last two hours" in " ".join(done.stderr.split())
    assert "check namespace, metric, dimensions" in json.dumps(done.json("verdict.json"))


def test_a_missing_permission_is_exit_4_before_any_load(tmp_path: Path) -> None:
    with target() as shop, cloudwatch() as service:
        service.denied = True
        done = run(service, tmp_path / "store", suite(tmp_path, shop))
        assert shop.started == 0
    assert done.code == 4
    assert "cloudwatch:GetMetricData" in done.stderr
    assert not (tmp_path / "store" / "runs").exists()


@pytest.mark.nightly
def test_a_permission_that_is_lost_during_the_load_makes_it_inconclusive(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with target() as shop, cloudwatch() as service:
        balancer(service, 0.2)
        process = start(service, store, "run", suite(tmp_path, shop))
        until(lambda: shop.answered, "the load")
        service.denied = True
        done = running.finish(process, store)
    assert done.code == 3, done.stdout + done.stderr
    assert "cloudwatch:GetMetricData" in json.dumps(done.json("verdict.json")["reasons"])
    assert report(store) == done.json("verdict.json")


def waiting(service: CloudWatch, store: Path, path: Path) -> "subprocess.Popen[str]":
    """A run whose load is over, and that waits for metrics."""
    process = start(service, store, "run", path)
    until(lambda: list(store.glob("runs/*/end.json")), "the end of the load")
    return process


@pytest.mark.nightly
def test_a_signal_ends_the_wait_and_available_metrics_are_judged(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with target() as shop, cloudwatch() as service:
        process = waiting(service, store, suite(tmp_path, shop, wait="10m"))
        process.send_signal(signal.SIGINT)
        done = running.finish(process, store)
    assert done.code == 130, done.stdout + done.stderr
    assert {"no-samples"} <= done.reasons() <= {"no-samples"} | CROWDED
    assert "the wait was interrupted" in json.dumps(done.json("verdict.json")["reasons"])


@pytest.mark.nightly
def test_a_run_interrupted_during_its_load_reads_metrics_once_without_waiting(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with target() as shop, cloudwatch() as service:
        path = running.suite_file(
            tmp_path, shop.url, execution={"hold-for": "60s"}, toril={"criteria": [SLOW], "metrics-wait": "10m"}
        )
        process = start(service, store, "run", path)
        until(lambda: shop.answered, "the load")
        process.send_signal(signal.SIGINT)
        done = running.finish(process, store)
        assert service.calls == 2  # one of them before the load
    assert done.code == 130, done.stdout + done.stderr


@pytest.mark.nightly
def test_toril_stop_ends_the_wait_but_nothing_of_the_load(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with target() as shop, cloudwatch() as service:
        process = waiting(service, store, suite(tmp_path, shop, wait="10m"))
        subprocess.run(toril("stop", "latest", "--store", store), check=True, timeout=running.LIMIT_S)
        done = running.finish(process, store)
    assert done.code == 3, done.stdout + done.stderr
    assert {"no-samples"} <= done.reasons() <= {"no-samples"} | CROWDED
    assert report(store) == done.json("verdict.json")


@pytest.mark.nightly
def test_a_run_whose_command_was_killed_during_the_wait_can_still_be_judged(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with target() as shop, cloudwatch() as service:
        process = waiting(service, store, suite(tmp_path, shop, wait="10m"))
        process.kill()
        process.communicate()
    (lease,) = store.glob("runs/*/lease.json")
    lease.write_text(json.dumps({**json.loads(lease.read_text()), "ended": True}))  # instead of waiting 15 s
    verdict = report(store)
    assert verdict["outcome"] == "inconclusive"
    assert "the command ended before it read CloudWatch" in json.dumps(verdict["reasons"])


@pytest.mark.nightly
def test_a_smoke_run_reads_no_metrics(tmp_path: Path) -> None:
    with target() as shop, cloudwatch() as service:
        done = run(service, tmp_path / "store", suite(tmp_path, shop), "--smoke")
        assert service.calls == 0
    assert passes(done.json("verdict.json")), done.stdout + done.stderr
