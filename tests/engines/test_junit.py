"""JUnit's report in XML, as the console writes it; real tests run in `tests/functional/test_engines.py`."""

from toril.engines.junit.executor import cases_of_report

REPORT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="JUnit Jupiter" tests="4" skipped="1" failures="1" errors="1" timestamp="2026-11-28T06:31:18">
<testcase name="adds()" classname="shop.CartTest" time="0.25"/>
<testcase name="differs(int)[1]" classname="shop.CartTest" time="0.05">
<failure message="expected: 1 but was: 2" type="AssertionFailedError">AssertionFailedError at CartTest.java:9</failure>
</testcase>
<testcase name="breaks()" classname="shop.CartTest" time="0.1"><error message="no cart">trace</error></testcase>
<testcase name="later()" classname="shop.CartTest" time="0"><skipped>later</skipped></testcase>
</testsuite>
"""


def test_a_report_has_each_test_with_its_outcome_and_duration(tmp_path):
    (tmp_path / "TEST-junit-jupiter.xml").write_text(REPORT)
    found = list(cases_of_report(tmp_path / "TEST-junit-jupiter.xml"))
    assert [(case.name, case.outcome, case.duration_us, case.message) for case in found] == [
        ("adds", "passed", 250_000, ""),
        ("differs(int)[1]", "failed", 50_000, "expected: 1 but was: 2"),
        ("breaks", "broken", 100_000, "no cart"),
        ("later", "skipped", 0, "later"),
    ]
    assert [round(case.started_s - found[0].started_s, 3) for case in found] == [0, 0.25, 0.3, 0.4]
