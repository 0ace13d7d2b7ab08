"""The rights of the agents of a private location: read runs, add results of the location, announce themselves.

The stack makes a policy and no user, role or key: a machine outside AWS gets its credentials in one of several ways.

| statement | purpose |
|---|---|
| ReadRuns, ListRuns | plans, suites, offers, setup's values, start, stop; without the list, S3 denies missing files |
| AddResults | claims, results, setup's values and ends of workers of this location, once each |
| Announce | the agent's own record, which it rewrites every 10 s; for credentials without the tag `toril-agent` |
| AnnounceOwn | the same for credentials with this tag, which names the agent: they can write no other one's |
| LeaveSuites | `*` also matches slashes, so AddResults covers a suite's folder `workers/` |
| ResultsKey | S3, if the results bucket has its own key |
"""

from infra.permissions.scope import Scope, use_bucket_key
from infra.permissions.statements import Document, allow, deny, document

TAG = "toril-agent"  # of a principal
ONCE = {"Null": {"s3:if-none-match": "false"}}


def agent_policy(scope: Scope, location: str) -> Document:
    """Returns the rights of the agents of one location, which include those of their workers."""

    def announcement(agent: str) -> list[str]:
        return scope.objects(f"runs/agents/workers/{location}-{agent}/announcement.json")

    return document(
        [
            allow("ReadRuns", ["s3:GetObject"], scope.objects("given/*", "runs/*")),
            allow(
                "ListRuns", ["s3:ListBucket"], [scope.bucket_arn], {"StringLike": {"s3:prefix": ["given/*", "runs/*"]}}
            ),
            allow(
                "AddResults",
                ["s3:PutObject"],
                scope.objects(f"given/*/{location}-*", f"runs/*/workers/{location}-*"),
                ONCE,
            ),
            allow("Announce", ["s3:PutObject"], announcement("*"), {"Null": {f"aws:PrincipalTag/{TAG}": "true"}}),
            allow("AnnounceOwn", ["s3:PutObject"], announcement(f"${{aws:PrincipalTag/{TAG}}}")),
            deny("LeaveSuites", ["s3:PutObject"], scope.objects("runs/*/suite/*")),
            *use_bucket_key(scope, write=True),
        ]
    )
