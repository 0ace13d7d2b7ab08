"""The parts of a JMX that matter for a plan: its ramp-up, its thread groups, its data files."""

import pytest

from tests.refusals import refused
from tests.suite.reading import read, refuses, write
from toril.plan import make_plan

CTG = "com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup"


def group(users=3, ramp="30", inside="", enabled="true"):
    return f"""<ThreadGroup enabled="{enabled}"><stringProp name="ThreadGroup.num_threads">{users}</stringProp>
      <stringProp name="ThreadGroup.ramp_time">{ramp}</stringProp></ThreadGroup><hashTree>{inside}</hashTree>"""


def concurrency_group(users=3, ramp="30", unit="S"):
    texts = {"TargetLevel": users, "RampUp": ramp, "Unit": unit}
    inside = "".join(f'<stringProp name="{name}">{text}</stringProp>' for name, text in texts.items())
    return f"<{CTG}>{inside}</{CTG}><hashTree/>"


def data(name, enabled="true"):
    return f'<CSVDataSet enabled="{enabled}"><stringProp name="filename">{name}</stringProp></CSVDataSet><hashTree/>'


def suite(folder, *groups, **load):
    tree = f"<TestPlan/><hashTree>{''.join(groups)}</hashTree>"
    write(folder, f"<jmeterTestPlan><hashTree>{tree}</hashTree></jmeterTestPlan>", "load.jmx")
    return {"execution": [{"scenario": "load.jmx", "concurrency": 6, "hold-for": "6s", **load}]}


def planned(folder, *groups, **load):
    (execution,) = make_plan(read(folder, suite(folder, *groups, **load)), run_id="r", workers=None).executions
    return execution


@pytest.mark.parametrize(
    ("groups", "load", "ramp_up_s"),
    [
        ([group()], {}, 30),
        ([concurrency_group()], {}, 30),
        ([concurrency_group(ramp="1.5", unit="M")], {}, 90),
        ([group(ramp="${__P(ramp,12)}")], {}, 12),
        ([group(ramp="5"), group(ramp="30")], {}, 30),
        ([group(ramp="5"), group(enabled="false")], {}, 5),
        ([group(), group(users=0, ramp="60")], {}, 30),
        ([group(ramp="")], {}, 0),
        ([group()], {"ramp-up": "2s"}, 2),
        ([group()], {"ramp-up": 0}, 30),  # 0 means not given
        ([group()], {"ramp-up": "0s"}, 0),
        ([group()], {"iterations": 2, "hold-for": None}, 0),
    ],
)
def test_the_ramp_up_of_a_jmx_is_in_the_plan_and_in_the_shares(tmp_path, groups, load, ramp_up_s):
    document = suite(tmp_path, *groups, **load)
    plan = make_plan(read(tmp_path, document), run_id="r", workers=None)
    assert plan.executions[0].ramp_up_s == ramp_up_s
    assert plan.shares[0].executions[0].config.get("ramp-up", "0s") in (f"{ramp_up_s}s", load.get("ramp-up"))


def test_a_ramp_up_with_an_unknown_reference_is_rejected(tmp_path):
    refuses(tmp_path, suite(tmp_path, group(ramp="${ramp}")), "unset-reference", "execution[0].ramp-up", "${ramp}")


def test_each_thread_group_needs_a_virtual_user_on_each_worker(tmp_path):
    two = [group(), concurrency_group(), group(enabled="false")]
    assert planned(tmp_path, *two, concurrency=None).concurrency == 2
    with refused("too-few-users", "execution[0].concurrency", "3", "4"):
        make_plan(read(tmp_path, suite(tmp_path, *two, concurrency=3)), run_id="r", workers=2)
    smoke = make_plan(read(tmp_path, suite(tmp_path, *two)), run_id="r", workers=None, smoke=True)
    assert [share.executions[0].concurrency for share in smoke.shares] == [2]


def test_a_missing_data_file_of_a_jmx_is_rejected(tmp_path):
    refuses(tmp_path, suite(tmp_path, group(inside=data("users/test1.csv"))), "no-such-file", "users/test1.csv")
    write(tmp_path, "name\nme\n", "users/test1.csv")
    suite_with = suite(tmp_path, group(inside=data("users/test1.csv")))
    assert "users/test1.csv" in {path.as_posix() for path in read(tmp_path, suite_with).files}


@pytest.mark.parametrize(
    "inside", [data("gone.csv", enabled="false"), data("${file}"), data("${__P(file,gone.csv)}"), data("")]
)
def test_data_files_with_references_or_disabled_are_not_required(tmp_path, inside):
    assert read(tmp_path, suite(tmp_path, group(inside=inside)))
    assert read(tmp_path, suite(tmp_path, group(inside=data("gone.csv"), enabled="false"), group()))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_jmx_with_entities_is_not_read(tmp_path, encoding):
    document = suite(tmp_path, group(inside=data("&b;")))
    bomb = f'<!DOCTYPE x [<!ENTITY a "{"x" * 100_000}"><!ENTITY b "{"&a;" * 1000}">]>'
    text = f'<?xml version="1.0" encoding="{encoding}"?>{bomb}{(tmp_path / "load.jmx").read_text()}'
    (tmp_path / "load.jmx").write_bytes(text.encode(encoding))
    assert read(tmp_path, document).executions[0].ramp_up_s == 0


@pytest.mark.parametrize(
    "text", ["<jmeterTestPlan><no", f"<jmeterTestPlan>{'<hashTree>' * 20_000}{'</hashTree>' * 20_000}</jmeterTestPlan>"]
)
def test_an_invalid_jmx_is_left_to_jmeter(tmp_path, text):
    document = suite(tmp_path)
    write(tmp_path, text, "load.jmx")
    assert read(tmp_path, document).executions[0].concurrency == 6
