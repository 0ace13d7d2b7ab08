"""Every resource type of the table is made, read, changed and deleted in the embedded cloud."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.cloud.embedded import Cloud
from tests.infra.engine.cloud import Access, Account
from tests.infra.engine.examples.common import REGION, Example, Of
from tests.infra.engine.examples.table import EXAMPLES
from tests.infra.engine.provider import Provider
from tests.infra.engine.shapes import Misfit
from tests.infra.engine.specs.table import KINDS


@pytest.fixture
def provider(cloud: Cloud) -> Provider:
    return Provider(account=Account(Access(url=cloud.url)), region=REGION, default_tags={"project": "toril"})


def filled(value: Any, made: dict[str, dict[str, Any]]) -> Any:
    """Returns a value with its references replaced by outputs."""
    match value:
        case Of(token, output):
            return made[token][output]
        case dict():
            return {key: filled(item, made) for key, item in value.items()}
        case list():
            return [filled(item, made) for item in value]
    return value


def references(value: Any) -> Iterator[str]:
    match value:
        case Of(token, _):
            yield token
        case dict():
            yield from (each for item in value.values() for each in references(item))
        case list():
            yield from (each for item in value for each in references(item))


class World:
    """Makes examples after their requirements."""

    def __init__(self, provider: Provider, stack: ExitStack) -> None:
        self.provider, self.stack = provider, stack
        self.made: dict[str, dict[str, Any]] = {}

    def inputs(self, token: str, example: Example) -> dict[str, Any]:
        for needed in [*example.after, *references(dict(example.inputs))]:
            if needed not in self.made:
                self.make(needed)
        return self.provider.check(token, "example", b"", filled(dict(example.inputs), self.made), {})

    def make(self, token: str) -> None:
        inputs = self.inputs(token, EXAMPLES[token])
        id, outputs = self.provider.create(token, inputs)
        self.made[token] = {**outputs, "id": id}
        self.stack.callback(self.provider.delete, token, id, inputs, outputs)


@contextmanager
def world(provider: Provider) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(provider, stack)


def test_there_is_an_example_of_every_type():
    assert KINDS.keys() == EXAMPLES.keys()


def name_of(token: str) -> str:
    return token.split("/")[0].split(":")[1] + "." + token.split(":")[2]


@pytest.mark.parametrize("token", EXAMPLES, ids=name_of)
def test_a_resource_can_be_made_read_changed_and_deleted(provider, token):
    example = EXAMPLES[token]
    with world(provider) as here:
        inputs = here.inputs(token, example)
        assert not provider.diff(token, inputs, here.inputs(token, example)).changed, "a second check differs"
        id, outputs = provider.create(token, inputs)
        assert provider.read(token, id, inputs, outputs), "the new resource cannot be read"
        seen, _ = provider.read(token, id, inputs, outputs)
        assert provider.diff(token, seen, inputs).changed == (), "the new resource differs from its inputs"
        if example.change:
            changed = here.inputs(token, replace(example, inputs={**example.inputs, **example.change}))
            difference = provider.diff(token, inputs, changed)
            assert set(example.change) <= set(difference.changed)
            if not difference.replacing:
                outputs = provider.update(token, id, inputs, changed, outputs)
                seen, outputs = provider.read(token, id, changed, outputs)
                assert provider.diff(token, seen, changed).changed == (), "the update has no effect"
                inputs = changed
            assert not difference.replacing
        provider.delete(token, id, inputs, outputs)
        provider.delete(token, id, inputs, outputs)  # deleting a missing resource is not an error
        gone = provider.read(token, id, inputs, outputs) is None
        assert gone or example.outlives


@pytest.mark.parametrize("token", EXAMPLES)
def test_an_unknown_property_is_an_error(provider, token):
    with world(provider) as here, pytest.raises(Misfit, match="has no madeUp"):
        here.inputs(token, replace(EXAMPLES[token], inputs={**EXAMPLES[token].inputs, "madeUp": 1}))
