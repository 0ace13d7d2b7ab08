"""Published criteria: from Taurus' documentation, examples and tests, and from public suites.

Each criterion has its canonical text, or the code and the fix of its error.
"""

import pytest

from tests.refusals import refused
from toril.criteria import parse_criterion
from toril.errors import CriterionError

MONITORING = "bzt.modules.monitoring.MonitoringCriteria"


def full(subject, condition, threshold, **more):
    return {"subject": subject, "condition": condition, "threshold": threshold, **more}


ACCEPTED = [  # source, canonical text
    # Taurus' documentation: Pass/Fail, Reporting, Cloud, the index, sample scripts
    ("avg-rt of IndexPage>150ms for 10s, stop as failed", "avg-rt of IndexPage>150ms for 10s"),
    ("fail of CheckoutPage>50% for 10s, stop as failed", "fail of CheckoutPage>50% for 10s"),
    ("avg-rt>2s500ms", "avg-rt>2s500ms"),
    ("avg-ct>100ms", "avg-ct>100ms"),
    ("stdev-rt>0.5", "stdev-rt>0.5s"),
    ("p90>1s for 10s", "p90>1s for 10s"),
    ("p99.9>10s, stop as failed", "p99.9>10s"),
    ("succ<100%", "succ<100%"),
    ("failures>50% for 5s, stop as failed", "fail>50% for 5s"),
    ("rc500>20 for 5s, stop as failed", "rc500>20 for 5s"),
    ("rc4??>20%", "rc4??>20%"),
    ("rc*>=10 for 1m", "rc*>=10 for 60s"),
    ("rcException>99% for 1m, continue as failed", "rcException>99% for 60s, continue as failed"),
    ("avg-rt>1s for 5s", "avg-rt>1s for 5s"),
    ("My message: avg-rt>10s", "avg-rt>10s"),
    ({"My Message": "avg-rt of Sample Label>150ms for 10s, stop as failed"}, "avg-rt of Sample Label>150ms for 10s"),
    (
        {"Sample Label fails too much": "fail of Sample Label>50% for 10s, stop as failed"},
        "fail of Sample Label>50% for 10s",
    ),
    (
        full("avg-rt", ">", "150ms", label="Sample Label", logic="for", timeframe="10s", stop=True, fail=True),
        "avg-rt of Sample Label>150ms for 10s",
    ),
    ("fail>0%", "fail>0%"),
    ("avg-rt>1s", "avg-rt>1s"),
    ("fail>50%", "fail>50%"),
    ("p90>250ms", "p90>250ms"),
    ("avg-rt>100ms", "avg-rt>100ms"),
    ("avg-rt>5s", "avg-rt>5s"),
    ("avg-rt>150ms for 10s, continue as failed", "avg-rt>150ms for 10s, continue as failed"),
    ("rc404>10 within 1m", "rc404>10 within 60s"),
    # Taurus' examples and tests
    ("avg-rt>5000ms for 10s", "avg-rt>5000ms for 10s"),
    ("failures>75% for 5s", "fail>75% for 5s"),
    ("fail>0", "fail>0"),
    ("avg-rt>5000ms for 5s, stop as failed", "avg-rt>5000ms for 5s"),
    ("avg-rt>10ms for 7s, stop as failed", "avg-rt>10ms for 7s"),
    ("hits of reserve >10 for 13s, continue as failed", "hits of reserve>10 for 13s, continue as failed"),
    ("concurr>=10 for 15s, stop as non-failed", "concurrency>=10 for 15s, stop as non-failed"),
    (full("avg-rt", ">", "50ms", timeframe="5s", label="", stop=True, fail=True), "avg-rt>50ms for 5s"),
    (full("fail", ">", "80%", timeframe=3, label="", stop=True, fail=True), "fail>80% for 3s"),
    (full("rc4??", ">", "50%", timeframe=-1, label="", stop=True, fail=True), "rc4??>50%"),  # below 0: the whole run
    (full("avg-rt", "<=", "150ms", timeframe=-1, label="Sample 2 Triggered"), "avg-rt of Sample 2 Triggered<=150ms"),
    (full("avg-rt", "=", "300ms", timeframe=-1, label="Sample 2 Not"), "avg-rt of Sample 2 Not=300ms"),
    (
        "My criteria description: avg-rt of label>100ms for 1m, continue as non-failed",
        "avg-rt of label>100ms for 60s, continue as non-failed",
    ),
    (
        "avg-rt of double label>100ms for 1m, continue as non-failed",
        "avg-rt of double label>100ms for 60s, continue as non-failed",
    ),
    ("rc4*>50%", "rc4*>50%"),
    ("p88>50", "p88>50s"),
    ("p99.99>50", "p99.99>50s"),
    ("avg-rt>10ms, continue as non-failed", "avg-rt>10ms, continue as non-failed"),
    ("fail>10% within 5s", "fail>10% within 5s"),
    ("fail>1000 within 5s", "fail>1000 within 5s"),
    ("avg-rt>100ms within 10s", "avg-rt>100ms within 10s"),
    ("avg-rt of spaced label>10ms", "avg-rt of spaced label>10ms"),
    ("failures>0%, stop as failed", "fail>0%"),
    ("p90>0ms, continue as failed", "p90>0ms, continue as failed"),
    ("rc413>10 within 10s, stop as failed", "rc413>10 within 10s"),
    ("rc200<8 over 5s", "rc200<8 over 5s"),
    ("bytes<1kb for 1s, continue as failed", "bytes<1kb for 1s, continue as failed"),
    ("bytes<1mib for 1s, continue", "bytes<1mib for 1s, continue as failed"),
    ("bytes<1b for 1s, continue as failed", "bytes<1b for 1s, continue as failed"),
    ("avg-rt<100ms", "avg-rt<100ms"),
    ("bytes<1kb", "bytes<1kb"),
    # suites in public repositories
    ("success<100%, continue as failed", "succ<100%, continue as failed"),
    ("avg-ct>500ms, stop as failed", "avg-ct>500ms"),
    ("failures>5%, continue as failed", "fail>5%, continue as failed"),
    ("fail>10% for 30s, stop as failed", "fail>10% for 30s"),
    (
        "Se supero el tiempo maximo del 95 percentil (500ms): p95>500ms, continue as failed",
        "p95>500ms, continue as failed",
    ),
    (
        "No se llego a la cantidad especificada de requests (90): hits<90 within 90s, stop as failed",
        "hits<90 within 90s",
    ),
]
REFUSED = [  # source, code, part of the fix
    # three from the documentation that bzt also rejects
    ("avg-lt for my-label>2", "missing-of", "avg-lt of my-label"),
    ("hits for my-label>100 for 5s, stop as non-failed", "missing-of", "hits of my-label"),
    ("bytes for my-label>10MB", "missing-of", "bytes of my-label"),
    ("rc413>10 within 3s, stop as successful", "wrong-action", ""),  # bzt reads `as failed`
    ("bytes>0 for 1s, continue as successful", "wrong-action", ""),
    (full("local/cpu", ">", 90, timeframe="5s", **{"class": MONITORING}), "unsupported-class", ""),
    ({"condition": ">", "threshold": "400ms"}, "missing-key", ""),
    ({"subject": "p99", "threshold": "400ms"}, "missing-key", ""),
    ({"subject": "p99", "condition": ">"}, "missing-key", ""),
]


@pytest.mark.parametrize(("source", "text"), ACCEPTED, ids=[str(source)[:50] for source, _ in ACCEPTED])
def test_a_published_criterion_is_accepted(source, text):
    criterion = parse_criterion(source, "suite.yml: reporting[0].criteria[0]")
    assert criterion.text == text
    assert parse_criterion(source, "suite.yml: toril.criteria[0]", "toril") == criterion  # the same in toril's language


@pytest.mark.parametrize(("source", "code", "fix"), REFUSED, ids=[str(source)[:50] for source, *_ in REFUSED])
def test_a_published_criterion_with_a_mistake_is_rejected_with_the_fix(source, code, fix):
    with refused(code, fix, error=CriterionError):
        parse_criterion(source, "suite.yml: reporting[0].criteria[0]")
