"""The trust policies of the roles, under IAM."""

import pytest
from botocore.exceptions import ClientError

from tests.cloud.refused import refused
from tests.infra.granted import REGION

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("guarded")]
TRUST = {
    "preview": ["pull_request"],
    "drift": ["ref:refs/heads/main"],
    "deploy": ["environment:deploy"],
    "publish": ["environment:publish"],
    "run": ["environment:load-test"],
}


@pytest.mark.parametrize("role", TRUST)
def test_a_roles_own_jobs_can_assume_it_with_both_forms_of_the_subject(place, role):
    for end in TRUST[role]:
        for subject in (f"repo:acme/shop:{end}", f"repo:acme@11/shop@22:{end}"):
            who = place.github(role, end, sub=subject)
            arn = place.client("sts", who).get_caller_identity()["Arn"]
            assert f":assumed-role/toril-{role}/" in arn


@pytest.mark.parametrize("role", TRUST)
@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://github.com/acme"},
        {"repository_id": "33"},
        {"repository_id": "2"},
        {"sub": "repo:acme/shop:environment:elsewhere", "environment": "deploy"},
        {"sub": "repo:acme/shop:ref:refs/heads/feature"},
        {"sub": "repo:mallory/shop:pull_request"},
        {"sub": "repo:acme/shop2:environment:deploy"},
        {"sub": "repo:acme@12/shop@22:environment:deploy"},
        {"sub": "repo:acme@11/shop@22x:environment:load-test"},
    ],
    ids=lambda claims: " ".join(claims.values()),
)
def test_other_jobs_cannot_assume_a_role(place, role, claims):
    with pytest.raises(ClientError, match=r"AccessDenied|InvalidIdentityToken"):
        place.github(role, TRUST[role][0], **claims)


def test_the_jobs_of_one_role_cannot_assume_another(place):
    for role in TRUST:
        for other in set(TRUST) - {role}:
            with refused("AccessDenied"):
                place.github(role, TRUST[other][0])


def test_another_repository_can_assume_only_its_role_to_run(place):
    own = {"sub": "repo:acme/cart:environment:load-test", "repository_id": "33"}
    place.github("run-33", "", **own)
    for role in TRUST:
        with refused("AccessDenied"):
            place.github(role, "", **own)


@pytest.mark.parametrize("role", ["coordinator", "scheduler", "sweeper", f"{REGION}-worker", f"{REGION}-execution"])
def test_only_services_can_assume_the_roles_of_services(place, role):
    with refused("AccessDenied"):
        place.world.cloud.assume(place.arn(role))
