"""Changes to a JMX, and JMeter's files beside its samples; without JMeter."""

import pytest
from lxml import etree

from toril.engines.jmeter.plan import OwnPart, rewrite
from toril.engines.jmeter.records import SendsFile, read_log
from toril.load.interleave import interleave

GROUP = """<ThreadGroup enabled="{enabled}">
<stringProp name="ThreadGroup.num_threads">{users}</stringProp></ThreadGroup><hashTree/>"""


@pytest.mark.parametrize(
    ("rounded", "users"), [([2, 2], 3), ([1, 1, 1], 4), ([5, 1, 1], 5), ([1, 1], 2), ([50, 50], 101), ([3], 3)]
)
def test_the_groups_together_have_the_planned_users_and_each_keeps_one(tmp_path, rounded, users):
    groups = "".join(GROUP.format(users=count, enabled="true") for count in rounded)
    groups += GROUP.format(users=7, enabled="false")
    path = tmp_path / "shop.jmx"
    path.write_text(f"<jmeterTestPlan><hashTree><TestPlan/><hashTree>{groups}</hashTree></hashTree></jmeterTestPlan>")
    rewrite(path, plain_groups=True, users=users)
    found = etree.parse(path).iterfind(".//ThreadGroup[@enabled='true']/*[@name='ThreadGroup.num_threads']")
    counts = [int(count.text or 0) for count in found]
    assert sum(counts) == users
    assert len(counts) == len(rounded)
    assert min(counts) > 0


@pytest.mark.parametrize("fresh", [False, True])
def test_each_iteration_begins_without_cookies_if_the_suite_wants_that(tmp_path, fresh):
    path = tmp_path / "shop.jmx"
    cookies = '<CookieManager><boolProp name="CookieManager.clearEachIteration">false</boolProp></CookieManager>'
    path.write_text(f"<jmeterTestPlan><hashTree><TestPlan/><hashTree>{cookies}</hashTree></hashTree></jmeterTestPlan>")
    rewrite(path, plain_groups=True, fresh_cookies=fresh)
    assert etree.parse(path).findtext(".//CookieManager/boolProp") == str(fresh).lower()


def test_users_are_read_whenever_they_change_and_sends_once_a_second(tmp_path):
    path = tmp_path / "sends"
    file = SendsFile(path)
    assert list(file.read()) == []
    path.write_text("1000 0\n1250 2\n2000 900 400 -1\n2500 3\n30")
    (sends,) = file.read()
    assert (sends.at_s, sends.late_us, sends.late_p90_us, sends.dropped) == (2.0, 900, 400, None)
    assert (file.users, file.begun_at, file.ended_at) == (3, 1.25, None)
    path.write_text("1000 0\n1250 2\n2000 900 400 -1\n2500 3\n3000 0\n3500 1\n4000 0\n")
    assert list(file.read()) == []
    assert (file.users, file.begun_at, file.ended_at) == (0, 1.25, 4.0)


def test_the_log_has_aborted_requests_and_users_that_ended_early(tmp_path):
    path = tmp_path / "jmeter.log"
    path.write_text(
        "2026-11-27 10:12:21,415 ERROR o.a.j.JMeter: Uncaught exception in thread Thread[users 1-1,5,main]\n"
        "java.lang.AssertionError: assert a\n\tat x.y\n"
        "2026-11-27 10:12:21,415 INFO o.a.j.t.JMeterThread: Thread finished: users 1-1\n"
        "2026-11-27 10:12:21,500 ERROR o.a.j.t.JMeterThread: Error while processing sampler: 'buy it'.\n"
        "java.lang.NullPointerException: null\n"
        "2026-11-27 10:12:21,600 INFO o.a.j.t.JMeterThread: Thread is done: users 1-2\n"
        "2026-11-27 10:12:21,600 INFO o.a.j.t.JMeterThread: Thread finished: users 1-2\n"
    )
    found = read_log(path)
    assert found.aborted == [
        ("", "java.lang.AssertionError: assert a"),
        ("buy it", "java.lang.NullPointerException: null"),
    ]
    assert found.left_early == 1
    assert read_log(tmp_path / "gone").aborted == []


TIMER = "kg.apc.jmeter.timers.VariableThroughputTimer"


def test_a_part_of_the_plans_own_load_has_its_threads_and_a_part_of_shared_rates(tmp_path):
    row = "".join(f"<stringProp>{number}</stringProp>" for number in (10, 20, 60))
    row = f"<collectionProp>{row}</collectionProp>"
    shared = f'<{TIMER}><collectionProp name="load_profile">{row}</collectionProp></{TIMER}><hashTree/>'
    paced = "".join(
        f'<ConstantThroughputTimer><intProp name="calcMode">{mode}</intProp>{rate}</ConstantThroughputTimer><hashTree/>'
        for mode, rate in (
            (0, '<stringProp name="throughput">60</stringProp>'),
            (2, "<doubleProp><name>throughput</name><value>60.0</value></doubleProp>"),
            (1, '<stringProp name="throughput">${__P(rpm,60)}</stringProp>'),
        )
    )
    groups = [GROUP.format(enabled=enabled, users=4) for enabled in ("true", "false", "true")]
    groups[2] = groups[2].replace("<hashTree/>", f"<hashTree>{paced}</hashTree>")
    path = tmp_path / "shop.jmx"
    inside = f"<hashTree>{shared}{''.join(groups)}</hashTree>"
    path.write_text(f"<jmeterTestPlan><hashTree><TestPlan/>{inside}</hashTree></jmeterTestPlan>")
    rewrite(path, plain_groups=False, own_part=OwnPart(interleave([1, 3])[0], [1, 1], [4, 4]))
    plan = etree.parse(path)
    firsts = [group.findtext("stringProp[@name='toril.first']") for group in plan.iterfind(".//toril.Threads")]
    assert (firsts, len(plan.findall(".//ThreadGroup"))) == (["0", "4"], 1)
    assert [cell.text for cell in plan.iterfind(f".//{TIMER}//stringProp")] == ["2.5", "5.0", "60"]
    timers = plan.findall(".//ConstantThroughputTimer")
    assert [timer.findtext("*[@name='throughput']") or timer.findtext("*/value") for timer in timers] == [
        "60", "15.0", "${__jexl3((${__P(rpm,60)}) * 0.25)}",
    ]  # fmt: skip
