"""An agent's rights under IAM: those of its location and no others, and the need of each statement."""

import json

import pytest

from infra.names import Names
from infra.permissions.agents import TAG, agent_policy
from infra.permissions.scope import Scope
from infra.permissions.statements import document, trust
from tests.clocks import SteppedClock
from tests.infra.granted import ACCOUNT, BUCKET, HUB, REGION, RUN, denied
from toril.records import Launch
from toril.records.agent import Announcement, Offer, Offers, announcement_key, claim_key, ended_key, offers_key
from toril.store.s3 import S3Store
from toril.worker.agent import Agent

pytestmark = [pytest.mark.live, pytest.mark.nightly, pytest.mark.xdist_group("guarded")]

ROLE = "agent-office"
SCOPE = Scope(partition="aws", account=ACCOUNT, region=HUB, names=Names("main"), bucket=BUCKET)
POLICY = agent_policy(SCOPE, "office")


def granted(place, statements, tag=None):
    """Gives these statements to the role of an agent; returns a client with its rights. `tag`: its agent's name."""
    iam = place.client("iam")
    role = {"RoleName": f"toril-{ROLE}", "Path": "/toril/main/"}
    if not any(one["RoleName"] == role["RoleName"] for one in iam.list_roles()["Roles"]):
        trusted = trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "sts:AssumeRole", {})
        iam.create_role(**role, AssumeRolePolicyDocument=json.dumps(document([trusted])))
    iam.untag_role(RoleName=f"toril-{ROLE}", TagKeys=[TAG])
    if tag:
        iam.tag_role(RoleName=f"toril-{ROLE}", Tags=[{"Key": TAG, "Value": tag}])
    iam.put_role_policy(RoleName=f"toril-{ROLE}", PolicyName="agent", PolicyDocument=json.dumps(document(statements)))
    return place.client("s3", place.acting(ROLE), HUB)


@pytest.fixture
def s3(place):
    return granted(place, POLICY["Statement"])


class Ended:
    """A worker that has ended at once."""

    def exit_code(self):
        return 0

    def terminate(self):
        pass

    def kill(self):
        pass

    def last_lines(self):
        return ""


def test_an_agent_serves_its_location_with_these_rights(place, s3):
    owner = S3Store(BUCKET, "", place.client("s3", place.github("run", "environment:load-test"), HUB))
    offer = Offer(run_id="r-agents", worker="office-1", attempt="a", expires_at=9e9)
    owner.swap(offers_key("office"), Offers(offers=(offer,)).to_json(), None)
    owner.put("runs/r-agents/launch.json", Launch(at=0.0, deadline=9e9, attempts={"office-1": ("a",)}).to_json())
    clock = SteppedClock()
    about = Announcement(location="office", agent="x", instance="1", at=0.0, slots=1, free=1)
    agent = Agent(S3Store(BUCKET, "", s3), about, clock, lambda _: Ended())
    agent.begin()
    for _ in range(8):
        clock.sleep(2.0)
        agent.step()
    assert agent._trouble == ""
    keys = (
        announcement_key("office", "x"),
        claim_key("r-agents", "office-1", "a"),
        ended_key("r-agents", "office-1", "a"),
    )
    assert set(owner.find_many(keys)) == set(keys)


def test_an_agent_writes_nothing_else(s3):
    for key in (
        f"{RUN}/plan.json", f"{RUN}/stop.json", "runs/agents/offers/office.json", f"{RUN}/workers/lab-1/a/exit.json",
        f"{RUN}/workers/office2-1/a/exit.json", "runs/agents/workers/lab-x/announcement.json",
        f"deployments/{REGION}.json", f"{RUN}/suite/workers/office-1/sitecustomize.py",
    ):  # fmt: skip
        denied(s3.put_object, Bucket=BUCKET, Key=key, Body=b"", IfNoneMatch="*")
    denied(s3.put_object, Bucket=BUCKET, Key=f"{RUN}/workers/office-1/a/exit.json", Body=b"")
    denied(s3.delete_object, Bucket=BUCKET, Key=f"{RUN}/plan.json")
    denied(s3.get_object, Bucket=BUCKET, Key="suites/shop/suite.yml")
    denied(s3.list_objects_v2, Bucket=BUCKET, Prefix="suites/")


@pytest.mark.parametrize(
    ("sid", "operation", "asked"),
    [
        ("ReadRuns", "get_object", {"Key": f"{RUN}/plan.json"}),
        ("ListRuns", "get_object", {"Key": f"{RUN}/none.json"}),
        ("AddResults", "put_object", {"Key": f"{RUN}/workers/office-1/a/claim.json", "IfNoneMatch": "*"}),
        ("Announce", "put_object", {"Key": "runs/agents/workers/office-x/announcement.json"}),
    ],
)
def test_an_agent_needs_each_of_its_statements(place, sid, operation, asked):
    client = granted(place, [one for one in POLICY["Statement"] if one["Sid"] != sid])
    denied(getattr(client, operation), Bucket=BUCKET, **asked)


def test_a_machine_whose_credentials_name_its_agent_announces_no_other_one(place):
    client = granted(place, POLICY["Statement"], tag="x")
    client.put_object(Bucket=BUCKET, Key=announcement_key("office", "x"), Body=b"{}")
    denied(client.put_object, Bucket=BUCKET, Key=announcement_key("office", "y"), Body=b"{}")
    without = granted(place, [one for one in POLICY["Statement"] if one["Sid"] != "AnnounceOwn"], tag="x")
    denied(without.put_object, Bucket=BUCKET, Key=announcement_key("office", "x"), Body=b"{}")


def test_the_sweeper_stops_workers_of_agents(place):
    s3 = place.client("s3", place.acting("sweeper"), HUB)
    s3.put_object(Bucket=BUCKET, Key="runs/agents/offers/lab.json", Body=b"{}")
    denied(s3.put_object, Bucket=BUCKET, Key="runs/agents/workers/lab-x/announcement.json", Body=b"{}")
