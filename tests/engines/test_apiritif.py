"""Real Apiritif under real bzt against a loopback service: samples match the responses."""

from typing import Literal

import pytest

from tests.engines.contract import assert_measured
from tests.rough import rough
from tests.targets import target
from tests.worker.driver import outcome, plan_of, planned
from toril.records import Keeping

pytestmark = pytest.mark.live

OWN = """
import unittest

import apiritif
from names import HOME  # a module beside the script


class TestShop(unittest.TestCase):
    def test_1_buy(self):
        with apiritif.transaction("buy"):
            apiritif.http.get("{url}/" + HOME).assert_ok()
            apiritif.http.get("{url}/redirect/2").assert_ok()

    def test_2_asserted(self):
        apiritif.http.get("{url}/status/503").assert_ok()

    def test_3_plain(self):
        response = apiritif.http.get("{url}/plain")
        self.assertEqual(response.status_code, 201, "half: \\ud83d")

    def test_4_without_requests(self):
        with apiritif.transaction("computed"):
            sum(range(1000))
"""

MEASURES = """
import apiritif
import unittest
from toril import metrics

class TestShop(unittest.TestCase):
    def test_buy(self):
        for tenant in ("big", "small"):
            with apiritif.smart_transaction("buy"), metrics.tags(tenant=tenant):
                apiritif.http.get("{url}/home")
        metrics.trend("items", 2.5)
        metrics.trend("items", float("inf"))
        metrics.check("has total", False)
"""

SMART = """
import unittest

import apiritif


class TestShop(unittest.TestCase):
    def test_1_smart(self):
        with apiritif.smart_transaction("buy"):
            apiritif.http.get("{url}/home")
        raise KeyError("after it")

    def test_2_before(self):
        raise ValueError("nothing sent")

    def test_3_asserted(self):
        with apiritif.smart_transaction("look"):
            apiritif.http.get("{url}/home")
        apiritif.http.get("{url}/status/503").assert_ok()


class TestCart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise RuntimeError("no cart")

    def test_4_never(self):
        apiritif.http.get("{url}/never")
"""


def generated(url, requests, **scenario):
    return {"shop": {"default-address": url, "requests": requests, **scenario}}


def test_a_try_waits_inside_a_transaction_alone(tmp_path):
    steps = {"transaction": "step", "do": [{"url": "/a", "think-time": "400ms"}, {"url": "/b", "think-time": "30s"}]}
    with target() as service:
        requests = [steps, {"url": "/c", "think-time": "30s"}]
        load = planned("apiritif", "shop", concurrency=1, iterations=1)
        plan = plan_of([load], generated(service.url, requests), keeping=Keeping(everything=True))
        found = outcome(plan, tmp_path)
    assert 400_000 <= found.timeline.select("step", kind="transaction").total.max_us < 10_000_000


def test_a_script_measures_values_and_checks_and_tags_its_requests(tmp_path):
    with target() as service:
        scenarios = {"own": {"script": "test_shop.py"}}
        plan = plan_of([planned("apiritif", "own", concurrency=2, iterations=3)], scenarios, request_tags=("tenant",))
        found = outcome(plan, tmp_path, {"test_shop.py": MEASURES.replace("{url}", service.url)})
    assert_measured(found, f"{service.url}/home")


def test_the_suites_own_script_keeps_its_transactions_and_failed_assertions(tmp_path):
    with target() as service:
        plan = plan_of(
            [planned("apiritif", "own", concurrency=2, iterations=5)], {"own": {"script": "tests/test_shop.py"}}
        )
        files = {"tests/test_shop.py": OWN.replace("{url}", service.url), "tests/names.py": 'HOME = "home"\n'}
        found = outcome(plan, tmp_path, files)
    assert found.samples == found.total().samples == service.answered + 10 == 50  # and the test without requests
    assert found.total("computed").samples == 10
    assert found.timeline.select("buy", kind="transaction").total.samples == 10
    assert found.total("buy").failures == 0
    assert found.total(f"{service.url}/redirect/2").samples == 10
    asserted = found.total(f"{service.url}/status/503")
    assert (asserted.failures, dict(asserted.rc)) == (10, {"503": 10})
    assert found.total(f"{service.url}/plain").failures == 0
    assert dict(found.total("test_3_plain").errors) == {
        ("200 != 201 : half: \\ud83d", ""): 10
    }  # no request explains it, and it is not lost
    assert found.timeline.select("test_3_plain", kind="transaction").total.failures == 10


def test_an_exception_outside_of_smart_transactions_is_a_failure(tmp_path):
    with target() as service:
        loads = [planned("apiritif", name, index=n, iterations=2) for n, name in enumerate(("own", "shop"))]
        unsent = {"transaction": "pay", "do": [{"url": "/pay/${lost}", "label": "unsent"}]}
        shop = generated(service.url, ["/home", unsent, {"url": "/", "label": "${nowhere}"}, "/never"])
        plan = plan_of(loads, {"own": {"script": "test_own.py"}, **shop})
        found = outcome(plan, tmp_path, {"test_own.py": SMART.replace("{url}", service.url)})
    assert found.samples == found.total().samples == service.answered + 6
    broken: dict[str, Literal["request", "transaction"]] = {
        "test_1_smart": "transaction",
        "test_2_before": "request",
        "setUpClass (test_own.TestCart)": "transaction",
        "test_shop": "request",
        "unsent": "request",
        "pay": "transaction",
    }
    for name, kind in broken.items():
        total = found.timeline.select(name, kind=kind).total
        assert (name, total.samples, total.failures) == (name, 2, 2)
    assert dict(found.total("test_2_before").errors) == {("ValueError: nothing sent", ""): 2}
    assert dict(found.total("test_shop").errors) == {("KeyError: 'nowhere'", "KeyError"): 2}
    assert found.rcs("unsent") == {"missing-value": 2}
    assert found.total().failures == 8  # and the two responses with status 503


@pytest.mark.nightly
def test_response_times_cover_the_whole_request_in_microseconds(tmp_path):
    with target(delay_s=0.05) as service:
        plan = plan_of(
            [planned("apiritif", "shop", concurrency=1, iterations=4)], generated(service.url, ["/redirect/1"])
        )
        found = outcome(plan, tmp_path)
    total = found.total()
    assert total.min_us >= 100_000  # one redirect and the response
    assert total.max_us % 1000 or total.min_us % 1000 or total.sum_us % 1000
    assert total.ttfb_count == 4


def test_a_step_that_depends_on_a_request_not_sent_at_the_end_is_not_a_failure(tmp_path):
    requests = [
        {"url": "/list", "extract-regexp": {"word": "all (is) well"}},
        {"transaction": "all", "do": [{"url": "/in/${word}", "label": "in"}]},
        {"url": "/out/${word}", "label": "out"},
    ]
    with target(delay_s=0.005) as service:
        plan = plan_of([planned("apiritif", "shop", concurrency=12, hold_for_s=1.0)], generated(service.url, requests))
        found = outcome(plan, tmp_path)
    assert found.samples == found.total().samples == service.answered > 0
    assert found.total().failures == 0, dict(found.total().errors)
    assert set(service.paths) == {"/list", "/in/is", "/out/is"}


FINDS = """
import time
import unittest

import apiritif


class TestShop(unittest.TestCase):
    def test_1_says_why(self):
        apiritif.http.get("{url}/ok")
        raise KeyError("token")

    def test_2_is_silent(self):
        apiritif.http.get("{url}/ok")
        time.sleep(0.1)
        assert False

    def test_3_in_a_transaction(self):
        with apiritif.transaction("buy"):
            apiritif.http.get("{url}/ok")
            raise AssertionError

    @unittest.skip("not today")
    def test_4_skipped(self):
        apiritif.http.get("{url}/never")

    def test_5_skips_the_rest(self):
        apiritif.http.get("{url}/before")
        self.skipTest("enough")

    def test_6_fails_a_transaction_by_hand(self):
        with apiritif.transaction("pay") as paying:
            apiritif.http.get("{url}/ok").extract_regex("nothing (here)", default="x")
            paying.fail()

    def test_7_judges_some_status(self):
        with apiritif.transaction("judge"):
            apiritif.http.get("{url}/status/503").assert_in_body("")
            apiritif.http.get("{url}/status/501").assert_5xx()
            assert apiritif.http.get("{url}/status/404").status_code == 404

    def test_8_is_explained(self):
        with apiritif.transaction("look"):
            apiritif.http.get("{url}/status/500").assert_ok()


class TestShopLater(unittest.TestCase):
    def test_9_is_explained_by_the_same_iteration(self):
        apiritif.http.get("{url}/ok")
        raise ValueError("no basket")
"""


def test_failed_assertions_are_recorded_with_or_without_a_message_and_skipped_tests_are_not(tmp_path):
    with target() as service:
        plan = plan_of([planned("apiritif", "own", concurrency=2, iterations=2)], {"own": {"script": "test_own.py"}})
        found = outcome(plan, tmp_path, {"test_own.py": FINDS.replace("{url}", service.url)})
    each = 4
    assert found.samples == found.total().samples == service.answered == 10 * each
    assert found.total().failures == 2 * each  # the statuses 500 and 503
    assert found.timeline.select("judge", kind="transaction").total.failures == each
    assert [rc for _, rc in found.total(f"{service.url}/status/503").errors] == ["503"]
    report = found.exits[0].executions["own"]
    assert report.script_errors == {"test_1_says_why": each, "test_2_is_silent": each, "buy": each, "pay": each}
    errors = {
        label: [message for message, _ in found.timeline.select(label, kind="transaction").total.errors]
        for label in (
            "test_1_says_why",
            "test_2_is_silent",
            "buy",
            "pay",
            "look",
            "test_9_is_explained_by_the_same_iteration",
        )
    }
    assert errors["test_1_says_why"] == ["KeyError: 'token'"]
    assert errors["test_9_is_explained_by_the_same_iteration"] == ["ValueError: no basket"]
    assert all(len(messages) == 1 and messages[0] for messages in errors.values())
    assert found.total("test_2_is_silent").min_us >= 100_000
    assert not {label for label in found.timeline.labels() if "skip" in label}
    assert report.unfinished_users == 0


SLOW = """
import time
import unittest

import apiritif


class TestShop(unittest.TestCase):
    def test_1_thinks(self):
        time.sleep(1.2)
        apiritif.http.get("{url}/ok", timeout=0.6)

    def test_2_body(self):
        apiritif.http.get("{url}/drip/4", timeout=0.1)

    def test_3_waits(self):
        apiritif.http.get("{url}/drip/400", timeout=0.6)  # of each read
"""


LONG_DECODED = """
import time
import unittest
import apiritif
import requests

class Decoded(requests.Response):
    @property
    def text(self):  # Apiritif asks for it before it records a response; without a charset it is guessed
        time.sleep(3)
        return "ok"

def decode(response, **_):
    response.__class__ = Decoded

class TestShop(unittest.TestCase):
    session = requests.Session()
    session.hooks["response"].append(decode)
    target = apiritif.http.target("{url}", session=session)

    def test_buys(self):
        self.target.get("/ok")
"""


@pytest.mark.nightly
def test_an_answered_request_that_is_not_recorded_at_the_end_is_unfinished(tmp_path):
    with target() as service:
        plan = plan_of(
            [planned("apiritif", "own", concurrency=1, hold_for_s=1.0)],
            {"own": {"script": "test_own.py"}},
            graceful_stop_s=0.0,
        )
        found = outcome(plan, tmp_path, {"test_own.py": LONG_DECODED.replace("{url}", service.url)})
    assert (found.samples, found.unfinished) == (0, 1)
    assert service.answered == 1


@pytest.mark.nightly
def test_users_count_during_think_time_and_unfinished_requests_have_their_waiting_time(tmp_path):
    with rough() as service:
        plan = plan_of(
            [planned("apiritif", "own", concurrency=20, hold_for_s=3.0)],
            {"own": {"script": "test_own.py"}},
            graceful_stop_s=1.0,
        )
        found = outcome(plan, tmp_path, {"test_own.py": SLOW.replace("{url}", service.url)})
    assert found.timeline.select("", executions=("own",)).virtual_users_curve(3) == [20, 20, 20]
    assert found.exits[0].first_sample_lateness_s["own"] < 0.5
    assert service.asked == {"/ok": 20, "/drip/4": 20, "/drip/400": 20}
    assert (found.samples, found.unfinished) == (40, 20)
    assert found.rcs(f"{service.url}/drip/4") == {"ReadTimeout": 20}
    ((_, waits),) = found.timeline.waits(f"{service.url}/drip/400")
    assert waits.total() == 20
    assert min(waits) > 1_000_000
    assert max(waits) < 10_000_000
    assert found.exits[0].executions["own"].ended_s == pytest.approx(3.0, abs=0.01)
