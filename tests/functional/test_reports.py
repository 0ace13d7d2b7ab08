"""Each report lists every test case of a functional run, and escapes hostile texts."""

import pytest
from lxml import etree

from tests.functional.tested import case, functional_run
from tests.reports.examples import HOSTILE
from toril.reports import render

RUN = functional_run(
    case("adds"),
    case("pays", "failed", message="201 is not 200", trace="line one\nline two"),
    case("ships", "broken"),
    case("returns", "skipped", message="later"),
)


@pytest.mark.parametrize("name", ["terminal", "github", "html", "junit", "json"])
def test_each_report_has_every_test_case_with_its_reason(name):
    text = render(name, RUN).decode()
    for expected in ("adds", "pays", "ships", "returns", "201 is not 200", "ships is why", "later"):
        assert expected in text


@pytest.mark.parametrize("name", ["terminal", "github", "html"])
def test_the_headline_counts_the_test_cases(name):
    assert "2 of 4 test cases failed" in render(name, RUN).decode()
    passed = render(name, functional_run(case("adds"), case("pays"))).decode()
    assert "all 2 test cases passed" in passed.lower()


def test_junit_has_each_test_case_with_its_class_time_and_trace():
    root = etree.fromstring(render("junit", RUN))
    found = {one.get("name"): one for one in root.iter("testcase")}
    assert set(found) == {"adds", "pays", "ships", "returns", "the run is complete"}
    assert found["pays"].get("classname") == "toril.shop.api.TestCart"
    assert float(found["pays"].get("time") or 0) == 0.012
    failure = found["pays"].find("failure")
    assert failure is not None
    assert (failure.get("message"), "line two" in (failure.text or "")) == ("201 is not 200", True)
    assert found["ships"].find("error") is not None
    assert found["returns"].find("skipped") is not None
    assert len(found["adds"]) == len(found["the run is complete"]) == 0
    assert [root.get(kind) for kind in ("tests", "failures", "errors", "skipped")] == ["5", "1", "1", "1"]


def test_junit_numbers_test_cases_of_the_same_name():
    root = etree.fromstring(render("junit", functional_run(case("adds"), case("adds"))))
    assert [one.get("name") for one in root.iter("testcase")][:2] == ["adds", "adds (2)"]


def test_junit_of_a_run_without_test_cases_is_never_green():
    root = etree.fromstring(render("junit", functional_run()))
    assert root.get("errors") == "1"


def test_annotations_have_an_error_for_each_failed_test_case():
    lines = render("annotations", RUN).decode().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("::error") for line in lines)


@pytest.mark.parametrize("name", ["terminal", "github", "html", "junit", "annotations"])
def test_texts_of_test_cases_are_escaped_in_reports(name):
    hostile = functional_run(
        case(HOSTILE.replace("\ud800", ""), "failed", suite="<b>", message=HOSTILE.replace("\ud800", ""))
    )
    text = render(name, hostile).decode()
    assert name in ("terminal", "annotations") or "<img src=x" not in text  # these two show it unchanged
    assert "\x1b[31m" not in text
    if name == "junit":
        etree.fromstring(text.encode())
