"""Who among GitHub's workflows may take which role. No stored key: GitHub says in a signed token what runs.

Each trust names exact values, never a pattern. A token's subject has one of two forms: repositories made, renamed or
transferred since 15 July 2026 send their ids in it, older ones only their names. Both are trusted, and the
repository's id as well, so that a new owner of the same name gets no access. Where STS does not know the claim
`repository_id` (AWS does not document GovCloud), no workflow can take the role: it fails closed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

from infra.permissions.statements import Document, document, trust
from infra.settings.hub import GitHub, GitHubRepository

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
PULL_REQUEST = "pull_request"  # of the repository itself: a fork's gets no token


def environment(name: str) -> str:
    """The end of the subject of a job in a GitHub environment."""
    return f"environment:{name}"


def branch(name: str) -> str:
    """… of a job on a branch, which is in no environment and belongs to no pull request."""
    return f"ref:refs/heads/{name}"


def subjects(repository: GitHubRepository, *suffixes: str) -> list[str]:
    """The subjects that the repository's jobs have, in the old form and in the one with ids."""
    owner, _, name = repository.name.partition("/")
    prefixes = (
        f"repo:{repository.name}",
        f"repo:{owner}@{repository.owner_id}/{name}@{repository.repository_id}",
    )
    return sorted(f"{prefix}:{suffix}" for prefix in prefixes for suffix in suffixes)


def trust_policy(provider_arn: str, repository: GitHubRepository, suffixes: Iterable[str]) -> Document:
    """A role for those jobs of a repository whose subjects end so."""
    return document(
        [
            trust(
                {"Federated": provider_arn},
                "sts:AssumeRoleWithWebIdentity",
                {
                    "StringEquals": {
                        f"{ISSUER}:aud": AUDIENCE,
                        f"{ISSUER}:repository_id": repository.repository_id,
                        f"{ISSUER}:sub": subjects(repository, *suffixes),
                    }
                },
            )
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Taker:
    """A role for workflows: its name's end, what it is for, and who may take it."""

    role: str
    purpose: Literal["preview", "deploy", "publish", "run"]
    repository: GitHubRepository
    suffixes: tuple[str, ...]


def takers(github: GitHub) -> list[Taker]:
    """All roles for workflows.

    A further repository has a role of its own, with the same rights. A trust policy has room for five repositories
    (2,048 characters), and the log of the account separates repositories by the role.
    """
    home = github.home
    previews = (environment(github.preview),) if github.preview else (PULL_REQUEST, branch(github.branch))
    of_home: dict[Literal["preview", "deploy", "publish", "run"], tuple[str, ...]] = {
        "preview": previews,
        "deploy": (environment(github.deploy),),
        "publish": (environment(github.publish),),
    }
    if home.run:
        of_home["run"] = tuple(environment(one) for one in (home.run, github.nightly) if one)
    return [
        *(Taker(role=one, purpose=one, repository=home, suffixes=ends) for one, ends in of_home.items()),
        *(
            Taker(role=f"run-{one.repository_id}", purpose="run", repository=one, suffixes=(environment(one.run),))
            for one in github.repositories
            if one.run
        ),
    ]


def identity_provider(name: str, github: GitHub, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """The ARN of the account's provider for GitHub: the one that exists, or a new one. AWS needs no thumbprint."""
    if github.provider_arn:
        return pulumi.Output.from_input(github.provider_arn)
    provider = aws.iam.OpenIdConnectProvider(name, url=f"https://{ISSUER}", client_id_lists=[AUDIENCE], opts=opts)
    return provider.arn
