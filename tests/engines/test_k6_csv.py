"""k6's CSV as records, row by row."""

import pytest

from toril.engines.k6.csv import K6Reader, moment_s

TAGS = (
    "check,error,error_code,expected_response,group,method,name,proto,scenario,service,status,subproto,tls_version,url"
)
HEADER = f"metric_name,timestamp,metric_value,{TAGS},extra_tags,metadata\n"
AT_NS = 1_764_100_000_123_456_789


def row(
    metric,
    value,
    *,
    at=AT_NS,
    name="home",
    status="200",
    expected="true",
    error="",
    code="",
    check="",
    group="",
    tags="",
):
    called = f"{check},{error},{code},{expected},{group},GET,{name},HTTP/1.1,default,,{status}"
    return f"{metric},{at},{value:f},{called},,,http://shop/,{tags},\n"


def request(duration_ms=1.2345, *, failed=0, **tags):
    metrics = {"http_reqs": 1, "http_req_duration": duration_ms, "http_req_blocked": 0.1, "http_req_connecting": 0.5,
               "http_req_tls_handshaking": 0.25, "http_req_sending": 0.1, "http_req_waiting": 1,
               "http_req_receiving": 0.1345, "http_req_failed": failed}  # fmt: skip
    return "".join(row(metric, value, **tags) for metric, value in metrics.items())


def read(tmp_path, text, kinds=None, tags=()):
    path = tmp_path / "kpi.csv"
    path.write_text(text)
    reader = K6Reader(path, lambda name: kinds.get(name, "") if kinds else None, tags)
    return [record for part in reader.read(True) for record in part], reader


def test_a_request_has_its_times_in_microseconds_and_began_before_it_was_complete(tmp_path):
    ((one,), reader) = read(tmp_path, HEADER + request())
    assert (one.response_us, one.ttfb_us, one.connect_us) == (1234, 1100, 750)
    assert round((one.started_s + one.response_us / 1e6) * 1e6) == AT_NS // 1000 + 1
    assert (one.label, one.ok, one.rc, one.message, one.kind) == ("home", True, "200", "", "request")
    assert reader.unreadable == 0


def test_a_declared_counter_counts_0_with_the_first_request(tmp_path):
    path = tmp_path / "kpi.csv"
    path.write_text(HEADER + request() * 2)
    found = [one for part in K6Reader(path, counters=["errors"]).read(True) for one in part]

    assert [(one.kind, one.label, one.response_us) for one in found] == [
        ("request", "home", 1234),
        ("counter", "errors", 0),
        ("request", "home", 1234),
    ]


def test_two_requests_with_the_same_tags_are_two_samples(tmp_path):
    found, _ = read(tmp_path, HEADER + request(1) + request(2) + request(3, name="cart"))
    assert [(one.label, one.response_us) for one in found] == [("home", 1000), ("home", 2000), ("cart", 3000)]


def test_a_failure_has_its_status_or_k6s_own_code(tmp_path):
    text = request(failed=1, status="503", expected="false", code="1503")
    text += request(failed=1, status="0", expected="false", error="dial: refused", code="1212")
    (one, two), _ = read(tmp_path, HEADER + text)
    assert (one.ok, one.rc, one.message) == (False, "503", "status 503")
    assert (two.ok, two.rc, two.message, two.ttfb_us) == (False, "1212", "dial: refused", -1)


def test_an_expected_response_is_not_a_failure(tmp_path):
    ((one,), _) = read(tmp_path, HEADER + request(failed=0, status="404", expected="true", code="1404"))
    assert (one.ok, one.rc) == (True, "404")


def test_a_status_from_400_that_nobody_judges_is_a_failure(tmp_path):
    text = request(status="404", expected="", code="1404") + request(expected="")
    unjudged = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("http_req_failed"))
    found, _ = read(tmp_path, HEADER + unjudged)
    assert [(one.ok, one.rc) for one in found] == [(False, "404"), (True, "200")]


def test_other_metrics_are_not_requests_and_users_are_counted(tmp_path):
    others = "".join(row(name, 7) for name in ("vus", "vus_max", "iterations", "data_received", "my_trend"))
    found, reader = read(tmp_path, HEADER + others + request() + others)
    assert (len(found), reader.users, reader.unreadable) == (1, 7, 0)


def test_dropped_iterations_of_an_arrival_rate_are_counted(tmp_path):
    _, reader = read(tmp_path, HEADER + row("dropped_iterations", 3) + row("dropped_iterations", 1, at="soon"))
    assert reader.dropped == [(AT_NS / 1e9, 3)]
    assert reader.unreadable == 1


def test_requests_without_their_rows_and_rows_without_their_request_are_unreadable(tmp_path):
    text = row("http_reqs", 1) + request() + row("iterations", 1) + row("http_req_duration", 1, name="lost")
    text += request(at="soon") + "http_reqs,1,2\n"
    found, reader = read(tmp_path, HEADER + text)
    assert (len(found), reader.unreadable) == (1, 4)


@pytest.mark.parametrize("cut", [100, 250, 333, 500, 700, 900])
def test_a_growing_file_gives_each_request_once(tmp_path, cut):
    text = HEADER + "".join(request(number) for number in (1, 2, 3))
    path = tmp_path / "kpi.csv"
    path.write_text(text[:cut])
    reader = K6Reader(path)
    found = [record.response_us for part in reader.read(False) for record in part]
    path.write_text(text)
    found += [record.response_us for part in reader.read(True) for record in part]
    assert (found, reader.unreadable) == ([1000, 2000, 3000], 0)


@pytest.mark.parametrize("text", ["1764100000", "1764100000000", "1764100000000000000", "2025-11-25T19:46:40Z"])
def test_every_time_format_of_k6_is_known(text):
    assert moment_s(text) == 1764100000


def test_checks_and_groups_are_read_and_own_metrics_by_their_kinds(tmp_path):
    text = row("checks", 1, check="has total") + row("checks", 0, check="has total", group="::buy")
    text += row("group_duration", 1.5, group="::buy::pay") + row("items", 2.5) + row("hit", 0) + row("orders", 3)
    text += row("iterations", 1) + row("data_sent", 9) + row("vus_max", 1)
    kinds = {"items": "trend", "hit": "rate", "orders": "counter"}
    found, reader = read(tmp_path, HEADER + text, kinds)
    assert [(one.kind, one.label, one.ok, one.response_us) for one in found] == [
        ("check", "has total", True, 0),
        ("check", "has total", False, 0),
        ("transaction", "buy::pay", True, 1500),
        ("trend", "items", True, 2500),
        ("rate", "hit", False, 0),
        ("counter", "orders", True, 3000),
    ]
    assert found[2].started_s == pytest.approx(AT_NS / 1e9 - 0.0015)
    assert {one.started_s for one in found if one.kind != "transaction"} == {AT_NS / 1e9}
    assert reader.unreadable == 0
    assert [one.kind for one in read(tmp_path, HEADER + text)[0]] == ["check", "check", "transaction"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 2.0**40])
def test_a_value_that_no_metric_can_have_and_one_of_an_unknown_kind_are_unreadable(tmp_path, value):
    found, reader = read(tmp_path, HEADER + row("items", value) + row("other", 1), {"items": "trend"})
    assert (found, reader.unreadable) == ([], 2)


def test_a_request_has_a_second_sample_for_each_of_the_suites_tags(tmp_path):
    text = request(1, tags="tenant=b&b&other=1&plan=a=b") + request(2)
    found, reader = read(tmp_path, HEADER + text, tags=["tenant", "plan", "scenario"])
    assert [(one.kind, one.label, one.response_us) for one in found] == [
        ("request", "home", 1000),
        ("tagged", "home{tenant=b&b}", 1000),
        ("tagged", "home{plan=a=b}", 1000),
        ("tagged", "home{scenario=default}", 1000),
        ("request", "home", 2000),
        ("tagged", "home{scenario=default}", 2000),
    ]
    assert reader.unreadable == 0
