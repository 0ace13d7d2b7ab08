"""The workflows and the action as data."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONS = [ROOT / "action.yml", ROOT / "comment/action.yml"]


def workflow(name: str) -> dict[str, Any]:
    """Returns a workflow by the name of its file."""
    found: dict[str, Any] = loaded((ROOT / f".github/workflows/{name}.yml").read_text())
    return found


def action(file: Path = ACTIONS[0]) -> dict[str, Any]:
    found: dict[str, Any] = loaded(file.read_text())
    return found


def loaded(text: str) -> Any:
    """Returns YAML as GitHub reads it: YAML 1.1 reads the key `on` as true."""
    return _keyed(yaml.safe_load(text))


def _keyed(value: Any) -> Any:
    if isinstance(value, dict):
        return {"on" if key is True else key: _keyed(item) for key, item in value.items()}
    return [_keyed(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Job:
    """A job of a workflow; its text is e.g. `pull-request.yml: runner`."""

    workflow: str
    name: str
    content: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.workflow}.yml: {self.name}"

    @property
    def steps(self) -> list[dict[str, Any]]:
        return list(self.content.get("steps", []))

    @property
    def permissions(self) -> dict[str, str]:
        return dict(self.content["permissions"])

    @property
    def lines(self) -> list[str]:
        return [str(step["run"]) for step in self.steps if "run" in step]

    def uses(self, name: str) -> list[dict[str, Any]]:
        """Returns the steps that use an action."""
        return [step for step in self.steps if str(step.get("uses", "")).startswith(f"{name}@")]


def jobs() -> list[Job]:
    return [Job(file.stem, name, content) for file in FILES for name, content in workflow(file.stem)["jobs"].items()]


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields every step with its place."""
    for job in jobs():
        for step in job.steps:
            yield f"{job}: {step.get('name')}", step
    for file in ACTIONS:
        for step in action(file)["runs"]["steps"]:
            yield f"{file.relative_to(ROOT)}: {step.get('name')}", step
