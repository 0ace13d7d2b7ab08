"""A script's own load on several workers, as the service counts it: divided, the whole is one worker's load.

In JMX files, the path of a request has the thread's number, so that no thread is missing and none runs twice.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import Finished, run
from tests.targets import target as serving
from toril.programs import gatling_home

ANY_MACHINE = ("--fail-on", "failed")  # sums hold on a busy machine, too, whose generators are saturated
SIMPLE, DYNAMIC = "kg.apc.jmeter.threads.", "com.blazemeter.jmeter.threads."
FIVE_BY_THREE = Counter({f"/a-{thread}": 3 for thread in range(1, 6)})
LOOPS = """<elementProp name="ThreadGroup.main_controller" elementType="LoopController">
<boolProp name="LoopController.continue_forever">false</boolProp>
<stringProp name="LoopController.loops">{loops}</stringProp></elementProp>"""
SAMPLER = """<HTTPSamplerProxy guiclass="HttpTestSampleGui" testclass="HTTPSamplerProxy" testname="{name}">
<elementProp name="HTTPsampler.Arguments" elementType="Arguments"><collectionProp name="Arguments.arguments"/>
</elementProp><stringProp name="HTTPSampler.domain">127.0.0.1</stringProp>
<stringProp name="HTTPSampler.port">${{__P(port)}}</stringProp>
<stringProp name="HTTPSampler.path">/{name}-${{__threadNum}}</stringProp>
<stringProp name="HTTPSampler.method">GET</stringProp></HTTPSamplerProxy><hashTree/>"""

PAUSE = """<TestAction guiclass="TestActionGui" testclass="TestAction" testname="pause">
<intProp name="ActionProcessor.action">1</intProp><intProp name="ActionProcessor.target">0</intProp>
<stringProp name="ActionProcessor.duration">6000</stringProp></TestAction><hashTree/>"""


def texts(properties: Mapping[str, object]) -> str:
    return "".join(f'<stringProp name="{name}">{value}</stringProp>' for name, value in properties.items())


def rows(name: str, *cells: tuple[object, ...]) -> str:
    table = (
        "".join(f'<stringProp name="{place}">{cell}</stringProp>' for place, cell in enumerate(row)) for row in cells
    )
    inside = "".join(f'<collectionProp name="{place}">{row}</collectionProp>' for place, row in enumerate(table))
    return f'<collectionProp name="{name}">{inside}</collectionProp>'


def group(
    name: str,
    tag: str = "ThreadGroup",
    own: Mapping[str, object] = {},
    *,
    users: object = 1,
    loops: int = 1,
    inside: str = "",
    more: str = "",
) -> str:
    """Returns a thread group with one request an iteration, whose path is /NAME-THREAD; `own` are its properties."""
    loop = LOOPS.format(loops=loops) if "blazemeter" not in tag else ""
    known = texts({"ThreadGroup.num_threads": users, **own})
    head = f'<{tag} guiclass="{tag}Gui" testclass="{tag}" testname="{name}">'
    return f"{head}{loop}{inside}{known}</{tag}><hashTree>{SAMPLER.format(name=name)}{more}</hashTree>"


def jmx(*groups: str) -> str:
    plan = (
        f'<TestPlan guiclass="TestPlanGui" testclass="TestPlan" testname="plan"/><hashTree>{"".join(groups)}</hashTree>'
    )
    return f'<jmeterTestPlan version="1.2" properties="5.0"><hashTree>{plan}</hashTree></jmeterTestPlan>'


def loaded(
    folder: Path, executor: str, script: tuple[str, str], workers: int, code: int = 0, **toril: Any
) -> tuple[Counter[str], Finished]:
    """Runs a script with its own load on these workers; returns the service's requests by path."""
    name, text = script
    with serving() as service:
        scenario = {"script": name, "default-address": service.url, "properties": {"port": service.port}}
        suite = {
            "execution": [{"executor": executor, "scenario": "own"}],
            "scenarios": {"own": scenario},
            "toril": {"workers": workers, "max-duration": "40s", **toril},
        }
        folder.mkdir(parents=True)
        (folder / name).write_text(text)
        (folder / "suite.yml").write_text(json.dumps(suite))
        done = run(folder / "store", folder, *ANY_MACHINE)
        assert done.code == code, done.stdout + done.stderr
        return Counter(service.paths), done


@pytest.mark.parametrize(
    "workers", [pytest.param(1, marks=pytest.mark.nightly), 2, pytest.param(3, marks=pytest.mark.nightly)]
)
def test_the_threads_of_a_jmx_are_divided_and_keep_their_numbers(tmp_path: Path, workers: int) -> None:
    script = ("load.jmx", jmx(group("a", loops=3, users="${__P(users,5)}"), group("b", users=2)))
    wanted = FIVE_BY_THREE + Counter({"/b-1": 1, "/b-2": 1})
    served, done = loaded(tmp_path / "run", "jmeter", script, workers)
    assert served == wanted
    shares = [share["executions"][0]["script_users"] for share in done.json("plan.json")["shares"]]
    assert [sum(of_group) for of_group in zip(*shares, strict=True)] == [5, 2]


def test_each_worker_can_repeat_a_script(tmp_path: Path) -> None:
    script = ("load.jmx", jmx(group("a", loops=3, users=5)))
    served, _ = loaded(tmp_path / "2", "jmeter", script, 2, **dict[str, Any]({"script-load": "repeat"}))
    assert served == Counter({path: 2 * count for path, count in FIVE_BY_THREE.items()})


@pytest.mark.nightly
@pytest.mark.parametrize("workers", [1, 3])
def test_groups_of_plug_ins_are_divided(tmp_path: Path, workers: int) -> None:
    ultimate = rows("ultimatethreadgroupdata", (3, 0, 0, 9, 0), (2, 1, 0, 8, 0))
    stepping = {"Start users count": 1, "Start users period": 1, "flighttime": 9}
    arrivals = {"TargetLevel": 180, "Unit": "M", "Hold": 0.05, "RampUp": 0, "Steps": 0}
    free = rows("Schedule", (4, 4, 2))
    constant = {"TargetLevel": 4, "RampUp": 0, "Hold": 3, "Unit": "S"}
    script = jmx(
        group("before", "SetupThreadGroup", users=2),
        group("ultimate", f"{SIMPLE}UltimateThreadGroup", loops=2, inside=ultimate),
        group("stepping", f"{SIMPLE}SteppingThreadGroup", stepping, loops=2, users=3),
        group("arrivals", f"{DYNAMIC}arrivals.ArrivalsThreadGroup", arrivals),
        group("free", f"{DYNAMIC}arrivals.FreeFormArrivalsThreadGroup", inside=free),
        group("constant", f"{DYNAMIC}concurrency.ConcurrencyThreadGroup", constant, more=PAUSE),
        group("after", "PostThreadGroup"),
    )
    served, _ = loaded(tmp_path / "own", "jmeter", ("load.jmx", script), workers)
    numbered = {path: count for path, count in served.items() if path.startswith(("/ultimate", "/stepping"))}
    assert numbered == {f"/ultimate-{n}": 2 for n in range(1, 6)} | {f"/stepping-{n}": 2 for n in range(1, 4)}
    by_group: Counter[str] = Counter()
    for path, count in served.items():
        by_group[path.split("-")[0]] += count
    assert by_group == {
        "/before": 2, "/ultimate": 10, "/stepping": 6, "/arrivals": 10, "/free": 9, "/constant": 4, "/after": 1,
    }  # fmt: skip


SIMULATION = """
import static io.gatling.javaapi.core.CoreDsl.*;
import static io.gatling.javaapi.http.HttpDsl.*;
import io.gatling.javaapi.core.*;

public class Visiting extends Simulation {
  {
    setUp(
      scenario("visiting").exec(http("visit").get(session -> "/visit-" + session.userId()))
        .injectOpen(atOnceUsers(5), rampUsers(4).during(2), constantUsersPerSec(2.5).during(2))
        .protocols(http.baseUrl("http://127.0.0.1:" + Integer.getInteger("port")))
    ).assertions(global().successfulRequests().count().lt(14L), global().failedRequests().count().is(0L));
  }
}
"""


@pytest.mark.nightly
@pytest.mark.skipif(not gatling_home().is_dir(), reason="`make gatling` has not assembled Gatling")
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_injection_of_a_simulation_is_divided_and_its_assertions_judge_the_whole(
    tmp_path: Path, workers: int
) -> None:
    served, done = loaded(tmp_path / "own", "gatling", ("Visiting.java", SIMULATION), workers, code=1)
    assert served == Counter({f"/visit-{user}": 1 for user in range(1, 15)})
    verdict = done.json("verdict.json")
    assert [(rule["criterion"], rule["outcome"]) for rule in verdict["criteria"]] == [
        ("succ>=14", "failed"), ("fail>0", "passed"),
    ]  # fmt: skip


SHAPE = """
from locust import HttpUser, LoadTestShape, constant, task

class Visitor(HttpUser):
    wait_time = constant(60)

    @task
    def visit(self):
        self.client.get("/visit")

class Stairs(LoadTestShape):
    def tick(self):
        passed_s = self.get_run_time()
        return None if passed_s > 4 else (5, 5) if passed_s < 2 else (7, 4)
"""


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.nightly), 3])
def test_a_load_shape_is_divided(tmp_path: Path, workers: int) -> None:
    served, _ = loaded(tmp_path / "own", "locust", ("locustfile.py", SHAPE), workers)
    assert served == Counter({"/visit": 7})


@pytest.mark.nightly
def test_the_reached_users_are_those_of_the_shape(tmp_path: Path) -> None:
    _, done = loaded(tmp_path / "own", "locust", ("locustfile.py", SHAPE), 2)
    reports = [json.loads(path.read_text())["executions"]["own"] for path in done.folder.glob("workers/*/*/exit.json")]
    assert sum(report["due_user_s"] for report in reports) == pytest.approx(20, abs=8)  # 5 users, then 7, for 4 s
    assert "unreached-load" not in done.reasons()
