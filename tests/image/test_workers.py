"""Real workers in containers with the task definition's options, against a service on loopback."""

import shlex
import time

import pytest

from tests.end_to_end.running import until
from tests.image.contained import ROOT, contained, podman, task_options
from tests.targets import target
from tests.worker.driver import plan_of, planned
from toril.records.agent import announcement_key
from toril.store import FolderStore

pytestmark = [pytest.mark.live, pytest.mark.nightly, pytest.mark.xdist_group("image"), pytest.mark.timeout(600)]


def plan(url: str, *engines: str, **load: float):
    load = load or {"hold_for_s": 2.0}
    executions = [planned(one, one, index=number, concurrency=2, **load) for number, one in enumerate(engines)]
    paced = {"think-time": "50ms", "default-address": url}
    return plan_of(executions, {one: {**paced, "requests": [f"/{one}"]} for one in engines})


def test_the_slim_image_runs_locust_and_apiritif(slim, tmp_path):
    with target() as service, contained(plan(service.url, "locust", "apiritif"), tmp_path, slim) as run:
        outcome = run.go()
    assert outcome.exits[0].outcome == "finished", run.log()[-2000:]
    assert outcome.samples == service.answered
    assert {service.paths["/locust"] > 10, service.paths["/apiritif"] > 10} == {True}
    assert outcome.rcs() == {"200": outcome.samples}


@pytest.mark.parametrize("engine", ["jmeter", "gatling"])
def test_the_full_image_runs_jmeter_and_gatling(engine, full, tmp_path):
    with target() as service, contained(plan(service.url, engine), tmp_path, full) as run:
        outcome = run.go()
    assert outcome.exits[0].outcome == "finished", run.log()[-2000:]
    assert outcome.samples == service.answered > 10
    assert outcome.rcs() == {"200": outcome.samples}


@pytest.mark.parametrize(("image", "engines"), [("slim", ["locust", "apiritif"]), ("full", ["jmeter", "gatling"])])
def test_a_worker_becomes_ready_without_a_network(image, engines, tmp_path, request):
    name = request.getfixturevalue(image)
    with contained(plan("http://127.0.0.1:9", *engines), tmp_path, name, network="none") as run:
        run.launch()
        run.wait_ready()


@pytest.mark.solo
def test_sigterm_to_pid1_ends_the_worker_in_time_and_keeps_its_results(slim, tmp_path):
    with target() as service, contained(plan(service.url, "locust", hold_for_s=60.0), tmp_path, slim) as run:
        run.at_work(service)
        first = run.inside("cat", "/proc/1/cmdline").split("\0")
        asked = time.monotonic()
        run.kill("TERM")
        (code,) = run.wait()
        took_s = time.monotonic() - asked
        outcome = run.outcome()
    assert first[1:4] == ["-P", "-m", "toril.worker.pid1"]
    assert (code, outcome.exits[0].signals) == (0, 1)
    assert outcome.samples == service.answered
    assert took_s < 6  # 5 s for the worker, the rest for podman


@pytest.mark.solo
def test_pid1_kills_a_frozen_worker(slim, tmp_path):
    settings = {"environment": {"TORIL_GUARD_BOUND_S": "8"}}
    with (
        target() as service,
        contained(plan(service.url, "locust", hold_for_s=60.0), tmp_path, slim, **settings) as run,
    ):
        run.at_work(service)
        run.inside("python", "-c", FREEZE)
        (code,) = run.wait(timeout_s=30)
    assert code == 137
    assert run.store.find(run.key(0, "exit.json")) is None


FREEZE = """
import os, pathlib, signal
for folder in pathlib.Path("/proc").iterdir():
    if folder.name.isdigit() and folder.name != "1" and int(folder.name) != os.getpid():
        os.kill(int(folder.name), signal.SIGSTOP)
"""


def test_the_last_log_line_of_a_worker_killed_for_memory_says_so(slim):
    pid1 = ["-P", "-m", "toril.worker.pid1", "python", "-c", "x = bytearray(300 << 20); print(len(x))"]
    limits = ["--memory=120m", "--memory-swap=120m"]
    done = podman("run", "--rm", *limits, *task_options("none"), "--entrypoint=python", slim, *pid1, check=False)
    assert done.returncode == 137
    assert "lack of memory" in done.stderr.splitlines()[-1]


def test_the_documented_container_of_an_agent_announces_itself(slim, tmp_path):
    page = (ROOT / "docs/how-to/use-private-locations.md").read_text()
    words = shlex.split(page.partition("\npodman run ")[2].partition("```")[0].replace("\\\n", ""))
    store, variables, name = tmp_path / "store", tmp_path / "agent.env", f"toril-test-{tmp_path.name}"
    store.mkdir()
    store.chmod(0o777)
    variables.write_text("A=1\n")
    own = {"agent.env": variables, "toril:slim": slim, words[-1]: "/store"}
    here = ["--pull=never", "--network=none", "--detach", "--name", name, "--volume", f"{store}:/store"]
    podman("run", *here, *(own.get(word, word) for word in words))
    try:
        key = announcement_key("office", "rack-1")
        until(lambda: FolderStore(store).path(key).exists(), "an announcement")
    finally:
        podman("rm", "--force", "--volumes", "--time", "0", name)
