"""JUnit XML as CI systems read it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.measured import BROKEN, FAST, every_second, stopped
from tests.reports import examples
from tests.reports.runs import run_of, small
from toril.reports import Bundle, render
from toril.text import plain
from toril.verdict import __doc__ as REASONS

# The schema of Jenkins and similar readers: elements and attributes, and their order.
SCHEMA = etree.XMLSchema(
    etree.fromstring(b"""
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
 <xs:complexType name="result"><xs:simpleContent><xs:extension base="xs:string">
  <xs:attribute name="message" use="required"/><xs:attribute name="type" use="required"/>
 </xs:extension></xs:simpleContent></xs:complexType>
 <xs:attributeGroup name="counts">
  <xs:attribute name="name" use="required"/><xs:attribute name="time" type="xs:decimal" use="required"/>
  <xs:attribute name="tests" type="xs:nonNegativeInteger" use="required"/>
  <xs:attribute name="failures" type="xs:nonNegativeInteger" use="required"/>
  <xs:attribute name="errors" type="xs:nonNegativeInteger" use="required"/>
  <xs:attribute name="skipped" type="xs:nonNegativeInteger"/>
 </xs:attributeGroup>
 <xs:element name="testsuites"><xs:complexType><xs:sequence>
  <xs:element name="testsuite" maxOccurs="unbounded"><xs:complexType><xs:sequence>
   <xs:element name="properties" minOccurs="0"><xs:complexType><xs:sequence>
    <xs:element name="property" maxOccurs="unbounded"><xs:complexType>
     <xs:attribute name="name" use="required"/><xs:attribute name="value" use="required"/>
    </xs:complexType></xs:element>
   </xs:sequence></xs:complexType></xs:element>
   <xs:element name="testcase" maxOccurs="unbounded"><xs:complexType><xs:sequence>
    <xs:choice minOccurs="0">
     <xs:element name="skipped" type="result"/><xs:element name="error" type="result"/>
     <xs:element name="failure" type="result"/>
    </xs:choice>
    <xs:element name="system-out" type="xs:string" minOccurs="0"/>
   </xs:sequence>
    <xs:attribute name="name" use="required"/><xs:attribute name="classname" use="required"/>
    <xs:attribute name="time" type="xs:decimal" use="required"/>
   </xs:complexType></xs:element>
  </xs:sequence>
   <xs:attributeGroup ref="counts"/>
   <xs:attribute name="timestamp"><xs:simpleType><xs:restriction base="xs:dateTime">
    <xs:pattern value="[^Z+]*"/></xs:restriction></xs:simpleType></xs:attribute>
  </xs:complexType></xs:element>
 </xs:sequence><xs:attributeGroup ref="counts"/></xs:complexType></xs:element>
</xs:schema>""")
)
OF_THE_RUN = ["the run is complete", "the load was reached", "the generators had room"]
RUNS = {
    "passed": run_of(small(), "p95>250ms", "fail>1%"),
    "failed": run_of(small(), "p95>10ms", "fail>1%"),
    "without criteria": run_of(small()),
    "lost": run_of(small(), "p95>250ms", lost=(("local-1", "killed by signal 9"),)),
    "stopped": run_of(small(), "p95>250ms", stop=stopped("user")),
    "broken": run_of(every_second(range(10), BROKEN, 9), "p95>250ms", "fail>1%"),
    "unknown label": run_of(small(), "p95 of checkin>250ms"),
    "triggered": run_of(small(), "p95>10ms, continue as non-failed", "fail>1%"),
    "too few, not failing": run_of(every_second(range(10), FAST), "p99>250ms, continue as non-failed"),
    "hostile": examples.hostile(),
    "empty": examples.empty(),
}


def read(run: Bundle) -> Any:
    return etree.fromstring(render("junit", run))


def results(run: Bundle) -> dict[str, tuple[str, str]]:
    """Returns failure, error, skipped or passed for each case, with its message."""
    found = {}
    for case in read(run).iter("testcase"):
        marks = [(one.tag, one.get("message")) for one in case if one.tag != "system-out"]
        found[case.get("name")] = marks[0] if marks else ("passed", case.findtext("system-out") or "")
    return found


@pytest.mark.parametrize("name", RUNS)
def test_the_file_is_valid_for_ci_systems(name):
    SCHEMA.assertValid(read(RUNS[name]))


@pytest.mark.parametrize("name", RUNS)
def test_the_counts_equal_the_cases(name):
    root = read(RUNS[name])

    for counted in (root, root[0]):
        assert int(counted.get("tests")) == len(list(root.iter("testcase")))
        for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(counted.get(count)) == len(list(root.iter(tag)))


@pytest.mark.parametrize("name", RUNS)
def test_ci_is_green_only_for_a_passed_run(name):
    outcomes = {outcome for outcome, _ in results(RUNS[name]).values()}

    assert (RUNS[name].outcome == "passed") == (not outcomes & {"failure", "error"})
    assert (RUNS[name].outcome == "failed") == ("failure" in outcomes)


def test_a_breach_has_observed_value_limit_and_difference():
    assert results(RUNS["failed"])["p95>10ms"] == (
        "failure",
        "p95>10ms: observed 100 ms, limit 10 ms (+90.0 ms)",
    )
    assert results(RUNS["passed"])["p95>250ms"][1].startswith("observed 100 ms, limit 250 ms\n")


def test_names_of_cases_do_not_depend_on_the_outcome():
    def names(run: Bundle) -> list[tuple[str, str]]:
        return [(case.get("classname"), case.get("name")) for case in read(run).iter("testcase")]

    assert names(RUNS["passed"]) == [
        ("toril.shop", "p95>250ms"),
        ("toril.shop", "fail>1%"),
        *(("toril.shop.run", name) for name in OF_THE_RUN),
    ]
    assert names(RUNS["lost"])[0] == names(RUNS["stopped"])[0] == ("toril.shop", "p95>250ms")
    assert names(RUNS["lost"])[1:] == names(RUNS["passed"])[2:]


def test_equal_criteria_have_separate_cases():
    run = run_of(small(), "fail>1%", "fail>1%", {"subject": "fail", "condition": ">", "threshold": "1%"})

    assert [name for name in results(run) if name not in OF_THE_RUN] == ["fail>1%", "fail>1% (2)", "fail>1% (3)"]


def test_a_saturated_generator_fails_its_own_case():
    reasons = [{"code": "saturated", "message": "worker a-1 was busy; use 3 workers"}]
    run = Bundle(examples.plan(), examples.summary(), examples.verdict("inconclusive", reasons=reasons))

    found = results(run)

    assert found["the generators had room"] == ("error", "worker a-1 was busy; use 3 workers")
    assert found["the run is complete"][0] == "passed"


def test_an_undecided_criterion_that_cannot_fail_the_run_is_skipped():
    run = RUNS["too few, not failing"]

    assert run.outcome == "passed"
    assert [tag for tag, _ in results(run).values()] == ["skipped", *["passed"] * 3]


def test_a_triggered_criterion_passes_with_a_message():
    tag, message = next(iter(results(RUNS["triggered"]).values()))

    assert tag == "passed"
    assert message.startswith("triggered, which does not fail this run\nobserved 100 ms, limit 10 ms")


CODES = sorted({line.split("`")[1] for line in (REASONS or "").splitlines() if line.startswith("| `")})


@given(
    st.sampled_from(["passed", "failed", "inconclusive"]),
    st.lists(st.sampled_from([*CODES, "a-code-of-tomorrow"]), max_size=3),
    st.lists(st.sampled_from(["passed", "failed", "inconclusive", "triggered"]), max_size=3),
    st.booleans(),
)
def test_junit_agrees_with_every_verdict(outcome, codes, outcomes, fail):
    if outcome == "passed":
        outcomes = [one for one in outcomes if one != "failed"]  # a breach never passes
    elif outcome == "inconclusive":
        outcomes = [one for one in outcomes if one != "failed"]
    criteria = [examples.criterion(f"p9{place}>1s", one, fail=fail) for place, one in enumerate(outcomes)]
    reasons = [{"code": code, "message": f"because of {code}"} for code in codes]
    run = Bundle(examples.plan(), examples.summary(), examples.verdict(outcome, reasons=reasons, criteria=criteria))

    found = {tag for tag, _ in results(run).values()}

    assert (outcome == "passed") == (not found & {"failure", "error"})


ANYTHING = st.text(st.characters(codec=None), max_size=50)  # includes lone surrogates and characters that XML forbids


@given(ANYTHING, ANYTHING, ANYTHING)
def test_the_file_is_valid_for_all_untrusted_strings(text, message, label):
    rule = examples.criterion(text, "failed", message=message, scope={"executions": [label], "location": label})
    reasons = [{"code": message, "message": text}]
    run = Bundle(examples.plan(), examples.summary(), examples.verdict("failed", reasons=reasons, criteria=[rule]))

    root = read(run)

    SCHEMA.assertValid(root)
    (failure,) = root.iter("failure")
    assert failure.text.endswith(plain(message, 1000))


def test_the_start_has_no_zone_and_an_invalid_start_is_omitted():
    assert read(RUNS["passed"])[0].get("timestamp") == "2023-11-14T22:13:20"
    assert read(RUNS["hostile"])[0].get("timestamp") is None
