"""The manual's literal commands, with a program in a folder."""

import json

import pytest

pytestmark = pytest.mark.live
PROGRAM = """
from tests.infra.engine.sample import Sample, main
import pulumi

config = pulumi.Config()
main(Sample(region=config.require("region"), tags={"owner": config.require_secret("owner")}))
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: toril\nruntime: python\nmain: infra/\n")
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra/__main__.py").write_text(PROGRAM)
    return tmp_path


def test_each_run_of_a_program_is_a_new_interpreter(pulumi, project):
    (project / "infra/__main__.py").write_text("import pulumi\npulumi.export('moment', 'before')\n")
    pulumi.cli("stack", "init", "hub", cwd=project)
    pulumi.cli("up", "--yes", "--skip-preview", cwd=project)
    (project / "infra/__main__.py").write_text("import pulumi\npulumi.export('moment', 'after')\n")
    pulumi.cli("up", "--yes", "--skip-preview", cwd=project)
    assert pulumi.cli("stack", "output", "moment", cwd=project).stdout.strip() == "after"


def test_a_program_that_raises_fails_the_command_with_its_traceback(pulumi, project):
    (project / "infra/__main__.py").write_text("raise ValueError('the region is missing')\n")
    pulumi.cli("stack", "init", "hub", cwd=project)
    done = pulumi.cli("preview", cwd=project, check=False)
    assert done.returncode != 0
    assert "ValueError: the region is missing" in done.stdout + done.stderr
    with pytest.raises(AssertionError, match="the region is missing"):
        pulumi.cli("preview", cwd=project)


def test_the_users_environment_does_not_reach_the_engine_or_the_program(pulumi, project, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "somebodys")
    program = "import os, pulumi\nforeign = ('AWS_', 'PULUMI_A')\n"
    program += "pulumi.export('seen', sorted(name for name in os.environ if name.startswith(foreign)))\n"
    (project / "infra/__main__.py").write_text(program)
    pulumi.cli("stack", "init", "hub", cwd=project)
    pulumi.cli("up", "--yes", "--skip-preview", cwd=project)
    assert json.loads(pulumi.cli("stack", "output", "seen", "--json", cwd=project).stdout) == []
