"""One criterion: an accepted one means the same as in bzt, and an error says how to write it."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.refusals import refused
from tests.suite import oracle
from tests.tiers import examples
from toril.criteria import duration_s, lint, parse_criterion
from toril.errors import CriterionError

TIMES = st.sampled_from(["150ms", "2s500ms", "0.5", "10", "1m", "1.5s", "1h2m", "3d"])
SUBJECTS = st.one_of(
    st.tuples(st.sampled_from(["avg-rt", "avg-lt", "avg-ct", "stdev-rt", "p90", "p99.9", "p50", "p100", "p0"]), TIMES),
    st.tuples(st.just("bytes"), st.sampled_from(["500", "10kB", "1.5MB", "3b", "2KiB"])),
    st.tuples(
        st.sampled_from(["hits", "concurr", "concurrency", "succ", "success", "fail", "failures"]),
        st.sampled_from(["0", "5", "1000"]),
    ),
    st.tuples(
        st.sampled_from(["succ", "fail", "rc500", "rc4??", "rc*", "rcException"]),
        st.sampled_from(["0%", "50%", "99.9%", "7"]),
    ),
)
LABELS = st.sampled_from(["", "IndexPage", "Sample Label", "GET /cart", "a/b?c", "of course", "in the end"])
CRITERIA = st.builds(
    lambda subject, label, op, space, window, action, message: (
        f"{message}{subject[0]}{' of ' + label if label else ''}{op}{space}{subject[1]}{window}{action}"
    ),
    SUBJECTS,
    LABELS,
    st.sampled_from([">", "<", "=", "==", ">=", "<="]),
    st.sampled_from(["", " "]),
    st.sampled_from(["", " for 10s", " within 1m", " over 2s500ms", " for 5"]),
    st.sampled_from(
        ["", ", stop", ", continue", ", stop as failed", ", continue as non-failed", ", stop  as non-failed"]
    ),
    st.sampled_from(["", "My message: ", "Slow:"]),
)


@examples(400)
@given(text=CRITERIA)
def test_a_criterion_means_the_same_as_in_bzt(text):
    criterion = parse_criterion(text, "suite.yml: criteria[0]")
    fields = oracle.string_to_config(text)
    theirs = oracle.criterion(fields)
    if " of " in text and (">=" in text or "<=" in text or "==" in text):
        assert fields["label"][-1] in "<>="  # a defect of bzt: it adds the operator's first character to the label
    else:
        assert criterion.label == theirs.label
        assert criterion.op == theirs.config["condition"].replace("==", "=")
    factor = 1_000_000 if criterion.unit == "us" else 1
    assert criterion.threshold == pytest.approx(theirs.threshold * factor)
    assert criterion.percent == theirs.percentage
    assert criterion.timeframe_s - 1 < theirs.window <= criterion.timeframe_s
    assert criterion.logic == (theirs.window_logic if theirs.window else "total")
    assert (criterion.stop, criterion.fail, criterion.message) == (theirs.stop, theirs.fail, theirs.message or None)


@examples(200)
@given(text=CRITERIA, location=st.sampled_from(["", " in eu-west-1"]))
def test_the_canonical_text_parses_to_the_same_criterion(text, location):
    criterion = parse_criterion(text.replace(",", location + ",") if "," in text else text + location, "here")
    again = parse_criterion(criterion.text, "here")
    assert (
        criterion.message == parse_criterion({criterion.message or "x": criterion.text}, "here").message
        or not criterion.message
    )
    assert again.text == criterion.text
    assume(not criterion.message)
    assert again == criterion


@examples(200)
@given(text=st.text(alphabet="avg-rtpfil0123456789 .%<>=of:,swhc?*", max_size=40))
def test_any_text_is_a_criterion_or_is_rejected_with_place_and_fix(text):
    try:
        parse_criterion(text, "suite.yml: criteria[0]")
    except CriterionError as error:
        assert str(error).startswith("suite.yml: criteria[0]: `")
        assert re.search("[.?] [A-Z]", str(error))  # the fix


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("avg-rt of IndexPage>150ms for 10s, stop as failed", "avg-rt of IndexPage>150ms for 10s"),
        ("fail of CheckoutPage>50% for 10s, stop as failed", "fail of CheckoutPage>50% for 10s"),
        ("avg-rt>2s500ms", "avg-rt>2s500ms"),
        ("p99.9>10s, stop as failed", "p99.9>10s"),
        ("rc4??>20%", "rc4??>20%"),
        ("rc*>=10 for 1m", "rc*>=10 for 60s"),
        ("rcException>99% for 1m, continue as failed", "rcException>99% for 60s, continue as failed"),
        ("bytes>10MB", "bytes>10MB"),
        ("stdev-rt>0.5", "stdev-rt>0.5s"),
        ("p95 of checkout > 300ms for 30s in eu-west-1, stop as failed", "p95 of checkout>300ms for 30s in eu-west-1"),
        ("p95>300ms in eu-west-1", "p95>300ms in eu-west-1"),
        ("avg-rt of label-0 >1ms", "avg-rt of label-0>1ms"),
        ("avg-rt of A>B>1s", "avg-rt of A>B>1s"),
        ("p99.99>1s", "p99.99>1s"),
    ],
)
def test_a_criterion_has_one_canonical_text(text, shown):
    assert parse_criterion(text, "here").text == shown


def test_the_three_forms_are_equal():
    full = {
        "subject": "p95",
        "label": "http://x/, or: so",
        "condition": ">",
        "threshold": "300ms",
        "logic": "over",
        "timeframe": "10s",
    }
    criterion = parse_criterion({**full, "stop": False, "location": "eu-west-1", "message": "slow"}, "here")
    assert (criterion.label, criterion.logic, criterion.timeframe_s) == ("http://x/, or: so", "over", 10)
    assert (criterion.stop, criterion.location, criterion.message, criterion.threshold) == (
        False,
        "eu-west-1",
        "slow",
        300_000,
    )
    named = parse_criterion({"slow": "p95 of checkout>300ms"}, "here")
    assert named == parse_criterion("slow: p95 of checkout>300ms", "here")
    assert parse_criterion({"subject": "fail", "condition": ">", "threshold": 5}, "here").threshold == 5
    assert parse_criterion({"subject": "avg-rt", "condition": ">", "threshold": 0.25}, "here").threshold == 250_000
    assert parse_criterion({**full, "class": "bzt.modules.passfail.DataCriterion"}, "here").label == full["label"]


@pytest.mark.parametrize(
    ("source", "code", "name"),
    [
        ("p105>1s", "wrong-percentile", ""),
        ("p101>1s", "wrong-percentile", ""),
        ("avg-lt for my-label>2", "missing-of", "avg-lt of my-label"),
        ("hits for my-label>100 for 5s, stop as non-failed", "missing-of", "hits of my-label"),
        ("fail>50 %", "space-in-threshold", "50%"),
        ("fail>50% for 10s please", "trailing-words", ""),
        ("fail>50% 10s", "trailing-words", ""),
        ("p95>2s 500ms", "trailing-words", ""),
        ("fail!=0", "unknown-operator", ""),
        ("p95=>100ms", "unknown-operator", ">="),
        ("avg-rt of A, B>1s", "needs-full-form", ""),
        ("avg-rt of http://x/>1s", "needs-full-form", ""),
        ("throughput>1", "misplaced-subject", ""),
        ("throughput<450/s", "misplaced-subject", ""),
        ("avg-rtt>1s", "unknown-subject", "avg-rt"),
        ("p95>", "missing-threshold", ""),
        ("p95", "no-comparison", ""),
        (">1s", "missing-subject", ""),
        ("p95 checkout>1s", "missing-of", ""),
        ("p95 of >1s", "missing-label", ""),
        ("p95>1s for", "missing-timeframe", "for 10s"),
        ("p95>1s for 0s", "wrong-timeframe", ""),
        ("p95>1s for ever", "wrong-timeframe", ""),
        ("p95>5%", "no-percentage", ""),
        ("fail>150%", "wrong-threshold", ""),
        ("fail>1m", "wrong-threshold", ""),
        ("hits>-5", "wrong-threshold", ""),
        ("bytes>1GB", "wrong-threshold", ""),
        ("p95>1s, stop it", "wrong-action", ""),
        ("p95>1s, stop as passed", "wrong-action", ""),
        ("rc>5", "missing-response-code", ""),
        ("rc4xx>5%", "wrong-response-code", "rc4??"),
        ("errors>5%", "unknown-subject", "fail"),
        ("max-rt>5s", "unknown-subject", "p100"),
        ("Success_Rate<99%", "unknown-subject", "succ"),
        ("P90>1s", "unknown-subject", "p90"),
        ("rc50X>0", "wrong-response-code", "rc50?"),
        ("rc5..>0", "wrong-response-code", "rc5??"),
        (r"rc5\d\d>0", "wrong-response-code", ""),
        ("rc500|503>0", "wrong-response-code", ""),
        ("rc500-599>0", "wrong-response-code", ""),
        ("p95>1s and fail>1%", "several-comparisons", ""),
        ("p95>1e3", "wrong-threshold", ""),
        ("", "no-comparison", ""),
        ("a" * 2000, "too-long", ""),
        (
            {
                "subject": "local/cpu",
                "class": "bzt.modules.monitoring.MonitoringCriteria",
                "condition": ">",
                "threshold": 90,
            },
            "unsupported-class",
            "",
        ),
        ({"subject": "p95", "condition": ">"}, "missing-key", ""),
        ({"subject": "p95", "condition": ">", "treshold": "1s"}, "unknown-key", "threshold"),
        ({"subject": "p95", "condition": ">", "threshold": "1s", "stop": "no"}, "not-a-boolean", ""),
        (
            {"subject": "p95", "condition": ">", "threshold": "1s", "logic": "during", "timeframe": "1s"},
            "wrong-logic",
            "",
        ),
        ({"subject": "p95", "condition": ">", "threshold": True}, "wrong-threshold", ""),
        ({"subject": "p95", "condition": ["x"], "threshold": 1}, "unknown-operator", ""),
        ({"message": "avg-rt>1s"}, "missing-key", ""),
        ({"subject": "p95", "condition": ">", "threshold": "1s", "label": {}}, "not-a-text", ""),
        (5, "not-a-criterion", ""),
        (None, "not-a-criterion", ""),
        ({}, "missing-key", ""),
        ({"slow pages": 5}, "not-a-criterion", ""),
    ],
)
def test_an_invalid_criterion_is_rejected_with_the_fix(source, code, name):
    with refused(code, "suite.yml: reporting[0].criteria[1]: `", name, error=CriterionError) as caught:
        parse_criterion(source, "suite.yml: reporting[0].criteria[1]")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("source", "code", "name"),
    [
        ("p95>300", "bare-seconds", "300ms"),
        ({"subject": "avg-rt", "condition": ">", "threshold": 90}, "bare-seconds", "90ms"),  # YAML reads 1:30 as 90
        ("p0.95>1s", "percentile-below-1", "p95"),
        ("fail>0.05", "missing-percent", "5%"),
        ("hits<0.5", "missing-percent", ""),
        ("succ<99", "missing-percent", "99%"),
        ("rc200<=95", "missing-percent", "95%"),
        ("fail<0%", "never-true", ""),
        ("p95<0ms for 10s", "never-true", ""),
        ("succ>100%", "never-true", ""),
        ("p95<5000ms", "fails-good-runs", ">"),  # a common mistake: the passing case instead of the failing one
        ("avg-rt<=2s for 10s", "fails-good-runs", ">"),
        ("fail<10%", "fails-good-runs", ">"),
        ("succ>=95%", "fails-good-runs", "<"),
    ],
)
def test_a_likely_mistake_is_found_with_its_correction(source, code, name):
    (finding,) = lint(parse_criterion(source, ""))
    assert (finding.code, name in finding.message) == (code, True)


@pytest.mark.parametrize(
    "source",
    ["p95>300ms", "p95>300s", "p95>5", "p99.9>1s", "fail>0", "fail>=1", "fail>5%", "succ<100%", "succ<99 for 5s",
     "succ<1000", "hits<90", "hits>9", "avg-rt<100ms for 10s, stop as non-failed",
     "rc503>10", "rc[45]??>0", "rc404*>0", "rcException>0", "bytes<1kB", "concurrency>25"],
)  # fmt: skip
def test_an_ordinary_criterion_has_no_finding(source):
    assert not list(lint(parse_criterion(source, "")))


PART = st.builds(
    lambda number, unit: f"{number}{unit}",
    st.integers(0, 500) | st.decimals(0, 500, places=2),
    st.sampled_from(["ms", "s", "m", "h", "d", "S", "Ms"]),
)


@given(parts=st.lists(PART, min_size=1, max_size=4), space=st.sampled_from(["", " "]))
def test_durations_are_equal_to_bzts(parts, space):
    text = space.join(parts)
    assert float(duration_s(text)) == pytest.approx(oracle.dehumanize_time(text))


@given(number=st.integers(0, 10**6) | st.floats(0, 10**6, allow_nan=False).map(lambda value: round(value, 3)))
def test_a_number_without_a_unit_is_in_seconds(number):
    assert float(duration_s(number)) == pytest.approx(oracle.dehumanize_time(number))
    assert float(duration_s(str(number))) == pytest.approx(oracle.dehumanize_time(str(number)))


@pytest.mark.parametrize(
    "value",
    ["", "x", "5x", "-5s", "inf", "nan", "5 seconds", "1.2.3s", "s", None, True, [], "9" * 100, float("inf"), -1],
)
def test_an_invalid_duration_is_rejected(value):
    with pytest.raises(ValueError):
        duration_s(value)


@pytest.mark.parametrize("text", ["1" * 59 + "x", "1." * 29 + "x"])
def test_a_wrong_duration_is_rejected_at_once(text):  # its digits could be divided in 2^59 ways
    with pytest.raises(ValueError, match="is not a duration"):
        duration_s(text)


@pytest.mark.parametrize(
    ("label", "recorded", "kind"),
    [
        ("/cart?token=abc", "/cart?token=***", None),
        ("/cart?token=abc (transaction)", "/cart?token=***", "transaction"),
        ("https://joe:pw@shop/ (request)", "https://***@shop/", "request"),
        ("Cookie: a=b (transaction)", "Cookie: ***", "transaction"),
    ],
)
def test_a_label_with_a_credential_is_masked_as_in_records(label, recorded, kind):
    source = {"subject": "p95", "label": label, "condition": ">", "threshold": "1s"}
    found = parse_criterion(source, "suite.yml", "toril")
    assert (found.label, found.kind) == (recorded, kind)
    assert "abc" not in found.text
