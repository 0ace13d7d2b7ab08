"""A script's own load on several workers: its division in the plan, and what cannot be divided exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.refusals import refused
from tests.suite.reading import codes, read, refuses, write
from toril.load.interleave import interleave
from toril.plan import make_plan

SIMPLE, DYNAMIC = "kg.apc.jmeter.threads.", "com.blazemeter.jmeter.threads."
ULTIMATE = f'<{SIMPLE}UltimateThreadGroup testname="u">{{}}</{SIMPLE}UltimateThreadGroup><hashTree/>'
CSV = '<stringProp name="filename">users.csv</stringProp><boolProp name="recycle">false</boolProp>'
SHAPE = "from locust import LoadTestShape\n"


def text(name, value):
    return f'<stringProp name="{name}">{value}</stringProp>'


CONCURRENCY = f"{DYNAMIC}concurrency.ConcurrencyThreadGroup"


def group(users, name="a", tag="ThreadGroup", inside="", rows="", **own):
    properties = "".join(text(key, value) for key, value in own.items())
    table = f'<collectionProp name="ultimatethreadgroupdata">{rows}</collectionProp>' * bool(rows)
    head = f'<{tag} testname="{name}">{text("ThreadGroup.num_threads", users)}{properties}{table}</{tag}>'
    return f"{head}<hashTree>{inside}</hashTree>"


def element(tag, properties=""):
    return f'<{tag} testname="e">{properties}</{tag}><hashTree/>'


def suite(folder, *parts, plan="", **toril):
    tree = f"<TestPlan>{plan}</TestPlan><hashTree>{''.join(parts)}</hashTree>"
    write(folder, f"<jmeterTestPlan><hashTree>{tree}</hashTree></jmeterTestPlan>", "load.jmx")
    write(folder, "user\na\nb\nc\n", "users.csv")
    return {"execution": [{"scenario": "load.jmx"}], "toril": toril}


def load_of(folder, document, workers):
    load = make_plan(read(folder, document), run_id="r", workers=workers).executions[0].script_load
    assert load is not None
    return load


def users(folder, document, workers):
    """Returns each worker's threads of each group."""
    plan = make_plan(read(folder, document), run_id="r", workers=workers)
    return [part.script_users for share in plan.shares for part in share.executions]


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=6),
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
)
def test_every_thread_has_one_worker(groups, weights):
    parts = interleave(weights)
    first = 0
    for threads in groups:
        counts = [part.before(first + threads) - part.before(first) for part in parts]
        owned = sorted(
            part.place_of(n) for part in parts for n in range(part.before(first), part.before(first + threads))
        )
        assert sum(counts) == threads
        assert owned == list(range(first, first + threads))
        first += threads


@pytest.mark.parametrize(
    ("groups", "workers", "wanted"),
    [
        ([group(5)], 2, [(3,), (2,)]),
        ([group(5)], 3, [(2,), (2,), (1,)]),
        ([group(1), group(1)], 2, [(1, 0), (0, 1)]),
        ([group(2), group(0), group(4, enabled="false")], 2, [(1, 0, 2), (1, 0, 2)]),
        ([group("${__P(users,4)}")], 2, [(2,), (2,)]),
        ([group("${__property(users,,6)}")], 2, [(3,), (3,)]),
        ([group(3, tag="SetupThreadGroup"), group(3, tag=f"{SIMPLE}SteppingThreadGroup")], 2, [(2, 1), (1, 2)]),
        ([group(0, tag=f"{DYNAMIC}concurrency.ConcurrencyThreadGroup", TargetLevel=3)], 2, [(2,), (1,)]),
    ],
)
def test_threads_are_divided_over_the_groups_of_a_jmx(tmp_path, groups, workers, wanted):
    assert users(tmp_path, suite(tmp_path, *groups), workers) == wanted


def test_properties_and_variables_set_the_threads(tmp_path):
    named = text("Argument.name", "users") + text("Argument.value", "${__P(many,2)}")
    document = suite(tmp_path, group("${users}"), plan=f"<elementProp>{named}</elementProp>")
    assert users(tmp_path, document, 2) == [(1,), (1,)]
    document["modules"] = {"jmeter": {"properties": {"many": 4}}}
    assert users(tmp_path, document, 2) == [(2,), (2,)]


FOREVER = {"LoopController.loops": -1}
TIMED = {**FOREVER, "ThreadGroup.scheduler": "true"}
STEPS = {"Threads initial delay": 1, "Start users count": 2, "Start users period": 3, "flighttime": 5}
OFF = {"Stop users count": 2, "Stop users period": 1}
ROWS = "".join(
    f'<collectionProp name="r">{"".join(text(n, n) for n in row)}</collectionProp>'
    for row in ([4, 0, 2, 6, 0], [2, 5, 0, 1, 2])
)


@pytest.mark.parametrize(
    ("parts", "points"),
    [
        (
            [group(4, **TIMED, **{"ThreadGroup.ramp_time": 2, "ThreadGroup.duration": 5, "ThreadGroup.delay": 1})],
            [(0, 0), (1, 0), (3, 4), (6, 4), (6, 0)],
        ),
        ([group(4, **{"ThreadGroup.scheduler": "true", "ThreadGroup.duration": 5})], []),  # its loops may end before
        ([group(4, **TIMED, **{"ThreadGroup.duration": 5}), group(1, tag="SetupThreadGroup")], []),
        (
            [group(0, tag=CONCURRENCY, TargetLevel=4, RampUp=2, Steps=2, Hold=3)],
            [(0, 2), (1, 2), (1, 4), (5, 4), (5, 0)],
        ),
        (
            [group(5, tag=f"{SIMPLE}SteppingThreadGroup", **FOREVER, **STEPS, **OFF)],
            [
                (0, 0),
                (1, 0),
                (1, 2),
                (4, 2),
                (4, 4),
                (7, 4),
                (7, 5),
                (12, 5),
                (12, 3),
                (13, 3),
                (13, 1),
                (14, 1),
                (14, 0),
            ],
        ),
        (
            [group(0, tag=f"{SIMPLE}UltimateThreadGroup", rows=ROWS, **FOREVER)],
            [(0, 0), (2, 4), (5, 4), (5, 6), (6, 6), (8, 4), (8, 0)],
        ),
    ],
)
def test_the_plan_knows_the_users_of_a_jmx_over_time(tmp_path, parts, points):
    for mode, factor in (("divide", 1), ("repeat", 2)):
        document = suite(tmp_path, *parts, **{"script-load": mode})
        assert list(load_of(tmp_path, document, 2).users) == [(at_s, factor * users) for at_s, users in points]


def test_weights_of_locations_divide_the_threads(tmp_path):
    document = suite(tmp_path, group(9))
    document["execution"][0]["locations"] = {"a": 2, "b": 1}
    assert users(tmp_path, document, 2) == [(6,), (3,)]


def test_each_worker_can_repeat_the_script(tmp_path):
    document = suite(tmp_path, group(5), element("SyncTimer"), **{"script-load": "repeat"})
    plan = make_plan(read(tmp_path, document), run_id="r", workers=3)
    assert [part.interleave for share in plan.shares for part in share.executions] == [None] * 3
    assert load_of(tmp_path, document, 3).mode == "repeat"
    document["toril"]["script-load"] = {"load.jmx": "repeat"}
    assert load_of(tmp_path, document, 3).mode == "repeat"
    document["toril"]["script-load"] = {"load": "repeat"}
    refuses(tmp_path, document, "unknown-execution", "toril.script-load.load", "load.jmx")


def timer(tag, mode, rate="60"):
    return element(tag, f'<intProp name="calcMode">{mode}</intProp>{text("throughput", rate)}')


UNDIVIDABLE = {
    "no group": [],
    "an unknown group": [group(2, tag="org.example.OwnThreadGroup")],
    "an open model": [group(2, tag="OpenModelThreadGroup")],
    "a function": [group("${__Random(1,9)}")],
    "a variable": [group("${users}")],
    "a rendezvous": [group(2, inside=element("SyncTimer"))],
    "a random schedule": [group(2, inside=element("PreciseThroughputTimer"))],
    "a section": [group(2, inside=element("CriticalSectionController"))],
    "an inclusion": [group(2, inside=element("IncludeController"))],
    "properties": [group(2, inside=element("JSR223Sampler", text("script", "props.put('a', 'b')")))],
    "a queue": [group(2, inside=element("kg.apc.jmeter.modifiers.FifoPutPostProcessor"))],
    "a counter": [
        group(2, inside=element("ThroughputController", '<intProp name="ThroughputController.style">0</intProp>'))
    ],
    "rows": [group(2, inside=element("CSVDataSet", CSV))],
    "a timer of groups": [group(2), group(3), timer("ConstantThroughputTimer", 2)],
    "a limit": [group(0, tag=f"{DYNAMIC}arrivals.ArrivalsThreadGroup", TargetLevel=4, ConcurrencyLimit=2)],
    "half a thread": [group("2.5")],
}


@pytest.mark.parametrize("parts", UNDIVIDABLE.values(), ids=UNDIVIDABLE)
def test_a_load_that_cannot_be_divided_needs_one_worker_or_is_repeated(tmp_path, parts):
    document = suite(tmp_path, *parts)
    with refused("undividable-load", "execution[0]", "script-load: repeat"):
        make_plan(read(tmp_path, document), run_id="r", workers=2)
    assert load_of(tmp_path, document, 1).undividable
    document["toril"]["script-load"] = "repeat"
    assert len(make_plan(read(tmp_path, document), run_id="r", workers=2).shares) == 2


@pytest.mark.parametrize(
    "parts",
    [
        [group(2, inside=timer("ConstantThroughputTimer", 0))],
        [group(2), group(3), timer("ConstantThroughputTimer", 1)],
        [group(2), group(3, inside=timer("ConstantThroughputTimer", 2))],
        [group(2, inside=element("CSVDataSet", f"{CSV}{text('shareMode', 'shareMode.thread')}"))],
    ],
)
def test_what_each_thread_has_for_itself_can_be_divided(tmp_path, parts):
    assert len(users(tmp_path, suite(tmp_path, *parts), 2)) == 2


def test_rows_that_workers_divide_can_be_read_once(tmp_path):
    document = suite(tmp_path, group(2, inside=element("CSVDataSet", CSV)), **{"split-data": ["users.csv"]})
    assert users(tmp_path, document, 2) == [(1,), (1,)]


def test_workers_without_threads_are_an_error(tmp_path):
    with refused("idle-worker", "1 thread", "2 workers"):
        users(tmp_path, suite(tmp_path, group(1)), 2)


@pytest.mark.parametrize(
    ("text", "parts"), [(SHAPE, 3), ("from locust import HttpUser\n", 1), (f"{SHAPE}    fixed_count = 1\n", None)]
)
def test_a_load_shape_is_divided_unless_the_class_fixes_its_users(tmp_path, text, parts):
    write(tmp_path, text, "locustfile.py")
    document = {"execution": [{"scenario": {"script": "locustfile.py"}, "executor": "locust", "concurrency": 3}]}
    if parts is None:
        with refused("undividable-load", "fixed_count"):
            make_plan(read(tmp_path, document), run_id="r", workers=3)
        return
    plan = make_plan(read(tmp_path, document), run_id="r", workers=3)
    shared = [part.interleave for share in plan.shares for part in share.executions]
    assert [part is not None for part in shared] == [parts == 3] * 3
    assert codes(read(tmp_path, document).warnings) == []


@pytest.mark.parametrize(("mode", "parts"), [("divide", ["0:1/2", "1/2:1"]), ("repeat", ["0:1", "0:1"])])
@pytest.mark.parametrize(("executor", "script"), [("gatling", "A.scala"), ("k6", "a.js")])
def test_simulations_and_scripts_of_k6_have_segments(tmp_path, executor, script, mode, parts):
    document = {"execution": [{"scenario": {"script": script}, "executor": executor}], "toril": {"script-load": mode}}
    write(tmp_path, "class A extends Simulation", script)
    plan = make_plan(read(tmp_path, document), run_id="r", workers=2)
    segments = [part.segment for share in plan.shares for part in share.executions]
    assert [segment and segment.own for segment in segments] == parts
