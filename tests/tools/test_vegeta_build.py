"""The program of `executor: vegeta` is built once per source, and found by the worker."""

import subprocess
import sys
from pathlib import Path

import pytest

from toril.programs import VEGETA, vegeta_digest, vegeta_program

ROOT = Path(__file__).parents[2]


def sources(folder: Path, text: str = "package main") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text("module x")
    (folder / "main.go").write_text(text)
    return folder


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without the program."""
    for name, value in {"XDG_CACHE_HOME": tmp_path / "cache", "PATH": tmp_path / "bin"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("TORIL_VEGETA", raising=False)
    return tmp_path


def test_the_digest_depends_on_the_sources_but_not_on_their_tests(tmp_path):
    digest = vegeta_digest(sources(tmp_path))
    (tmp_path / "main_test.go").write_text("package main")
    assert vegeta_digest(tmp_path) == digest
    assert vegeta_digest(sources(tmp_path, "package other")) != digest


def test_in_a_source_tree_only_a_program_built_from_it_is_used(machine):
    folder = sources(machine / "sources")
    program(machine / "cache" / "toril" / "vegeta-older" / VEGETA)
    assert vegeta_program(machine / "sources") is None
    built = program(machine / "cache" / "toril" / f"vegeta-{vegeta_digest(folder)}" / VEGETA)
    assert vegeta_program(machine / "sources") == built


def test_elsewhere_a_named_program_precedes_a_built_one_and_that_one_on_the_path(machine, monkeypatch):
    assert vegeta_program(machine / "sources") is None
    on_path = program(machine / "bin" / VEGETA)
    on_path.chmod(0o755)
    assert vegeta_program(machine / "sources") == on_path
    built = program(machine / "cache" / "toril" / "vegeta-any" / VEGETA)
    assert vegeta_program(machine / "sources") == built
    monkeypatch.setenv("TORIL_VEGETA", str(machine / "mine"))
    assert vegeta_program(machine / "sources") == machine / "mine"


def test_the_build_prints_the_programs_path_and_needs_no_packages(tmp_path):
    bare = [sys.executable, "-S"]  # without the packages of this environment, toril among them
    ready = program(tmp_path / f"vegeta-{vegeta_digest(ROOT / 'tools' / 'vegeta')}" / VEGETA)  # built before
    command = [*bare, str(ROOT / "tools" / "build"), "vegeta", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == str(ready)
