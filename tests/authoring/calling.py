"""Calls `toril init` and `toril import` without a process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from toril import cli
from toril.errors import UserError
from toril.suite import Suite, read_suite

JMX = """<?xml version="1.0" encoding="UTF-8"?>
<jmeterTestPlan version="1.2" properties="5.0" jmeter="5.6.3">
  <hashTree>
    <TestPlan guiclass="TestPlanGui" testclass="TestPlan" testname="Plan">
      <elementProp name="TestPlan.user_defined_variables" elementType="Arguments">
        <collectionProp name="Arguments.arguments"/>
      </elementProp>
    </TestPlan>
    <hashTree>
      <ThreadGroup guiclass="ThreadGroupGui" testclass="ThreadGroup" testname="Visitors">
        <stringProp name="ThreadGroup.on_sample_error">continue</stringProp>
        <elementProp name="ThreadGroup.main_controller" elementType="LoopController">
          <stringProp name="LoopController.loops">3</stringProp>
          <boolProp name="LoopController.continue_forever">false</boolProp>
        </elementProp>
        <stringProp name="ThreadGroup.num_threads">2</stringProp>
        <stringProp name="ThreadGroup.ramp_time">0</stringProp>
      </ThreadGroup>
      <hashTree>
        <CSVDataSet guiclass="TestBeanGUI" testclass="CSVDataSet" testname="Users">
          <stringProp name="filename">data/users.csv</stringProp>
          <stringProp name="variableNames">user</stringProp>
          <stringProp name="delimiter">,</stringProp>
          <boolProp name="recycle">true</boolProp>
          <boolProp name="stopThread">false</boolProp>
          <stringProp name="shareMode">shareMode.all</stringProp>
        </CSVDataSet>
        <hashTree/>
        <HTTPSamplerProxy guiclass="HttpTestSampleGui" testclass="HTTPSamplerProxy" testname="visit">
          <elementProp name="HTTPsampler.Arguments" elementType="Arguments">
            <collectionProp name="Arguments.arguments"/>
          </elementProp>
          <stringProp name="HTTPSampler.domain">127.0.0.1</stringProp>
          <stringProp name="HTTPSampler.port">PORT</stringProp>
          <stringProp name="HTTPSampler.protocol">http</stringProp>
          <stringProp name="HTTPSampler.path">/in/${user}</stringProp>
          <stringProp name="HTTPSampler.method">GET</stringProp>
        </HTTPSamplerProxy>
        <hashTree/>
      </hashTree>
    </hashTree>
  </hashTree>
</jmeterTestPlan>
"""
LOCUSTFILE = """
from locust import HttpUser, constant, task
from steps.words import WORDS

with open("data/users.csv") as file:
    USERS = file.read().split()

class Visitor(HttpUser):
    wait_time = constant(0.2)

    @task
    def visit(self):
        self.client.get(f"/{WORDS[0]}/{USERS[0]}", name="visit")
"""


def call(folder: Path, *arguments: str) -> Result:
    """Calls `toril init`, or `toril import` if a source comes first; any error but UserError fails the test."""
    first = arguments[0] if arguments else "-"
    words = ["init", str(folder)] if first.startswith("-") else ["import", "--into", str(folder)]
    done = CliRunner().invoke(cli.app, [*words, *arguments])
    if done.exception and not isinstance(done.exception, (SystemExit, UserError)):
        raise done.exception
    return done


def refuses(folder: Path, arguments: Sequence[str], code: str, *names: str) -> str:
    """Expects a refusal with this code and these names, and no written files; returns the message."""
    before = tree(folder)
    done = call(folder, *arguments)
    assert isinstance(done.exception, UserError), done.output
    text = str(done.exception)
    assert done.exception.code == code, text
    assert not [name for name in names if name not in text], text
    assert tree(folder) == before
    return text


def started(folder: Path, *arguments: str) -> str:
    """Returns the output of a successful call."""
    done = call(folder, *arguments)
    assert not done.exception, done.exception
    return done.stdout


def written(folder: Path, name: str, **options: Any) -> Suite:
    """Returns the written suite."""
    return read_suite([folder / "loadtests" / name], **{"system": {}, **options})


def tree(folder: Path) -> dict[str, bytes]:
    """Returns the content of every file, and None for folders."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def scripts(folder: Path, port: int = 80) -> Path:
    """Writes a JMX, a locustfile and their files to a folder."""
    for name, text in {
        "load.jmx": JMX.replace("PORT", str(port)),
        "locustfile.py": LOCUSTFILE,
        "steps/__init__.py": "from . import more\n",
        "steps/words.py": "from .deep.down import WORDS as WORDS\n",
        "steps/more.py": "import os\n",
        "steps/deep/down.py": "from ..more import os as os\nWORDS = ['hello']\n",
        "data/users.csv": "ada\ngrace\n",
        "unrelated.txt": "an unrelated text\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
