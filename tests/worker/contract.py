"""What every engine is asked to do alike: one loop of requests, as requests of the suite or as a script."""

from pathlib import Path
from typing import Any

from tests.worker.driver import Outcome, plan_of, planned, workers
from tests.worker.schedules import scheduled

ENGINES = ("locust", "HttpUser", "apiritif", "apiritif script", "jmeter", "vegeta", "gatling")

HTTP_USER = """
from locust import HttpUser, constant, task

class Visitor(HttpUser):
    wait_time = constant({think_s})
    @task
    def visit(self):
        self.client.get("/", name="visit")
"""
TEST = """
import time
import unittest
import apiritif

class TestVisit(unittest.TestCase):
    target = apiritif.http.target("{url}")

    def test_visit(self):
        time.sleep({think_s})
        with apiritif.smart_transaction("visit"):
            self.target.get("/")
"""


def load(engine: str, folder: Path, url: str, *, users: int, seconds: float, think_s: float = 0.0) -> Outcome:
    """Runs a load of GET requests on the root of `url` by this engine; returns what its worker recorded."""
    think = {"think-time": f"{round(think_s * 1000)}ms"} if think_s else {}
    scenario: dict[str, Any] = {"default-address": url, "requests": [{"url": "/", "label": "visit", **think}]}
    files = {}
    if engine == "HttpUser":
        engine, files = "locust", {"locustfile.py": HTTP_USER.format(think_s=think_s)}
        scenario = {"default-address": url, "script": "locustfile.py"}
    elif engine == "apiritif script":
        engine, files = "apiritif", {"test_visit.py": TEST.format(url=url, think_s=think_s)}
        scenario = {"script": "test_visit.py"}
    if engine == "vegeta":
        rate = users / think_s if think_s else 20 * users
        plan = scheduled({**scenario, "requests": ["/"]}, rate=rate, hold_for_s=seconds)
    else:
        seconds += {"gatling": 4, "jmeter": 2}.get(engine, 0)  # on a crowded machine their users start seconds late
        plan = plan_of([planned(engine, "shop", concurrency=users, hold_for_s=seconds)], {"shop": scenario})
    with workers(plan, folder, files) as run:
        return run.go()
