"""The trust between GitHub's workflows and roles. No key is stored: GitHub's signed token identifies the job.

Each trust names exact values, never a pattern. A token's subject has one of two forms. Repositories made, renamed or
transferred since 15 July 2026 send ids in it, older ones only names. Each role trusts both forms, and requires the
repository's id as well, so a reused name gives no access. If STS does not support the claim `repository_id`, no job
can assume the role. AWS does not document whether GovCloud supports it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from infra.permissions.statements import Statement, trust
from infra.settings.hub import GitHub, GitHubRepository

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
PULL_REQUEST = "pull_request"  # from the repository itself: a fork's pull request gets no token


def environment(name: str) -> str:
    """Returns the subject's suffix for a job in a GitHub environment."""
    return f"environment:{name}"


def branch(name: str) -> str:
    """Returns the subject's suffix for a job on a branch, without an environment or a pull request."""
    return f"ref:refs/heads/{name}"


def subjects(repository: GitHubRepository, *suffixes: str) -> list[str]:
    """Returns the subjects of the repository's jobs, in the old form and in the form with ids."""
    owner, _, name = repository.name.partition("/")
    prefixes = (
        f"repo:{repository.name}",
        f"repo:{owner}@{repository.owner_id}/{name}@{repository.repository_id}",
    )
    return sorted(f"{prefix}:{suffix}" for prefix in prefixes for suffix in suffixes)


def trust_in_jobs(provider_arn: str, repository: GitHubRepository, suffixes: Iterable[str]) -> Statement:
    """Returns the trust in the jobs of a repository whose subjects have these suffixes."""
    return trust(
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


Purpose = Literal["preview", "drift", "deploy", "publish", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRole:
    """A role for workflows: its name, its purpose, and the jobs that may assume it."""

    role: str
    purpose: Purpose
    repository: GitHubRepository
    suffixes: tuple[str, ...]


def workflow_roles(github: GitHub) -> list[WorkflowRole]:
    """Returns all roles for workflows.

    Each further repository has its own role with the same rights, for two reasons. A trust policy has at most 2,048
    characters, enough for five repositories, and the account's log distinguishes them by role.
    """
    home = github.home
    of_home: dict[Purpose, tuple[str, ...]] = {
        "preview": (environment(github.preview) if github.preview else PULL_REQUEST,),
        "drift": (branch(github.branch),),  # reads more: code of a pull request must not take it
        "deploy": (environment(github.deploy),),
        "publish": (environment(github.publish),),
    }
    if home.run:
        of_home["run"] = tuple(environment(one) for one in (home.run, github.nightly) if one)
    return [
        *(WorkflowRole(role=one, purpose=one, repository=home, suffixes=ends) for one, ends in of_home.items()),
        *(
            WorkflowRole(
                role=f"run-{one.repository_id}", purpose="run", repository=one, suffixes=(environment(one.run),)
            )
            for one in github.repositories
            if one.run
        ),
    ]
