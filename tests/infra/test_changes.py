"""Effects of a changed setting: each change affects only its own resources."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.infra.cases import Case
from tests.infra.configurations import examples, hubs, regions
from tests.infra.offline import Found

# Patterns of URNs that a change may also touch, with the reason.
PUBLISHED = r"BucketObjectv2::"  # the region's record describes everything
PULLS = r"RolePolicy::[\w-]+-execution-execution$"  # ECS pulls a worker's image, and imports it on the first pull
MAKES = r"RolePolicy::[\w-]+-(templates-create|upstreams-pull)$"  # ECR makes repositories below the prefixes
COORDINATOR = r"TaskDefinition::[\w-]+-home-coordinator$"  # runs in the smallest of the stack's own images
ALARMS = r"Event(Rule|Target)::[\w-]+-notices-alarms$"  # the first schedule adds the alarm about failed ones


def difference(before: Found, after: Found) -> tuple[set[str], set[str], set[str]]:
    """Returns the added, the removed and the changed URNs. Inputs and options count as changes."""
    old, new = before.urns(), after.urns()
    changed = {urn for urn in old.keys() & new.keys() if _relevant(old[urn]) != _relevant(new[urn])}
    return new.keys() - old.keys(), old.keys() - new.keys(), changed


def _relevant(one: Any) -> Any:
    return (one.inputs, one.parent, one.provider, one.protect, one.retained, one.dependencies - {""})


def only_touches(case: Case, changed: dict[str, Any], *allowed: str) -> set[str]:
    """Returns the URNs that a change of settings adds. Fails if it removes a URN, or changes others than `allowed`."""
    before, after = case.found(), replace(case, config={**case.config, **changed}).found()
    assume(before.refusal is None and after.refusal is None)
    added, gone, touched = difference(before, after)
    assert not gone
    assert not [urn for urn in sorted(touched) if not any(re.search(one, urn) for one in allowed)]
    return added


@given(st.one_of(hubs(), regions()))
@examples(8)
def test_the_same_settings_make_the_same_graph(case):
    assert case.found() == case.found()


@pytest.mark.nightly  # as a schedule, which is the largest of them
@given(regions())
@examples(6)
def test_another_cache_changes_no_other_resources(case):
    caches = list(case.config.get("caches", []))
    new = {"upstream": "quay", "prefix": "new-one"}
    added = only_touches(case, {"caches": [*caches, new]}, PUBLISHED, PULLS, MAKES)
    own = {urn for urn in added if "new-one" in urn}
    assert len(own) == 2  # the rule and its template
    assert added == own or not caches  # the first cache adds the role of the templates


@pytest.mark.nightly  # as a schedule, which is the largest of them
@given(regions())
@examples(6)
def test_another_repository_changes_no_other_resources(case):
    repositories = list(case.config.get("repositories", []))
    added = only_touches(case, {"repositories": [{"name": "new/one"}, *repositories]}, PUBLISHED)
    assert {urn.rpartition("::")[2].partition("-new/")[2] for urn in added} == {"one"}
    assert len(added) == 2


@pytest.mark.nightly  # as a schedule, which is the largest of them
@given(regions())
@examples(6)
def test_another_flavour_changes_no_other_resources(case):
    flavours = case.config.get("flavours") or {"slim": {}, "full": {}}
    one = {"architectures": ["arm64"], "digest": f"sha256:{'b2' * 32}"}
    assume("arm64" in case.config.get("architectures", ["arm64"]))  # otherwise it may need other zones
    added = only_touches(case, {"flavours": {"another": one, **flavours}}, PUBLISHED, PULLS, COORDINATOR)
    assert len(added) == 1


@given(regions())
@examples(6)
def test_another_schedule_changes_no_other_resources(case):
    case = replace(case, config={**case.config, "home": True})
    schedules = list(case.config.get("schedules", []))
    new = {"name": "new-one", "suite": "checkout", "cron": "rate(1 day)"}
    added = only_touches(case, {"schedules": [new, *schedules]}, PUBLISHED, ALARMS)
    assert [urn for urn in added if "Schedule::" in urn and "new-one" in urn]
    assert len(added) == 1 or not schedules


@given(regions())
@examples(6)
def test_another_tag_changes_only_tags(case):
    before, after = case.found(), replace(case, config={**case.config, "tags": {"new": "tag"}}).found()
    added, gone, touched = difference(before, after)
    assert not added | gone
    for urn in touched:
        assert re.search(r"pulumi:providers:aws::|RepositoryCreationTemplate::|Schedule::", urn), urn


SETS: dict[str, list[str]] = {
    "region": ["caches", "repositories", "secrets", "secretKeys", "schedules"],
    "hub": ["access", "emails"],
}


@pytest.mark.nightly  # takes more than ten seconds
@given(st.one_of(hubs(), regions()), st.randoms(use_true_random=False))
@examples(12)
def test_the_order_of_unordered_settings_makes_no_difference(case, random):
    kind = "hub" if case.stack.endswith("hub") else "region"
    shuffled = dict(case.config)
    for key in SETS[kind]:
        if key in shuffled:
            shuffled[key] = random.sample(list(shuffled[key]), len(shuffled[key]))
    for key in ("flavours", "tags", "targets", "credentials"):
        if key in shuffled:
            shuffled[key] = dict(random.sample(list(shuffled[key].items()), len(shuffled[key])))
    one, other = case.found(), replace(case, config=shuffled).found()
    assert difference(one, other) == (set(), set(), set())


@pytest.mark.parametrize("key", ["hosts", "cidrs"])
def test_the_order_of_targets_makes_no_difference_to_the_network(key):
    values = {"hosts": ["b.example.com", "a.example.com"], "cidrs": ["203.0.113.0/24", "198.51.100.0/24"]}[key]
    network = {"mode": "private", "dnsFirewall": True}
    config = {"network": network, "targets": {key: values}}
    one = Case(stack="us-east-1", config=config).found()
    other = Case(stack="us-east-1", config={**config, "targets": {key: values[::-1]}}).found()
    assert difference(one, other) == (set(), set(), set())


def test_changed_hub_outputs_affect_only_the_resources_that_use_them():
    plain = Case(stack="us-east-1", config={})
    keyed = replace(plain, hub={"region": "us-east-1", "encryption": "KMS"})
    added, gone, touched = difference(plain.found(), keyed.found())
    assert not added | gone
    assert {urn.rpartition("::")[2] for urn in touched} == {"us-east-1-worker-worker"}
