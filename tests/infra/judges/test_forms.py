"""Every planned value against `forms.toml`, which has what the models of the services leave out."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.infra.judges.policies import subject
from tests.infra.judges.stacks import stacks

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("judges")]
FORMS: Mapping[str, Mapping[str, str]] = tomllib.loads(Path(__file__).with_name("forms.toml").read_text())


def misfits(kind: str, inputs: Mapping[str, Any]) -> Iterator[str]:
    for path, form in {**FORMS["any"], **FORMS.get(kind, {})}.items():
        yield from (f"{path}: {one}" for one in values(inputs, path.split(".")) if not re.fullmatch(form, one))


def values(value: Any, path: list[str]) -> Iterator[str]:
    """Yields the texts at the end of a path; those of a mapping are its keys."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        value = json.loads(value)
    if isinstance(value, list):
        for one in value:
            yield from values(one, path)
    elif path and isinstance(value, Mapping):
        for one in [*value.values()] if path[0] == "*" else [value.get(path[0])]:
            yield from values(one, path[1:])
    elif value is not None and not path:
        yield from value if isinstance(value, Mapping) else [str(value)]


def test_every_planned_value_has_its_form():
    found = {
        f"{subject(one)}: {text}" for stack in stacks() for one in stack.aws for text in misfits(one.type, one.checked)
    }
    assert sorted(found) == []


def test_every_form_is_of_a_planned_value():
    planned = {
        (kind, path)
        for stack in stacks()
        for one in stack.aws
        for kind in ("any", one.type)
        for path in FORMS.get(kind, ())
        if any(values(one.checked, path.split(".")))
    }
    assert planned == {(kind, path) for kind, paths in FORMS.items() for path in paths}


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("aws:kms/alias:Alias", {"name": "alias/aws/toril"}),
        ("aws:kms/key:Key", {"tagsAll": {"aws:by": "a"}}),
        ("aws:kms/key:Key", {"tagsAll": {"by": "a; b"}}),
        ("aws:ecs/taskDefinition:TaskDefinition", {"containerDefinitions": '[{"stopTimeout":300}]'}),
        ("aws:ecr/lifecyclePolicy:LifecyclePolicy", {"policy": '{"rules":[{"selection":{"tagStatus":"Any"}}]}'}),
        ("aws:cloudwatch/eventTarget:EventTarget", {"inputTransformer": {"inputPaths": {"run": "detail.run"}}}),
    ],
)
def test_a_planted_fault_is_found(kind, inputs):
    assert len([*misfits(kind, inputs)]) == 1
