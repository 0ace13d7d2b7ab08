"""The workflows and the action as data."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTION = ROOT / "action.yml"


def workflow(name: str) -> dict[str, Any]:
    """A workflow by its file's name; YAML 1.1 takes its key `on` for a truth."""
    found: dict[Any, Any] = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())
    return {"on" if key is True else key: value for key, value in found.items()}


def action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(ACTION.read_text())
    return found


@dataclass(frozen=True, slots=True)
class Job:
    """A job of a workflow; as a text `pull-request.yml: runner`."""

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
        """The steps that use an action."""
        return [step for step in self.steps if str(step.get("uses", "")).startswith(f"{name}@")]


def jobs() -> list[Job]:
    return [Job(file.stem, name, content) for file in FILES for name, content in workflow(file.stem)["jobs"].items()]


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step, with where it is."""
    for job in jobs():
        for step in job.steps:
            yield f"{job}: {step.get('name')}", step
    for step in action()["runs"]["steps"]:
        yield f"action.yml: {step.get('name')}", step
