"""Services with planted faults: the report of a real run names each cause."""

import asyncio
import json
import math
import re
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import run, suite_file
from tests.targets import Target, opened

EACH = 50
EXPECTED: dict[str, Any] = {"jsonpath": "$.currency", "expected-value": "EUR", "validate": True}
STALL_EACH_S, STALL_S, EXPIRES_S, HOLD_S = 10.0, 0.5, 40.0, 70


class Faulty(Target):
    """Stands still for half a second each 10 s; from second 40 on, a token is invalid."""

    async def answer(self, writer: asyncio.StreamWriter, method: str, path: str, sent: bytes) -> bool:
        since_s = time.time() - (self.first_at or time.time())
        phase_s = math.fmod(since_s, STALL_EACH_S)
        if since_s > STALL_EACH_S and phase_s < STALL_S:
            await asyncio.sleep(STALL_S - phase_s)
        expired = path == "/account" and since_s > EXPIRES_S
        return await super().answer(writer, method, "/status/401" if expired else path, sent)


class Shop(Target):
    """Fails on every 50th checkout, has a wrong field in its stock, and answers one location late."""

    checkouts = 0

    async def answer(self, writer: asyncio.StreamWriter, method: str, path: str, sent: bytes) -> bool:
        if path == "/checkout":
            self.checkouts += 1
            if self.checkouts % EACH == 0:
                path = "/status/500"
        elif path == "/near":
            path = "/delay/0.02"
        elif path == "/far":
            path = "/delay/0.05"
        return await super().answer(writer, method, path, sent)


@pytest.mark.nightly
def test_the_500_of_each_50th_checkout_and_a_wrong_field_are_shown_with_what_was_expected(tmp_path: Path):
    with opened(Shop(0.002, 200, b'{"articles": 3, "currency": "USD"}')) as service:
        of_stock: dict[str, Any] = {"url": "/stock", "label": "stock", "assert-jsonpath": [EXPECTED]}
        requests: list[dict[str, Any]] = [{"url": "/checkout", "label": "checkout", "method": "POST"}, of_stock]
        suite = suite_file(
            tmp_path / "shop",
            service.url,
            execution={"executor": "apiritif", "concurrency": 2, "hold-for": "8s"},
            scenarios={"home": {"default-address": service.url, "requests": requests}},
            reporting=[{"module": "passfail", "criteria": ["fail of checkout>1%", "fail of stock>1%"]}],
        )
        done = run(tmp_path / "store", suite, "--report", f"html={tmp_path / 'page.html'}")
    assert done.code == 1, done.stdout
    kept = [one for one in done.json("evidence.json")["exchanges"] if one["why"] == "failure"]
    checkout, stock = ([one for one in kept if one["label"] == label] for label in ("checkout", "stock"))
    assert {(one["method"], one["status"]) for one in checkout} == {("POST", 500)}
    wrong = [one for one in stock[0]["asserted"] if not one["ok"]]
    assert [set(re.findall(r"\w+", one["expected"])) >= {"currency", "EUR"} for one in wrong] == [True]
    assert json.loads(stock[0]["response"]["text"])["currency"] == "USD"
    failed = done.json("summary.json")["labels"]["checkout"]
    assert failed["failures"] == failed["samples"] // EACH


@pytest.mark.nightly
def test_a_slow_region_stands_out_with_its_difference(tmp_path: Path):
    script = """
        import os
        from locust import FastHttpUser, constant, task
        class Visitor(FastHttpUser):
            wait_time = constant(0.05)
            @task
            def look(self):
                self.client.get("/" + os.environ["TORIL_LOCATION"], name="look")
    """
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/visit.py").write_text(textwrap.dedent(script))
    with opened(Shop(0.002, 200, b"ok")) as service:
        scenarios = {"home": {"default-address": service.url, "script": "visit.py"}}
        load = {"concurrency": 12, "hold-for": "30s", "locations": {"near": 1, "far": 1}}
        suite = suite_file(tmp_path / "shop", service.url, execution=load, scenarios=scenarios, reporting=[])
        done = run(tmp_path / "store", suite)
    (found,) = done.json("summary.json")["standouts"]
    assert (found["code"], found["location"], found["evidence"]["cause"]) == ("slow-location", "far", "constant offset")
    assert found["evidence"]["p50_us"] - found["evidence"]["p50_elsewhere_us"] == pytest.approx(30_000, abs=8_000)


@pytest.mark.nightly
def test_an_expired_token_and_a_stall_each_ten_seconds_stand_out_in_the_report(tmp_path: Path):
    with opened(Faulty(0.005, 200, b"ok")) as service:
        requests = [{"url": f"{service.url}/{name}", "label": name} for name in ("home", "search", "account")]
        scenario = {"requests": requests, "think-time": "100ms"}
        load = {"concurrency": 10, "hold-for": f"{HOLD_S}s"}
        suite = suite_file(tmp_path / "shop", service.url, execution=load, scenarios={"home": scenario}, reporting=[])
        done = run(tmp_path / "store", suite, "--report", f"html={tmp_path / 'page.html'}", limit_s=150)
    found = {one["code"]: one for one in done.json("summary.json")["standouts"]}
    assert set(found) == {"errors-began", "periodic-stall"}, done.stdout
    assert found["errors-began"]["label"] == "account"
    assert found["errors-began"]["from_s"] == pytest.approx(EXPIRES_S, abs=2)
    assert found["errors-began"]["evidence"]["response_code"] == "401"
    assert found["periodic-stall"]["evidence"]["period_s"] == pytest.approx(STALL_EACH_S, abs=0.3)
    assert "Findings" in done.stdout
    assert 'href="#findings"' in (tmp_path / "page.html").read_text("utf-8")
