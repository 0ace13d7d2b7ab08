"""Steps of a journey: the queries of their pages, and where the results count."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from tests.engines.test_browser_evidence import load_module

STEPS, SAMPLES = load_module("browser/steps"), load_module("apiritif/samples")
ASKING_S = 0.05


class Gone(Exception):
    pass


class Page:
    NoAnswer = (Gone,)

    def __init__(self, **answer: Any) -> None:
        self.answer = {"origin": 1000.0, "ttfb": 5.5, "dom": 20.0, "lcp": 30.0, "bytes": 700, "status": 200, **answer}

    def ask(self, function, argument):
        time.sleep(ASKING_S)
        if self.answer["origin"] is None:
            raise Gone
        return self.answer


class Journey:
    """Steps with a recorder like that of Apiritif's wrapper; `page` is what the browser shows."""

    def __init__(self, tmp_path, page: Any) -> None:
        self.user = SimpleNamespace(frames=[], pending=[])
        self.written: list[Any] = []
        records = SimpleNamespace(in_flight={}, write=self.written.append)
        settings = {"folder": str(tmp_path), "browser": {"traces": False, "network": None}}
        self.steps = STEPS.Steps(settings, self.user, records, SimpleNamespace(admit=lambda: None))
        self.steps.driver = SimpleNamespace(page=lambda: page)
        self.steps.evidence = SimpleNamespace(keep=lambda *_: None)
        self.recorder = SimpleNamespace(record_transaction_start=self.start, record_transaction_end=self.end)
        self.steps.connect(self.recorder)

    def start(self, tran) -> None:
        self.user.frames.append(SAMPLES.Frame(tran.name))

    def end(self, tran) -> None:
        frame = self.user.frames.pop()
        kind = "transaction" if frame.samples else "request"
        sample = SAMPLES.Sample(kind, frame.name, tran.begun, time.time() - tran.begun)
        if tran.error_message:
            sample.fail(tran.error_message)
        self.user.pending.append(sample)

    def step(self, name, *inside, message="") -> None:
        tran = SimpleNamespace(name=name, begun=time.time(), error_message=message)
        tran.start_time = lambda: tran.begun
        self.recorder.record_transaction_start(tran)
        for one in inside:
            self.step(one)
        self.recorder.record_transaction_end(tran)

    @property
    def recorded(self):
        return {one.label: one for one in self.user.pending}

    @property
    def timings(self):
        return {one.label: one.response_us for one in self.written}


def test_the_timings_of_a_new_page_are_recorded_once(tmp_path):
    journey = Journey(tmp_path, Page())
    journey.step("Open")
    journey.step("Stay")
    assert journey.timings == {"Open (TTFB)": 5500, "Open (DOM ready)": 20_000, "Open (LCP)": 30_000}
    assert {one.kind for one in journey.written} == {"timing"}
    opened = journey.recorded["Open"]
    assert (opened.ttfb_us, opened.bytes, opened.rc, opened.ok) == (5500, 700, "200", True)


def test_the_time_of_page_queries_counts_in_no_step_and_no_transaction(tmp_path):
    journey = Journey(tmp_path, Page())
    journey.step("All", "One", "Two")
    found = journey.recorded
    assert [found[name].kind for name in ("All", "One", "Two")] == ["transaction", "request", "request"]
    assert found["All"].response_us < ASKING_S * 1e6  # the page was queried twice
    assert found["All"].response_us >= found["One"].response_us + found["Two"].response_us


def test_a_page_that_answers_with_an_error_fails_its_step_and_has_no_timings(tmp_path):
    journey = Journey(tmp_path, Page(status=503))
    journey.step("Open")
    assert (journey.recorded["Open"].ok, journey.recorded["Open"].message) == (False, "the page answered with 503")
    assert journey.timings == {}


def test_unknown_timings_of_a_page_are_not_recorded(tmp_path):
    journey = Journey(tmp_path, Page(lcp=None, ttfb=None))
    journey.step("Open")
    assert journey.timings == {"Open (DOM ready)": 20_000}
    assert journey.recorded["Open"].ttfb_us == -1


def test_an_unresponsive_page_leaves_its_step_unchanged(tmp_path):
    journey = Journey(tmp_path, Page(origin=None))
    journey.step("Open")
    assert journey.recorded["Open"].ok and journey.timings == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'TimeoutError: Locator.click: Timeout 1000ms exceeded.\nCall log:\n  - waiting for locator("#pay")\n',
            'TimeoutError: Locator.click: Timeout 1000ms exceeded. waiting for locator("#pay")',
        ),
        ("NoSuchElementException: Message: no such element\n  (Session info: chrome=156)", "NoSuchElementException: "),
        ("", ""),
    ],
)
def test_a_failure_names_the_awaited_element_in_one_line(text, message):
    assert STEPS.shortened(text).startswith(message) and "\n" not in STEPS.shortened(text)
