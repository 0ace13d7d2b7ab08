"""Scopes for tests of permissions: a bare environment, and one with every setting."""

from infra.names import Names
from infra.permissions.scope import Scope

ACCOUNT, OTHER = "123456789012", "210987654321"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/0ab1"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"

BARE = Scope(
    partition="aws", account=ACCOUNT, region="us-east-1", names=Names("main"), bucket=f"toril-{ACCOUNT}-us-east-1"
)
FULL = Scope(
    partition="aws",
    account=ACCOUNT,
    region="eu-west-1",
    names=Names("production12"),  # the longest environment
    bucket="acme-load-test-results",
    bucket_key=KEY,
    boundary=BOUNDARY,
    state_bucket="acme-state",
    state_key=f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/57a7e",
    issuers=tuple(f"api.bitbucket.org/2.0/workspaces/{'w' * 61}{n}/pipelines-config/identity/oidc" for n in range(5)),
    public_repository="toril-worker",
    protect=False,
    faults=True,
    service=True,
    service_logs=tuple(f"/ecs/{'s' * 250}{n}" for n in range(10)),
)
GOVERNMENT = Scope(
    partition="aws-us-gov", account=ACCOUNT, region="us-gov-west-1", names=Names("main"), bucket="acme-gov-results"
)
SCOPES = {"bare": BARE, "full": FULL, "government": GOVERNMENT}
