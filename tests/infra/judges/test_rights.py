"""The roles `deploy`, `drift` and `preview` under the genuine provider: they may make its calls, and no others."""

from functools import cache

import pytest

from tests.infra.invented import FUNCTIONS
from tests.infra.judges.authorisation import reference
from tests.infra.judges.excused import DEPENDENT, REFUSED, UNCALLED, remaining
from tests.infra.judges.policies import listed
from tests.infra.judges.rights import ROLES, Decision, calls, decisions, provider_calls, statements_of
from tests.infra.judges.stacks import environments, stacks

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("judges")]


@cache
def decided() -> list[Decision]:
    return [
        decision
        for role in ROLES
        for environment in environments().values()
        for decision in decisions(reference(), role, statements_of(role, environment), environment)
    ]


def test_every_planned_type_has_a_row_and_every_row_a_type():
    planned = {one.type for stack in stacks() for one in stack.aws}
    assert planned == provider_calls().keys() - FUNCTIONS.keys()


def test_the_roles_may_make_every_call_of_the_provider():
    assert remaining((one for one in decided() if not one.sids), REFUSED) == []


def test_the_roles_have_no_right_that_no_call_uses():
    used = {(sid, one.action) for one in decided() for sid in one.sids}
    granted = {
        (statement["Sid"], action)
        for role in ROLES
        for environment in environments().values()
        for statement in statements_of(role, environment)
        for action in listed(statement["Action"])
    }
    excused = {
        (sid, action) for reason in UNCALLED.values() for sid, actions in reason.items() for action in actions.split()
    }
    assert sorted(granted - used - excused) == []
    assert sorted(excused - (granted - used)) == []  # obsolete excuses


def test_the_role_deploy_has_the_parts_of_its_calls():
    made = {one.action for one in decided() if one.role == "deploy"}
    needed = {part for name in made if (action := reference().action(name)) for part in action.dependent}
    granted = {
        action
        for environment in environments().values()
        for statement in statements_of("deploy", environment)
        for action in statement["Action"]
    }
    assert needed - granted == DEPENDENT.keys()


@cache
def refused(role, without="", where=""):
    """Returns the refused actions of a role that lacks one right, or has one with other resources or conditions."""
    environment = environments()["main"]
    statements = [
        {**one, "Action": [action for action in listed(one["Action"]) if action != without]}
        for one in statements_of(role, environment)
        if one["Sid"] != where
    ]
    return {one.action for one in decisions(reference(), role, statements, environment) if not one.sids}


@pytest.mark.parametrize(
    ("role", "action"),
    [
        ("deploy", "sqs:CreateQueue"),
        ("deploy", "sqs:GetQueueAttributes"),
        ("deploy", "sqs:SetQueueAttributes"),
        ("deploy", "sqs:DeleteQueue"),
        ("deploy", "iam:PassRole"),
        ("deploy", "ec2:DescribeRegions"),
        ("drift", "lambda:GetFunction"),
        ("preview", "sqs:ListQueueTags"),
    ],
)
def test_a_missing_right_is_found(role, action):
    assert refused(role, without=action) - refused(role) == {action}


def test_a_right_on_other_resources_or_under_another_condition_is_missing():
    assert refused("deploy", where="NewUserPools") - refused("deploy") == {"cognito-idp:CreateUserPool"}
    assert refused("deploy", where="TagNetwork") - refused("deploy") == {"ec2:CreateTags"}


def test_a_call_makes_first_what_later_calls_need():
    assert calls("aws:ecs/taskDefinition:TaskDefinition", "create")[0] == "ecs:RegisterTaskDefinition"
    assert calls("aws:ecs/taskDefinition:TaskDefinition", "create")[-1] == "iam:PassRole"
