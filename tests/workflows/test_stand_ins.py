"""The stand-ins for GitHub and its actions behave like the originals, as far as workflows rely on it."""

import pytest

from tests.workflows.acting import acting
from tests.workflows.repository import begun

pytestmark = pytest.mark.nightly
PINS = {
    "upload": "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",
    "download": "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",
}


def workflow(steps: str, then: str = "") -> dict[str, str]:
    head = "name: w\non: [pull_request, push]\njobs:\n"
    jobs = f"  one:\n    runs-on: ubuntu-latest\n    steps:\n{steps}"
    if then:
        jobs += f"  two:\n    needs: one\n    if: always()\n    runs-on: ubuntu-latest\n    steps:\n{then}"
    return {".github/workflows/w.yml": head + jobs}


def test_artifacts_omit_hidden_files(tmp_path):
    steps = f"""
    - run: mkdir -p .hidden/seen out/.git; echo a >.hidden/seen/a; echo b >out/b; echo c >out/.git/c
    - {{uses: "{PINS["upload"]}", with: {{name: kept, path: ".hidden/seen"}}}}
    - {{uses: "{PINS["upload"]}", with: {{name: most, path: "out"}}}}
    - {{uses: "{PINS["upload"]}", with: {{name: nothing, path: ".hidden"}}}}
    - {{uses: "{PINS["upload"]}", with: {{name: kept, path: "out"}}}}
"""
    then = f"""
    - {{uses: "{PINS["download"]}", with: {{pattern: "*", path: all}}}}
    - run: find all -type f | sort
    - {{uses: "{PINS["download"]}", with: {{name: nothing}}}}
"""
    with acting(tmp_path / "stage", begun(tmp_path / "repository", workflow(steps, then))) as stage:
        done = stage.run("push", {}, "w.yml")
    assert done.code == 1
    assert "  | all/kept/a\n" in done.log and "  | all/most/b\n" in done.log and "all/most/.git" not in done.log
    assert [note["message"].partition(":")[0] for note in done.annotations("warning")] == [
        "No files were found with the provided path"
    ]
    assert "an artifact with this name already exists" in done.log
    assert "Artifact not found for name: nothing" in done.log
    assert done.jobs == {"one": "failure", "two": "failure"}
