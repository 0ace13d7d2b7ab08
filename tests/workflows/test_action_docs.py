"""README and docs/ci.md agree with the action and the workflows."""

import re
from typing import Any

import pytest

from tests.workflows.parsed import ACTIONS, FILES, ROOT, action, loaded, workflow

README = (ROOT / "README.md").read_text()
PAGE = (ROOT / "docs/ci.md").read_text()


def block(after: str) -> str:
    """Returns the first block of YAML after a text in the README."""
    found = re.search(rf"{re.escape(after)}.*?^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found, after
    return found[1]


def test_every_input_is_in_the_readme_with_its_default():
    (step,) = loaded(block("<!-- inputs:"))
    shown: dict[str, Any] = step["with"]
    inputs: dict[str, Any] = action()["inputs"]
    assert list(shown) == list(inputs)
    assert inputs["suite"]["required"] is True
    assert {name: one["default"] for name, one in inputs.items() if name != "suite"} == {
        name: value for name, value in shown.items() if name != "suite"
    }


def test_every_shown_input_is_explained():
    for line in block("<!-- inputs:").splitlines()[3:]:
        assert re.search(r" # \S+", line), line


def test_the_workflow_in_the_readme_is_valid():
    text = block("## In your pull requests")
    found = loaded(text)
    (step,) = [one for one in found["jobs"]["load-test"]["steps"] if "toril" in one.get("uses", "")]
    assert set(step["with"]) <= set(action()["inputs"])
    assert found["permissions"] == {}
    assert len(text.splitlines()) <= 17


def test_every_input_of_the_comment_action_is_documented():
    rows = {name for line in PAGE.splitlines() if line.startswith("| `") for name in re.findall(r"`([a-z-]+)`", line)}
    assert set(action(ACTIONS[1])["inputs"]) <= rows


def test_the_documented_comment_job_is_valid():
    jobs = loaded(re.sub(r"^    - uses: actions/upload.*?(?=^  comment:)", "", _yaml("  comment:"), flags=re.M | re.S))
    assert jobs["comment"]["permissions"] == {"pull-requests": "write"}
    assert set(jobs["comment"]["steps"][-1]["with"]) <= set(action(ACTIONS[1])["inputs"])


def _yaml(holding: str) -> str:
    """Returns the block of YAML in the page that contains this text."""
    blocks: list[str] = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return next(one for one in blocks if holding in one)


def test_every_output_is_documented():
    assert not [name for name in action()["outputs"] if f"`{name}`" not in README and f".{name}`" not in README]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_workflow_and_its_permissions_are_documented(file):
    assert f"`{file.name}`" in PAGE
    for name, job in workflow(file.stem)["jobs"].items():
        for right, level in job["permissions"].items():
            if level == "write" and "uses" not in job:
                row = next((line for line in PAGE.splitlines() if line.startswith(f"| `{file.name}`: `{name}` ")), "")
                assert f"`{right}`" in row, f"{file.name}: {name} may write {right}"


def test_every_input_of_the_load_test_is_documented():
    inputs = workflow("loadtest")["on"]["workflow_call"]["inputs"]
    assert not [name for name in inputs if f"| `{name}` |" not in PAGE]


def test_every_variable_of_the_repository_is_documented():
    used = {name for file in FILES for name in re.findall(r"vars\.([A-Z_]+)", file.read_text())}
    assert not [name for name in used if f"| `{name}` |" not in PAGE]


def test_every_test_named_by_the_security_page_exists():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/security.md").read_text()))
    there = {
        name
        for file in (ROOT / "tests/workflows").glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    assert len(named) > 5
    assert named <= there
