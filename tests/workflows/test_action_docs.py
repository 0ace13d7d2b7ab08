"""README, reference, how-to page and the workflows' own page describe actions and workflows as they are."""

import re
import textwrap

import pytest

from tests.workflows.parsed import ACTIONS, FILES, ROOT, action, loaded, workflow

README = (ROOT / "README.md").read_text()
PAGE = (ROOT / "docs/reference/action.md").read_text()
WORKFLOWS = (ROOT / ".github/workflows/README.md").read_text()
HOW_TO = (ROOT / "docs/how-to/fail-a-pull-request.md").read_text()


def block(after: str) -> str:
    """The first block of YAML after a text in the README."""
    found = re.search(rf"{re.escape(after)}.*?^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found, after
    return found[1]


def test_every_input_of_the_comment_is_in_the_page():
    rows = {name for line in PAGE.splitlines() if line.startswith("| `") for name in re.findall(r"`([a-z-]+)`", line)}
    assert set(action(ACTIONS[1])["inputs"]) <= rows


def test_the_workflow_in_the_page_uses_inputs_that_there_are_and_only_its_comment_can_write():
    jobs = loaded(_yaml("  comment:"))["jobs"]
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "load-test": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    (run,) = [step for step in jobs["load-test"]["steps"] if "/toril@" in step.get("uses", "")]
    assert set(run["with"]) <= set(action()["inputs"])
    assert set(jobs["comment"]["steps"][-1]["with"]) <= set(action(ACTIONS[1])["inputs"])


def _yaml(holding: str) -> str:
    """The block of YAML in the page that holds this."""
    blocks: list[str] = re.findall(r"^ *```yaml\n(.*?)^ *```", HOW_TO, re.MULTILINE | re.DOTALL)
    return textwrap.dedent(next(one for one in blocks if holding in one))


def test_the_page_lists_the_inputs_and_outputs_of_the_action():
    section = PAGE[: PAGE.index("## The comment")]
    rows = re.findall(r"^\| `([a-z-]+)` \|([^|]*)\|", section, re.MULTILINE)
    shown = {name: default.strip(" `").replace("required", "") for name, default in rows}
    inputs = {name: one.get("default", "") for name, one in action()["inputs"].items()}
    assert {name: shown.get(name) for name in inputs} == inputs
    assert set(action()["outputs"]) <= set(shown)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_workflow_and_what_it_may_do_has_a_place_in_the_page(file):
    assert f"`{file.name}`" in WORKFLOWS
    for name, job in workflow(file.stem)["jobs"].items():
        for right, level in job["permissions"].items():
            if level == "write" and "uses" not in job:
                row = next(
                    (line for line in WORKFLOWS.splitlines() if line.startswith(f"| `{file.name}`: `{name}` ")), ""
                )
                assert f"`{right}`" in row, f"{file.name}: {name} may write {right}"


def test_every_input_of_the_load_test_is_in_the_page():
    inputs = workflow("loadtest")["on"]["workflow_call"]["inputs"]
    assert not [name for name in inputs if f"| `{name}` |" not in WORKFLOWS + PAGE]


def test_every_variable_of_the_repository_is_in_the_page():
    used = {name for file in FILES for name in re.findall(r"vars\.([A-Z_]+)", file.read_text())}
    assert not [name for name in used if f"| `{name}` |" not in WORKFLOWS]
