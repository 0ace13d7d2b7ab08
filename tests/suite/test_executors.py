"""Executors of Taurus: which run, which are refused and with which way out, and what `runner` means."""

import pytest
import yaml

from tests.suite.reading import execution, read, refuses
from toril.suite import read_suite
from toril.suite.engines import REFUSED


def selenium(folder, script, **keys):
    (folder / script).parent.mkdir(exist_ok=True)
    (folder / script).touch()
    return {"execution": [{"executor": "selenium", "scenario": {"script": script.partition("/")[0]}, **keys}]}


@pytest.mark.parametrize("executor", REFUSED)
def test_a_refused_executor_names_the_way_out(tmp_path, executor):
    reason, way_out = REFUSED[executor]
    refuses(tmp_path, execution(executor=executor), "refused-executor", f"`{executor}`", reason, way_out)


def test_so_does_a_refused_runner_of_selenium(tmp_path):
    refuses(tmp_path, selenium(tmp_path, "test.py", runner="nunit"), "refused-executor", REFUSED["nunit"][1])


@pytest.mark.parametrize(
    ("written", "meant"), [("robt", "robot"), ("newmn", "newman"), ("slenium", "selenium"), ("wrp", "warp")]
)
def test_a_misspelt_executor_names_the_nearest_of_all(tmp_path, written, meant):
    document = {**execution(executor=written), "modules": {"warp": {"class": "my.Warp"}}}
    refuses(tmp_path, document, "unknown-executor", f"`{written}`", f"Did you mean `{meant}`?")


@pytest.mark.parametrize(("executor", "runner"), [("locust", "robot"), ("jmeter", "junit"), ("selenium", "locust")])
def test_only_selenium_has_runners_and_not_all(tmp_path, executor, runner):
    document = selenium(tmp_path, "test.py", runner=runner)
    document["execution"][0]["executor"] = executor
    refuses(tmp_path, document, "unsupported-key", "execution[0].runner", f"`executor: {runner}`")


@pytest.mark.parametrize(
    ("keys", "meant"),
    [({"concurency": 4}, "concurrency"), ({"hold-fro": "1m"}, "hold-for"), ({"executr": "locust"}, "executor")],
)
def test_a_misspelt_key_is_an_error(tmp_path, keys, meant):
    refuses(tmp_path, execution(**keys), "unknown-key", f"execution[0].{next(iter(keys))}", f"Did you mean `{meant}`?")


def test_a_misspelt_module_is_an_error(tmp_path):
    document = {**execution(), "modules": {"jmetr": {"memory-xmx": "1G"}}}
    refuses(tmp_path, document, "unknown-key", "modules.jmetr", "Did you mean `jmeter`?")
    refuses(tmp_path, {**execution(), "modules": {"jmeter": 7}}, "not-a-mapping", "modules.jmeter")


@pytest.mark.parametrize("runner", ["pytest", "robot", "junit"])
def test_a_runner_of_selenium_is_that_executor(tmp_path, runner):
    document = selenium(tmp_path, "tests/test_it.py", runner=runner)
    suite = read(tmp_path, {**document, "modules": {"selenium": {"properties": {"a": 1}}}})
    (found,) = suite.executions
    assert (found.executor, found.config.get("runner")) == (runner, None)
    assert f"`modules.{runner}`" in next(one.message for one in suite.warnings if one.code == "ignored-key")


@pytest.mark.parametrize(
    ("script", "executor"),
    [("Buy.java", "junit"), ("jars/tests.jar", "junit"), ("mixed/Buy.java", "junit"), ("test_buy.py", "selenium")],
)
def test_without_a_runner_the_script_decides(tmp_path, script, executor):
    (found,) = read(tmp_path, selenium(tmp_path, script)).executions
    assert found.executor == executor


def test_scripts_of_refused_runners_are_refused(tmp_path):
    refuses(tmp_path, selenium(tmp_path, "buy.js"), "refused-executor", "`mocha`")
    refuses(tmp_path, selenium(tmp_path, "Buy.java", **{"testng-xml": "x.xml"}), "refused-executor", "`testng`")
    (tmp_path / "buy.spec.ts").touch()
    playwright = execution(executor="playwright", scenario={"script": "buy.spec.ts"})
    refuses(tmp_path, playwright, "unsupported-script", "toril record --playwright")


def test_the_workers_receive_what_tests_need(tmp_path):
    for name in ("tests/login.robot", "tests/lib/Shop.py", "Buy.java", "gson.jar"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    robot = {"executor": "robot", "scenario": {"script": "tests/login.robot"}}
    junit = {"executor": "junit", "scenario": {"script": "Buy.java", "additional-classpath": ["gson.jar", "built.jar"]}}
    (tmp_path / "shop.yml").write_text(yaml.safe_dump({"execution": [robot, junit]}))
    found = {path.as_posix() for path in read_suite([tmp_path / "shop.yml"], system={}).files}
    assert found == {"shop.yml", "tests/login.robot", "tests/lib/Shop.py", "Buy.java", "gson.jar"}
