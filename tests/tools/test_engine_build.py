"""The program of `executor: vegeta` is built once per source, and found by the worker."""

import subprocess
import sys
from pathlib import Path

import pytest

from toril.programs import ENGINE, engine_digest, engine_program

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
    monkeypatch.delenv("TORIL_ENGINE", raising=False)
    return tmp_path


def test_the_digest_depends_on_the_sources_but_not_on_their_tests(tmp_path):
    digest = engine_digest(sources(tmp_path))
    (tmp_path / "main_test.go").write_text("package main")
    assert engine_digest(tmp_path) == digest
    assert engine_digest(sources(tmp_path, "package other")) != digest


def test_in_a_source_tree_only_a_program_built_from_it_is_used(machine):
    folder = sources(machine / "sources")
    program(machine / "cache" / "toril" / "engine-older" / ENGINE)
    assert engine_program(machine / "sources") is None
    built = program(machine / "cache" / "toril" / f"engine-{engine_digest(folder)}" / ENGINE)
    assert engine_program(machine / "sources") == built


def test_elsewhere_a_named_program_precedes_a_built_one_and_that_one_on_the_path(machine, monkeypatch):
    assert engine_program(machine / "sources") is None
    on_path = program(machine / "bin" / ENGINE)
    on_path.chmod(0o755)
    assert engine_program(machine / "sources") == on_path
    built = program(machine / "cache" / "toril" / "engine-any" / ENGINE)
    assert engine_program(machine / "sources") == built
    monkeypatch.setenv("TORIL_ENGINE", str(machine / "mine"))
    assert engine_program(machine / "sources") == machine / "mine"


def test_the_build_prints_the_programs_path_and_needs_no_packages(tmp_path):
    bare = [sys.executable, "-S"]  # without the packages of this environment, toril among them
    ready = program(tmp_path / f"engine-{engine_digest(ROOT / 'tools' / 'engine')}" / ENGINE)  # built before
    command = [*bare, str(ROOT / "tools" / "build"), "engine", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == str(ready)
