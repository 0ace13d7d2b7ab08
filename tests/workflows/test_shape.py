"""Rules for workflows: pinned actions, time limits, one line per step, no untrusted text in a shell."""

import os
import re
import subprocess
import sys

import pytest
import yaml

from tests.workflows.parsed import ACTIONS, FILES, ROOT, action, jobs, steps, workflow
from tools.release import FLAVOURS
from toril import cli

# Each action with the version of its commit, from the tags of its repository.
PINS = {
    "actions/attest-build-provenance": ("a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32", "v4.1.0"),
    "actions/attest": ("1e69f48acb82d1966a394da916b4c1698aa569d6", "v4.2.2"),
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "astral-sh/setup-uv": ("20cfd1bf945f4377ade1205e4dbc17946fc9a30d", "v10.0.1"),
    "pypa/gh-action-pypi-publish": ("dc37677b2e1c63e2034f94d8a5b11f265b73ba33", "v1.14.2"),
    "aws-actions/configure-aws-credentials": ("e6de054238d6b7531b4efff3b6587d9aade6a06c", "v6.2.3"),
}
USES = re.compile(r"^\s*(?:- )?uses: (\S+)(?: # (\S+))?$", re.MULTILINE)
LOCAL = re.compile(r"\./\.github/workflows/([a-z-]+)\.yml")
LOADS = re.compile(r"toril\"? (run|duet)\b|--confirm|pulumi up\b")
STEPS = list(steps())
JOBS = jobs()


@pytest.mark.parametrize("file", [*FILES, *ACTIONS], ids=lambda file: str(file.relative_to(ROOT)))
def test_every_action_is_pinned_by_commit_with_its_version_beside_it(file):
    for used, version in USES.findall(file.read_text()):
        if local := LOCAL.fullmatch(used):
            assert (ROOT / f".github/workflows/{local[1]}.yml").exists()
            continue
        name, _, commit = used.partition("@")
        assert PINS[name] == (commit, version)


def test_every_known_action_is_used():
    text = "".join(file.read_text() for file in [*FILES, *ACTIONS])
    assert not [name for name in PINS if f"uses: {name}@" not in text]


@pytest.mark.parametrize(("where", "step"), STEPS, ids=[where for where, _ in STEPS])
def test_a_step_is_one_line_that_no_expression_is_written_into(where, step):
    assert step.get("name"), f"{where} has no name"
    if "run" in step:
        assert "${{" not in step["run"]
        assert len(step["run"].strip().splitlines()) == 1


@pytest.mark.parametrize("job", JOBS, ids=str)
def test_every_job_has_a_time_limit(job):
    assert ("timeout-minutes" in job.content) != ("uses" in job.content)
    assert 1 <= job.content.get("timeout-minutes", 1) <= 360


@pytest.mark.parametrize("job", [job for job in JOBS if any(map(LOADS.search, job.lines))], ids=str)
def test_what_loads_or_deploys_is_never_cut_short_by_the_next_one(job):
    groups = [workflow(job.workflow).get("concurrency"), job.content.get("concurrency")]
    caller = {"local": "pull-request"}.get(job.name)
    assert caller or any(groups)
    assert not [group for group in groups if group and group["cancel-in-progress"] is not False]


def test_workflows_use_the_locked_version_of_uv():
    (locked,) = re.findall(r"^uv==(\S+)", (ROOT / "requirements/uv.txt").read_text(), re.MULTILINE)
    used = [step["with"]["version"] for _, step in STEPS if step.get("uses", "").startswith("astral-sh/setup-uv@")]
    assert used
    assert set(used) == {locked}


@pytest.mark.parametrize("job", [job for job in JOBS if "pulumi" in str(job.steps) or "preview" in job.lines], ids=str)
def test_pulumi_is_checked_by_hash_before_a_role_is_assumed(job):
    names = [step.get("run", step.get("uses", "")) for step in job.steps]
    (got,) = [position for position, name in enumerate(names) if "tools/pulumi/get" in name]
    (taken,) = [position for position, name in enumerate(names) if "configure-aws-credentials" in name]
    assert got < taken


@pytest.mark.parametrize("job", [job for job in JOBS if any("pulumi up" in one for one in job.lines)], ids=str)
def test_a_stack_without_its_committed_key_is_not_deployed(job, tmp_path):
    (check,) = [line for line in job.lines if "encryptedkey" in line]
    assert job.lines.index(check) < min(at for at, line in enumerate(job.lines) if "pulumi up" in line)
    file = tmp_path / "Pulumi.hub.yaml"
    codes = []
    for text in ("config:\n  toril:region: us-east-1\n", "encryptedkey: AQIC\nconfig:\n  toril:region: us-east-1\n"):
        file.write_text(text)
        done = subprocess.run(
            ["bash", "-c", check], cwd=tmp_path, env={"REGION": "hub", "PATH": os.defpath}, check=False
        )
        codes.append(done.returncode)
    assert codes == [1, 0]


def test_updates_of_one_stack_wait_for_each_other():
    groups = {
        job.name: job.content["concurrency"]["group"] for job in JOBS if any("pulumi up" in one for one in job.lines)
    }
    assert groups == {"hub": "up-hub", "regions": "up-${{ matrix.region }}"}


@pytest.mark.parametrize("job", [job for job in JOBS if job.uses("actions/checkout")], ids=str)
def test_checkouts_keep_no_token(job):
    assert all(step["with"]["persist-credentials"] is False for step in job.uses("actions/checkout"))


@pytest.mark.parametrize(
    ("where", "step"),
    [(where, step) for where, step in STEPS if LOADS.search(step.get("run", ""))],
    ids=[where for where, step in STEPS if LOADS.search(step.get("run", ""))],
)
def test_a_signal_to_the_step_is_one_to_what_loads(where, step):
    """GitHub signals the shell, which forwards no signals; `exec` replaces the shell."""
    assert step["run"].startswith("exec "), where


@pytest.mark.parametrize("job", [job for job in JOBS if any("toril run" in line for line in job.lines)], ids=str)
def test_a_job_that_loads_ends_the_run_whatever_happens(job):
    stops = [step for step in job.steps if "toril stop" in step.get("run", "")]
    assert len(stops) == sum(bool(re.search("toril (run|duet)", line)) for line in job.lines)
    assert all("always()" in step["if"] for step in stops)


def test_the_action_always_ends_its_run():
    stops = [step for step in action()["runs"]["steps"] if " stop " in step.get("run", "")]
    assert len(stops) == 2
    assert all("always()" in step["if"] for step in stops)


@pytest.mark.parametrize(
    "file", [file for file in FILES if "schedule" in workflow(file.stem)["on"]], ids=lambda f: f.stem
)
def test_a_schedule_is_off_the_full_hour_and_has_a_time_zone(file):
    for entry in workflow(file.stem)["on"]["schedule"]:
        assert entry["cron"].split()[0] not in ("0", "30", "*")
        assert entry["timezone"]


def test_regions_equal_the_stack_files():
    found = {path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml")} - {"hub"}
    infra = workflow("infra")["jobs"]
    assert set(infra["regions"]["strategy"]["matrix"]["region"]) == found
    for job in ("preview", "drift"):
        (line,) = [step["run"] for step in infra[job]["steps"] if "tools.preview" in step.get("run", "")]
        assert set(re.findall(r"\b(?:hub|[a-z]+-[a-z]+-\d)\b", line)) == {"hub", *found}


def toril_lines() -> list[tuple[str, str]]:
    found = re.compile(r'toril"? ((?:github |gitlab |suite )?[a-z]+) (.*)')
    return [(match[1], match[2]) for _, step in STEPS if (match := found.search(step.get("run", "")))]


@pytest.mark.parametrize(("command", "rest"), toril_lines(), ids=[" ".join(line)[:60] for line in toril_lines()])
def test_every_option_of_a_toril_command_exists(command, rest):
    known = cli.command(command)
    options = {option for parameter in known.params for option in parameter.opts}
    assert not set(re.findall(r"(?<![\w-])--[a-z-]+", rest)) - options


@pytest.mark.parametrize("name", ["preview", "digests", "comment"])
def test_every_option_of_a_tool_exists(name):
    shown = subprocess.run([sys.executable, "-m", f"tools.{name}", "--help"], cwd=ROOT, capture_output=True, text=True)
    for _, step in STEPS:
        if f"tools.{name} " in step.get("run", ""):
            assert set(re.findall(r"--[a-z-]+", step["run"])) <= set(re.findall(r"--[a-z-]+", shown.stdout))


def test_every_make_target_exists():
    targets = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {match for _, step in STEPS for match in re.findall(r"make (?:.* )?([a-z.][\w./-]*)", step.get("run", ""))}
    assert used
    assert used <= targets


def test_zizmor_ignores_have_reasons():
    ignores = [
        line for file in [*FILES, *ACTIONS] for line in file.read_text().splitlines() if "zizmor: ignore" in line
    ]
    assert [re.findall(r"ignore\[(.*?)\] (.+)", line)[0][0] for line in ignores] == ["dangerous-triggers"]
    assert yaml.safe_load((ROOT / ".github/zizmor.yml").read_text()) == {
        "rules": {"self-repository": {"disable": True}}
    }
    assert "#" in (ROOT / ".github/zizmor.yml").read_text()


def test_every_published_image_has_an_attested_sbom():
    steps = workflow("image")["jobs"]["publish"]["steps"]
    attested = {step["with"]["sbom-path"] for step in steps if step.get("uses", "").startswith("actions/attest@")}
    matrix = workflow("image")["jobs"]["build"]["strategy"]["matrix"]
    assert attested == {
        f"images/{flavour}-{architecture}.cdx.json"
        for flavour in matrix["flavour"]
        for architecture in matrix["architecture"]
    }
    release = workflow("release")["jobs"]["registry"]
    assert release["strategy"]["matrix"]["flavour"] == matrix["flavour"] == list(FLAVOURS)
    attested = {
        step["with"]["sbom-path"] for step in release["steps"] if step.get("uses", "").startswith("actions/attest@")
    }
    assert attested == {
        f"images/${{{{ matrix.flavour }}}}-{architecture}.cdx.json" for architecture in matrix["architecture"]
    }
