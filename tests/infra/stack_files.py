"""The committed stack files as cases, with made-up values for secrets, which only their owners can read."""

from typing import Any

import yaml

from infra.settings.schema import ROOT
from tests.infra.cases import Case
from tests.infra.configurations import MARK


def committed() -> list[Case]:
    """Returns a case for each `Pulumi.<stack>.yaml`. Regions use the committed hub of their environment."""
    found = {path.name.split(".", 1)[1].removesuffix(".yaml"): _settings(path.read_text()) for path in _files()}
    return [Case(stack=stack, config=config, hub=_hub(stack, found)) for stack, config in sorted(found.items())]


def _files() -> list[Any]:
    return sorted(ROOT.glob("Pulumi.*.yaml"))


def _hub(stack: str, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    environment = stack.rpartition(".")[0]
    return found.get(f"{environment}.hub" if environment else "hub", {"region": "us-east-1"})


def _settings(text: str) -> dict[str, Any]:
    config = yaml.safe_load(text).get("config") or {}
    return {key.removeprefix("toril:"): _made_up(value) for key, value in config.items()}


def _made_up(value: Any) -> Any:
    match value:
        case {"secure": _}:
            return f"made up {MARK}"
        case dict():
            return {key: _made_up(item) for key, item in value.items()}
        case list():
            return [_made_up(item) for item in value]
    return value
