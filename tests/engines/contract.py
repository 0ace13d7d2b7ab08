"""What every engine is asked to do alike: a loop of GET requests, as requests of the suite or as a script."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.worker.driver import Outcome, Run, plan_of, planned, workers
from tests.worker.schedules import scheduled
from toril.records import Plan, Segment

ENGINES = ("locust", "HttpUser", "apiritif", "apiritif script", "jmeter", "vegeta", "toril", "arrivals", "gatling")
BY_SCHEDULE = ("vegeta", "arrivals")
HOME = {"visit": "/"}  # label → path

HTTP_USER = """
from locust import HttpUser, constant, task

class Visitor(HttpUser):
    wait_time = constant({think_s})
    @task
    def visit(self):
        for label, path in {paths}.items():
            self.client.get(path, name=label)
"""
TEST = """
import time
import unittest
import apiritif

class TestVisit(unittest.TestCase):
    target = apiritif.http.target("{url}")

    def test_visit(self):
        time.sleep({think_s})
        for label, path in {paths}.items():
            with apiritif.smart_transaction(label):
                self.target.get(path)
"""
STAND_IN = Path(__file__).with_name("k6_stand_in.py")
K6_SCRIPT = '// {{"urls": {urls}, "vus": {vus}, "iterations": {iterations}, "sleep_s": 0.01}}\n'


def k6_script(urls: str = '["/home"]', vus: int = 1, iterations: int = 1) -> dict[str, str]:
    return {"load.js": K6_SCRIPT.format(urls=urls, vus=vus, iterations=iterations)}


def k6_plan(
    folder: Path,
    url: str,
    *,
    workers: int = 1,
    cmdline: str = "",
    segments: Sequence[Segment | None] = (),
    tags: tuple[str, ...] = (),
    **load: Any,
) -> Plan:
    """Returns a plan for a stand-in of k6, an executable in `folder`; `segments` divide the script's own load."""
    program = folder / "k6"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    program.chmod(0o755)
    settings = {"path": str(program), "cmdline": f"-e URL={url} {cmdline}"}
    plan = plan_of(
        [planned("k6", "shop", **load)],
        {"shop": {"script": "load.js"}},
        workers=workers,
        common={"modules": {"k6": settings}},
        request_tags=tags,
    )
    shares = []
    for share, segment in zip(plan.shares, segments or [None] * workers, strict=True):
        part = share.executions[0].model_copy(update={"segment": segment})
        shares.append(share.model_copy(update={"executions": (part,)}))
    return plan.model_copy(update={"shares": tuple(shares)})


def loading(
    engine: str,
    folder: Path,
    url: str,
    paths: Mapping[str, str] = HOME,
    *,
    users: int,
    seconds: float = 0.0,
    iterations: int = 0,
    think_s: float = 0.0,
    **settings: Any,
) -> AbstractContextManager[Run]:
    """Returns workers whose engine requests these paths in a loop; vegeta sends one each `think_s` a user.

    `toril` and `arrivals` are toril's engine with users, and with a journey each `think_s` a user.
    """
    think = {"think-time": f"{round(think_s * 1000)}ms"} if think_s else {}
    requests = [{"url": path, "label": label, **think} for label, path in paths.items()]
    scenario: dict[str, Any] = {"default-address": url, "requests": requests}
    files = {}
    load: dict[str, Any] = {"concurrency": users}
    load |= {"iterations": iterations} if iterations else {"hold_for_s": seconds}
    if engine == "HttpUser":
        engine, files = "locust", {"locustfile.py": HTTP_USER.format(think_s=think_s, paths=dict(paths))}
        scenario = {"default-address": url, "script": "locustfile.py"}
    elif engine == "apiritif script":
        engine, files = "apiritif", {"test_visit.py": TEST.format(url=url, think_s=think_s, paths=dict(paths))}
        scenario = {"script": "test_visit.py"}
    if engine in BY_SCHEDULE:
        rate = users / think_s if think_s else 20 * users
        requests = [{"url": path, "label": label} for label, path in paths.items()]
        executor = "vegeta" if engine == "vegeta" else "toril"
        plan = scheduled({**scenario, "requests": requests}, rate=rate, hold_for_s=seconds or 1.0, executor=executor)
    elif engine == "k6":
        plan, files = k6_plan(folder, url, **load), k6_script(str([*paths.values()]).replace("'", '"'))
    else:
        if seconds:  # on a crowded machine their users start seconds late
            load["hold_for_s"] += {"gatling": 4, "jmeter": 2}.get(engine, 0)
        plan = plan_of([planned(engine, "shop", **load)], {"shop": scenario})
    return workers(plan.model_copy(update=settings), folder, files)


def load(engine: str, folder: Path, url: str, paths: Mapping[str, str] = HOME, **more: Any) -> Outcome:
    """Runs such a load to its end; returns what its worker recorded."""
    with loading(engine, folder, url, paths, **more) as run:
        return run.go()


def assert_measured(found: Outcome, label: str) -> None:
    """Compare the measurements of six iterations: two requests each, `items` (2.5 and no number), a failed check."""
    assert (found.samples, found.total(label).samples, found.total().samples) == (12, 12, 12)
    items, check = found.total("items", kind="trend"), found.total("has total", kind="check")
    assert (items.samples, items.sum_us) == (6, 6 * 2500)
    assert (check.samples, check.failures) == (6, 6)
    assert sum(one.unreadable for one in found.intervals) == 6
    assert [found.total(f"{label}{{tenant={tenant}}}").samples for tenant in ("big", "small")] == [6, 6]
    assert found.total("{tenant=big}").samples == 6
