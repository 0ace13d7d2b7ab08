"""`tools/pulumi/build` finds the user's engine or a cached one, builds one, or reports missing programs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "tools/pulumi/build"
PINNED = re.findall(r"pulumi/pkg/v3 v(\S+)", (ROOT / "tools/pulumi/go.mod").read_text())[0]


@pytest.fixture
def machine(tmp_path):
    """A machine whose PATH has only the test's programs."""
    (tmp_path / "bin").mkdir()

    def run(*, uv: str | None = None, **programs: str) -> "subprocess.CompletedProcess[str]":
        if uv:
            programs["uv"] = uv
        for name, script in programs.items():
            program = tmp_path / "bin" / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        command = [sys.executable, BUILD, tmp_path / "cache"]
        environment = {
            "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin" if uv else str(tmp_path / "bin"),
            "HOME": str(tmp_path),
        }
        if uv:
            environment["UV"] = str(tmp_path / "bin/uv")
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    return run


def test_the_build_prefers_the_users_own_engine(machine, tmp_path):
    done = machine(pulumi="echo v99.0.0")
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "bin/pulumi"))


def test_the_build_uses_the_cached_engine_if_the_users_is_older_than_the_sdk(machine, tmp_path):
    cached = tmp_path / f"cache/pulumi-{PINNED}/pulumi"
    cached.parent.mkdir(parents=True)
    cached.touch()
    done = machine(pulumi="echo v3.1.0", go="exit 1")
    assert (done.returncode, done.stdout.strip()) == (0, str(cached))


def test_the_error_without_engine_and_go_names_both(machine):
    done = machine()
    assert done.returncode == 1
    assert "`pulumi`" in done.stderr
    assert "Install Go" in done.stderr


def test_the_error_about_an_old_go_has_its_version(machine, tmp_path):
    done = machine(pulumi="echo v3.1.0", go="echo go1.22.1")
    assert done.returncode == 1
    assert f"`{tmp_path / 'bin/pulumi'}`" in done.stderr
    assert "Go 1.22.1" in done.stderr


def test_the_build_uses_no_other_toolchain_and_leaves_a_complete_program(machine, tmp_path):
    go = 'if [ "$1" = env ]; then echo go1.99.0; exit; fi\n'
    go += 'while [ "$1" != -o ]; do shift; done\necho "$GOTOOLCHAIN $GOFLAGS" > "$2"'
    done = machine(go=go)
    assert done.returncode == 0, done.stderr
    built = Path(done.stdout.strip())
    assert built == tmp_path / f"cache/pulumi-{PINNED}/pulumi"
    assert built.read_text().split() == ["local", "-mod=readonly"]
    assert [path.name for path in built.parent.iterdir()] == ["pulumi"]


def test_a_machine_with_an_old_go_builds_with_a_packaged_one_and_removes_it(machine, tmp_path):
    packaged = 'while [ "$1" != -o ]; do shift; done; echo packaged > "$2"'
    uv = 'case "$1" in venv) for last; do :; done; place="$last/lib/python3/site-packages/go/bin"; mkdir -p "$place"\n'
    uv += f"printf '#!/bin/sh\\n%s\\n' '{packaged}' > \"$place/go\"; chmod +x \"$place/go\";; esac\n"
    done = machine(uv=uv, go="echo go1.22.1")
    assert done.returncode == 0, done.stderr
    built = Path(done.stdout.strip())
    assert built == tmp_path / f"cache/pulumi-{PINNED}/pulumi"
    assert built.read_text() == "packaged\n"


def test_a_failed_build_leaves_no_files(machine, tmp_path):
    done = machine(go='if [ "$1" = env ]; then echo go1.99.0; else echo "no space left" >&2; exit 2; fi')
    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert "Go could not build Pulumi (exit code 2" in done.stderr
    assert not list(tmp_path.glob("cache/*/*"))
