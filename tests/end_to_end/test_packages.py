"""Scripts and test plans with packages and plug-ins of their own, through `toril run`."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import run
from tests.targets import target
from tests.wheels import wheel
from toril.programs import is_jmeter, jmeter_home

ANY_MACHINE = ("--fail-on", "failed")
LOCUSTFILE = """
import os
import shopkit
from locust import HttpUser, task

class Buyer(HttpUser):
    @task
    def buy(self):
        self.client.get(shopkit.PATH + os.environ["item"])
"""
SETUP = "import shopkit\n\ndef setup():\n    return {'item': shopkit.ITEM}\n"
GROUP = "com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup"
PLUG_IN = "jmeter-plugins-casutg-2.10.jar"


def written(folder: Path, suite: dict[str, Any], **scripts: str) -> Path:
    folder.mkdir()
    for name, text in {
        "suite.yml": json.dumps(suite),
        **{f"{name}.py": text for name, text in scripts.items()},
    }.items():
        (folder / name).write_text(text)
    return folder


def test_scripts_of_load_and_setup_import_the_packages_of_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "index"),
        "PIP_CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lock = wheel(tmp_path / "index", "shopkit", {"shopkit/__init__.py": "PATH, ITEM = '/cart', '/lamp'"})
    with target() as service:
        scenario = {"script": "load.py", "default-address": service.url}
        execution = {"executor": "locust", "scenario": scenario, "concurrency": 2, "iterations": 3}
        ours = {"python": "requirements.txt", "setup": "prepare.py", "workers": 2}
        folder = written(tmp_path / "shop", {"execution": execution, "toril": ours}, load=LOCUSTFILE, prepare=SETUP)
        (folder / "requirements.txt").write_text(lock)
        done = run(tmp_path / "store", folder, *ANY_MACHINE)
    assert done.code == 0, done.stdout + done.stderr
    assert service.paths == {"/cart/lamp": 6}
    (kept,) = (tmp_path / "store/runs/packages").iterdir()
    assert kept.name in lock


def home_without(folder: Path, jar: str) -> Path:
    """Makes a JMeter without this plug-in, of links to the prepared one."""
    home = jmeter_home()
    shutil.copytree(home / "bin", folder / "bin")  # its script follows links
    for file in (home / "lib").rglob("*.jar"):
        link = folder / file.relative_to(home)
        link.parent.mkdir(parents=True, exist_ok=True)
        if file.name != jar:
            link.symlink_to(file)
    return folder


@pytest.mark.nightly
@pytest.mark.skipif(not is_jmeter(jmeter_home()), reason="`make jmeter` first")
def test_a_test_plan_uses_the_plug_ins_of_its_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "shop", {"execution": {"scenario": "load.jmx"}, "toril": {"jars": "plugins/*.jar"}})
    (folder / "plugins").mkdir()
    shutil.copy(jmeter_home() / "lib/ext" / PLUG_IN, folder / "plugins")
    monkeypatch.setenv("TORIL_JMETER_HOME", str(home_without(tmp_path / "jmeter", PLUG_IN)))
    with target() as service:
        (folder / "load.jmx").write_text(plan(service.url))
        done = run(tmp_path / "store", folder, *ANY_MACHINE)
    assert done.code == 0, done.stdout + done.stderr
    assert [*service.paths] == ["/"]


def plan(url: str) -> str:
    """Returns a JMX with two users of a plug-in's group, who visit `url` for a second."""
    texts = {
        "TargetLevel": 2,
        "RampUp": 0,
        "Steps": 1,
        "Hold": 1,
        "Unit": "S",
        "ThreadGroup.on_sample_error": "continue",
    }
    users = "".join(f'<stringProp name="{name}">{text}</stringProp>' for name, text in texts.items())
    return f"""<jmeterTestPlan version="1.2" properties="5.0"><hashTree>
<TestPlan guiclass="TestPlanGui" testclass="TestPlan" testname="plan"/><hashTree>
<{GROUP} guiclass="{GROUP}Gui" testclass="{GROUP}" testname="users">{users}
  <elementProp name="ThreadGroup.main_controller" elementType="com.blazemeter.jmeter.control.VirtualUserController"/>
</{GROUP}><hashTree>
<HTTPSamplerProxy guiclass="HttpTestSampleGui" testclass="HTTPSamplerProxy" testname="visit">
  <elementProp name="HTTPsampler.Arguments" elementType="Arguments"/>
  <stringProp name="HTTPSampler.path">{url}/</stringProp><stringProp name="HTTPSampler.method">GET</stringProp>
</HTTPSamplerProxy><hashTree/>
</hashTree></hashTree></hashTree></jmeterTestPlan>"""
