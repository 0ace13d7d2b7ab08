"""The project itself: locks that work with any mirror, and a wheel that runs without the source tree."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import toril

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "policy/requirements.txt"]
# The extras of each lock. All locks contain the command's own dependencies.
EXTRAS = {
    "run": [],
    "worker": ["worker", "otel", "protocols"],
    "dev": ["worker", "jmeter", "parquet", "console", "infra", "otel", "protocols", "robot", "dev"],
    "infra": ["infra"],
    "console": ["console"],
}


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=os.environ | environment, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def uv() -> Path:
    return found_uv()


def found_uv() -> Path:
    for candidate in (os.environ.get("UV"), shutil.which("uv"), ROOT / ".tools/uv/bin/uv"):
        if candidate and (ROOT / candidate).is_file():
            return ROOT / candidate
    pytest.skip("no uv: `make test` brings it")


def pins(lock: Path) -> dict[str, set[str]]:
    """Returns the pinned versions by package. A package may have one version for each Python version."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[.*\])?==([^ ]+)", lock.read_text(), re.MULTILINE):
        versions.setdefault(canonicalize_name(name), set()).add(version)
    return versions


@pytest.mark.parametrize("name", EXTRAS)
def test_a_lock_pins_all_dependencies_of_the_project(name):
    pinned = pins(ROOT / "requirements" / f"{name}.txt")
    wanted = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in EXTRAS[name])]
    for requirement in map(Requirement, chain.from_iterable(wanted)):
        versions = pinned.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not in {name}.txt: make lock"
        assert all(requirement.specifier.contains(version) for version in versions), (
            f"{requirement}: {versions}: make lock"
        )


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_a_lock_has_a_hash_for_every_package_and_no_address(lock):
    text = lock.read_text()
    assert "://" not in text
    entries = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
    assert not [entry for entry in entries if "--hash=sha256:" not in entry]


def test_all_locks_agree():
    everything = pins(ROOT / "requirements/all.txt")
    for name in EXTRAS:
        for package, versions in pins(ROOT / "requirements" / f"{name}.txt").items():
            assert versions <= everything[package], f"{package} in {name}.txt"


@pytest.mark.parametrize("pins", ["web", "editor"])
def test_the_lock_of_npm_has_an_integrity_hash_and_no_address_of_a_registry(pins):
    text = (ROOT / f"tools/{pins}/package-lock.json").read_text()
    assert '"integrity": "sha512-' in text
    assert "resolved" not in text
    assert "registry" not in text


def test_every_folder_with_pins_gets_updates():
    kinds = {
        "go.mod": "gomod",
        "pom.xml": "maven",
        "package-lock.json": "npm",
        "requirements.txt": "pip",
        "run.txt": "pip",
    }
    listed = run("git", "ls-files", "--", *(f"*{name}" for name in kinds)).splitlines()
    pinned = {(kinds[Path(file).name], f"/{Path(file).parent}") for file in listed if Path(file).name in kinds}
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    updated = {(update["package-ecosystem"], folder) for update in updates for folder in update["directories"]}
    assert pinned == {update for update in updated if update[0] != "github-actions"}


def test_every_make_target_is_explained():
    makefile = (ROOT / "Makefile").read_text()
    (declared,) = re.findall(r"^\.PHONY: (.* demo .*)", makefile, re.MULTILINE)
    explained = re.findall(r"^([a-z-]+):.* ## ", makefile, re.MULTILINE)
    assert sorted(declared.split()) == sorted(explained)
    targets = set(re.findall(r"^([a-z-]+):(?!=)", makefile, re.MULTILINE))
    assert targets - set(explained) == {"python"}


@pytest.mark.live
def test_the_wheel_runs_without_the_source_tree(uv, tmp_path):
    build = ROOT / "requirements/build.txt"
    run(uv, "build", "--quiet", "--wheel", "--build-constraints", build, "--out-dir", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    environment = tmp_path / "environment"
    run(uv, "venv", "--quiet", "--python", sys.executable, environment)
    run(uv, "pip", "sync", "--quiet", "--python", environment, "--require-hashes", ROOT / "requirements/run.txt")
    run(uv, "pip", "install", "--quiet", "--python", environment, "--no-deps", "--offline", wheel)
    assert run(environment / "bin/toril", "--version", cwd=tmp_path).split()[-1] == toril.__version__
    assets = environment.glob("lib/python*/site-packages/toril/reports/assets/*")
    assert {"uPlot.iife.min.js", "uPlot.min.css", "uPlot.LICENSE"} <= {path.name for path in assets}
