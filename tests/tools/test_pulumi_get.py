"""`tools/pulumi/get` starts only programs whose hashes are committed."""

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GH = """#!/bin/sh
while [ $# -gt 1 ]; do case "$1" in --pattern) name=$2;; --dir) folder=$2;; esac; shift; done
cp "$RELEASES/$name" "$folder/"
"""
CLI = b'#!/bin/sh\necho "$@" > "$STARTED"\n'


def versions() -> tuple[str, str]:
    (cli,) = re.findall(r"pulumi/pkg/v3 v(\S+)", (ROOT / "tools/pulumi/go.mod").read_text())
    (aws,) = re.findall(r"^pulumi-aws==(\S+)", (ROOT / "requirements/infra.txt").read_text(), re.MULTILINE)
    return cli, aws


@pytest.fixture
def releases(tmp_path):
    """Releases of the pinned versions, and a `gh` that downloads them."""
    cli, aws = versions()
    folder = tmp_path / "releases"
    folder.mkdir()
    with tarfile.open(folder / f"pulumi-v{cli}-linux-x64.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("pulumi/pulumi")
        entry.size, entry.mode = len(CLI), 0o755
        archive.addfile(entry, io.BytesIO(CLI))
    (folder / f"pulumi-resource-aws-v{aws}-linux-amd64.tar.gz").write_bytes(b"a provider")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gh").write_text(GH)
    (tmp_path / "bin/gh").chmod(0o755)
    return folder


def get(tmp_path, *more):
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    more_env = {"PATH": path, "RELEASES": str(tmp_path / "releases"), "STARTED": str(tmp_path / "started")}
    command = [sys.executable, ROOT / "tools/pulumi/get", tmp_path / "there", "--hashes", tmp_path / "hashes", *more]
    environment = {**os.environ, **more_env}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_programs_with_locked_hashes_are_installed(tmp_path, releases):
    assert get(tmp_path, "--lock").returncode == 0
    locked = dict(line.split("  ")[::-1] for line in (tmp_path / "hashes").read_text().splitlines())
    assert locked == {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in releases.iterdir()}
    done = get(tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "there/pulumi")), done.stderr
    started = (tmp_path / "started").read_text().split()
    assert started[:5] == ["plugin", "install", "resource", "aws", versions()[1]]


@pytest.mark.parametrize("changed", ["cli", "provider", "no hash"])
def test_a_program_with_another_hash_is_neither_unpacked_nor_started(tmp_path, releases, changed):
    get(tmp_path, "--lock")
    cli, provider = sorted(releases.iterdir(), key=lambda one: "resource" in one.name)
    if changed == "no hash":
        (tmp_path / "hashes").write_text("")
    else:
        one = cli if changed == "cli" else provider
        one.write_bytes(one.read_bytes() + b"\0")
    done = get(tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "there").exists()
    assert not (tmp_path / "started").exists()
