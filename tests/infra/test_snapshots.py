"""The snapshots of known stacks, which show changes and replacements in a review."""

import pytest
import yaml

from tests.infra.configurations import MARK
from tests.infra.snapshots import COMMAND, FOLDER, cases, differences, path_of, snapshot

CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_a_stack_equals_its_snapshot(name):
    path = path_of(name)
    assert path.exists(), f"{path.name} is missing: {COMMAND}"
    found = CASES[name].found()
    assert found.refusal is None
    changed = list(differences(yaml.safe_load(path.read_text()), snapshot(name, found)))
    assert not changed, "\n".join([f"to accept the change: {COMMAND}", *changed])


def test_there_are_no_snapshots_of_removed_stacks():
    assert {path.name for path in FOLDER.iterdir()} == {path_of(name).name for name in CASES}


def test_a_snapshot_shows_neither_accounts_nor_credentials():
    for path in FOLDER.iterdir():
        text = path.read_text()
        assert "123456789012" not in text
        assert MARK not in text


@pytest.fixture
def before():
    return snapshot("us-east-1", CASES["us-east-1"].found())


def of(graph, ending):
    (urn,) = [urn for urn in graph if urn.endswith(ending)]
    return urn


def test_a_replacement_is_marked(before):
    urn = of(before, "ec2/vpc:Vpc::us-east-1")
    after = {**before, urn: {**before[urn], "inputs": {**before[urn]["inputs"], "cidrBlock": "10.0.0.0/16"}}}
    assert list(differences(before, after)) == [f'± REPLACES {urn}: cidrBlock "10.40.0.0/16" → "10.0.0.0/16"']


def test_a_change_in_place_is_one_line(before):
    urn = of(before, "cloudwatch/logGroup:LogGroup::us-east-1")
    after = {**before, urn: {**before[urn], "inputs": {**before[urn]["inputs"], "retentionInDays": 30}}}
    assert list(differences(before, after)) == [f"~ {urn}: retentionInDays 14 → 30"]


def test_an_added_removed_or_unprotected_resource_is_one_line(before):
    urn = of(before, "ecs/cluster:Cluster::us-east-1")
    without = {key: value for key, value in before.items() if key != urn}
    assert list(differences(without, before)) == [f"+ {urn}"]
    assert list(differences(before, without)) == [f"- {urn}"]
    unprotected = {**before, urn: {**before[urn], "protect": True}}
    assert list(differences(unprotected, before)) == [f"~ {urn}: protect true → false"]
