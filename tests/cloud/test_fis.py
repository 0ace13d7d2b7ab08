"""AWS FIS in the embedded cloud: starts by token, states, and IAM's decisions on templates, experiments and tags."""

import time

import pytest

from tests.cloud.embedded import ACCOUNT
from tests.cloud.refused import refused
from tests.cloud.test_iam import DENIED, acting, allow

REGION = "eu-west-1"
FIS = f"arn:aws:fis:{REGION}:{ACCOUNT}"
LINKED = allow("iam:CreateServiceLinkedRole", StringEquals={"iam:AWSServiceName": "fis.amazonaws.com"})
START = allow("fis:StartExperiment", f"{FIS}:experiment/*", StringEquals={"aws:RequestTag/team": "shop"})
TAG = allow("fis:TagResource", f"{FIS}:experiment/*", Null={"aws:ResourceTag/team": "true"})
OURS = {"StringEquals": {"aws:ResourceTag/team": "shop"}}


def template(cloud, *, region=REGION, lasts="PT1M", **tags):
    """Makes a template whose experiments last a while, and returns its id."""
    action = {"actionId": "aws:fis:wait", "parameters": {"duration": lasts}}
    made = cloud.client("fis", region).create_experiment_template(
        clientToken="t",
        description="waits",
        stopConditions=[{"source": "none"}],
        actions={"wait": action},
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/fis",
        tags=tags,
    )
    return made["experimentTemplate"]["id"]


def status(cloud, id, region=REGION):
    return cloud.client("fis", region).get_experiment(id=id)["experiment"]["state"]["status"]


def test_a_token_starts_one_experiment_which_can_be_stopped(cloud):
    fis, of = cloud.client("fis", REGION), template(cloud)
    asked = {"experimentTemplateId": of, "clientToken": "run/1", "tags": {"toril:run": "run"}}
    made = fis.start_experiment(**asked)["experiment"]
    assert fis.start_experiment(**asked)["experiment"]["id"] == made["id"]
    with refused("ConflictException"):
        fis.start_experiment(**{**asked, "tags": {}})
    (listed,) = fis.list_experiments(experimentTemplateId=of)["experiments"]
    assert (listed["id"], listed["tags"]) == (made["id"], {"toril:run": "run"})
    assert fis.list_experiments(experimentTemplateId="EXTother")["experiments"] == []
    assert status(cloud, made["id"]) == "running"
    fis.stop_experiment(id=made["id"])
    give_up = time.monotonic() + 10
    while status(cloud, made["id"]) != "stopped":
        assert time.monotonic() < give_up
        time.sleep(0.1)
    with refused("ValidationException"):
        fis.stop_experiment(id=made["id"])
    with refused("ResourceNotFoundException"):
        fis.start_experiment(**{**asked, "experimentTemplateId": "EXTother"})


def test_an_experiment_ends_by_its_durations(cloud):
    fis = cloud.client("fis", REGION)
    made = fis.start_experiment(experimentTemplateId=template(cloud, lasts="PT0S"), clientToken="1")["experiment"]
    assert status(cloud, made["id"]) == "completed"


@pytest.mark.parametrize("missing", ["template", "experiment", "tag", "role"])
def test_a_start_needs_rights_on_template_experiment_and_tags_and_once_the_service_linked_role(strict, missing):
    rights = {
        "template": allow("fis:StartExperiment", f"{FIS}:experiment-template/*", **OURS),
        "experiment": START,
        "tag": TAG,
        "role": LINKED,
    }
    asked = {"experimentTemplateId": template(strict, team="shop"), "tags": {"team": "shop"}}
    lacking = acting(strict, "lacking", *(one for name, one in rights.items() if name != missing))
    with refused(DENIED):
        strict.client("fis", REGION, lacking).start_experiment(**asked, clientToken="1")
    whole = strict.client("fis", REGION, acting(strict, "whole", *rights.values()))
    whole.start_experiment(**asked, clientToken="2")
    with refused(DENIED):
        whole.start_experiment(**{**asked, "tags": {"team": "cart"}}, clientToken="3")
    with refused(DENIED):
        whole.start_experiment(**{**asked, "experimentTemplateId": template(strict, team="cart")}, clientToken="4")
    if missing == "role":
        strict.client("fis", REGION, lacking).start_experiment(**asked, clientToken="5")


def test_experiments_are_followed_and_stopped_by_their_tag(strict):
    fis, of = strict.client("fis", REGION), template(strict)
    ours, theirs = (
        fis.start_experiment(experimentTemplateId=of, clientToken=team, tags={"team": team})["experiment"]["id"]
        for team in ("shop", "cart")
    )
    rights = allow(["fis:GetExperiment", "fis:StopExperiment"], f"{FIS}:experiment/*", **OURS)
    who = strict.client("fis", REGION, acting(strict, "stopper", rights, TAG))
    who.get_experiment(id=ours)
    who.stop_experiment(id=ours)
    for call in (who.get_experiment, who.stop_experiment):
        with refused(DENIED):
            call(id=theirs)
    with refused(DENIED):
        who.list_experiments()
    with refused(DENIED):
        who.tag_resource(resourceArn=f"{FIS}:experiment/{theirs}", tags={"team": "shop"})
