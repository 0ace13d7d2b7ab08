"""The trust of roles in people and in jobs of CIs, by the settings `github` and `access`; the identity providers.

A trust names exact roles and users by a condition on their account. As principals, IAM would store their ids: a role
made anew would have no access, and a missing one would be refused. IAM Identity Center renames its roles when their
last assignment goes, so the suffix has one `?` for each character: `*` would match longer names, too.
"""

from collections.abc import Iterable, Mapping

import pulumi
import pulumi_aws as aws

from infra.hub import github
from infra.permissions.statements import Document, Statement, document, render, trust
from infra.place import Place
from infra.settings import HubSettings, SettingError
from infra.settings.access import Access

LONGEST_TRUST = 2048  # characters: IAM's default quota of a trust policy
SUFFIX = "?" * 16  # of a role of IAM Identity Center


def provider_arn(place: Place, issuer: str) -> str:
    """Returns the ARN of the account's identity provider for an issuer, which need not exist yet."""
    return f"arn:{place.partition}:iam::{place.account}:oidc-provider/{issuer.removeprefix('https://')}"


def make_providers(
    name: str, settings: HubSettings, place: Place, opts: pulumi.ResourceOptions
) -> list["aws.iam.OpenIdConnectProvider"]:
    """Makes the identity providers that the account lacks. AWS needs no thumbprint."""
    wanted: dict[str, set[str]] = {}
    if settings.github and not settings.github.provider_arn:
        wanted[f"https://{github.ISSUER}"] = {github.AUDIENCE}
    there = {one.issuer for one in settings.access if one.existing}
    for one in settings.access:
        if one.issuer and one.issuer not in there:
            wanted.setdefault(one.issuer, set()).update(one.audiences)
    return [
        aws.iam.OpenIdConnectProvider(
            f"{name}-{'github' if issuer.endswith(github.ISSUER) else issuer.removeprefix('https://')}",
            url=issuer,
            client_id_lists=sorted(audiences),
            opts=opts,
        )
        for issuer, audiences in sorted(wanted.items())
    ]


def trust_policies(settings: HubSettings, place: Place) -> dict[str, Document]:
    """Returns the trust policy of each role for people and jobs, by role. Raises SettingError for a too long one."""
    found: dict[str, list[Statement]] = {}
    if settings.github:
        arn = settings.github.provider_arn or provider_arn(place, github.ISSUER)
        for job in github.workflow_roles(settings.github):
            found[job.role] = [github.trust_in_jobs(arn, job.repository, job.suffixes)]
    for name in sorted({role for one in settings.access for role in one.roles}):
        found.setdefault(name, []).extend(trust_in([one for one in settings.access if name in one.roles], place))
    policies = {role: document(statements) for role, statements in found.items()}
    for role, policy in policies.items():
        if len(render(policy)) > LONGEST_TRUST:
            raise SettingError(
                f"toril:access: The trust policy of the role `{role}` would have {len(render(policy)):,} characters, "
                f"and IAM allows {LONGEST_TRUST:,}. Remove principals or subjects of this role."
            )
    return policies


def trust_in(entries: Iterable[Access], place: Place) -> list[Statement]:
    """Returns the trust in the principals and jobs of these settings. Raises SettingError for another partition."""
    entries = list(entries)
    principals = sorted({arn for one in entries for arn in one.principals})
    for arn in principals:
        if arn.split(":")[1] != place.partition:
            raise SettingError(
                f"toril:access: `{arn}` is in another AWS partition than {place.region}. Use an ARN of this partition."
            )
    found: list[Statement] = []
    for account in sorted({arn.split(":")[4] for arn in principals}):
        named = [arn.replace("*", SUFFIX) for arn in principals if arn.split(":")[4] == account]
        root = f"arn:{place.partition}:iam::{account}:root"
        found.append(trust({"AWS": root}, "sts:AssumeRole", {"ArnLike": {"aws:PrincipalArn": named}}))
    return found + sorted((_jobs(one, place) for one in entries if one.issuer), key=render)


def _jobs(one: Access, place: Place) -> Statement:
    issuer = str(one.issuer).removeprefix("https://")
    audiences, subjects = {f"{issuer}:aud": one.audiences}, {f"{issuer}:sub": one.subjects}
    condition: dict[str, Mapping[str, tuple[str, ...]]] = {"StringEquals": {**audiences, **subjects}}
    if any("*" in subject or "?" in subject for subject in one.subjects):
        condition = {"StringEquals": audiences, "StringLike": subjects}
    return trust({"Federated": provider_arn(place, issuer)}, "sts:AssumeRoleWithWebIdentity", condition)
