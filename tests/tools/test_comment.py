"""`tools/comment.py` updates its own comment and never a suite's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.github.fake_api import TOKEN, GitHub, serving

ROOT = Path(__file__).parents[2]


@pytest.fixture
def github():
    with serving(GitHub()) as served:
        yield served


def comment(github: GitHub, file: Path, name: str = "stacks:preview") -> "subprocess.CompletedProcess[str]":
    variables = {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": github.repository}
    command = [sys.executable, "-m", "tools.comment", str(file), "--name", name, "--pull-request", "7"]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_second_preview_updates_the_comment(github, tmp_path):
    for text in ("first", "second"):
        (tmp_path / "preview.md").write_text(text)
        done = comment(github, tmp_path / "preview.md")
        assert done.returncode == 0, done.stderr
    (posted,) = github.comments
    assert posted["body"].startswith("second")


def test_a_suite_of_a_similar_name_has_another_comment(github, tmp_path):
    (tmp_path / "preview.md").write_text("diff")
    for name in ("stacks", "stacks:preview", "stacks-preview"):
        assert comment(github, tmp_path / "preview.md", name).returncode == 0
    assert len(github.comments) == 3


def test_a_file_too_long_for_a_comment_is_an_error(github, tmp_path):
    (tmp_path / "preview.md").write_text("x" * 65_001)
    done = comment(github, tmp_path / "preview.md")
    assert done.returncode == 1
    assert "at most 65,000" in done.stderr
    assert not github.comments
