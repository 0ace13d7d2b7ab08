"""The table of the tests' engine has what stacks use, and nothing else."""

from collections import defaultdict

import pytest

from tests.infra.engine.specs.table import KINDS
from tests.infra.judges.stacks import stacks

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("judges")]
PROVIDERS = {"tags", "tagsAll", "region"}  # which every resource may have


def test_every_type_and_property_of_the_table_is_one_of_a_stack():
    used: defaultdict[str, set[str]] = defaultdict(set)
    for stack in stacks():
        for resource in stack.aws:
            used[resource.type] |= {name for name, value in resource.checked.items() if value is not None}
    used["aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"] |= used[
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    ]
    unused = {kind: sorted(entry.properties - used[kind] - PROVIDERS) for kind, entry in KINDS.items()}
    assert unused == {kind: [] for kind in used}
