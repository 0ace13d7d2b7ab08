"""The settings of a hub stack, which exists once in an environment."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from infra.settings.access import MOST_ISSUERS, Access
from infra.settings.common import (
    Account,
    BucketName,
    Days,
    Email,
    KeyArn,
    PolicyArn,
    RegionName,
    RoleArn,
    Setting,
    Tags,
)
from infra.settings.console import Console
from toril.records.agent import is_private


def _private(name: str) -> str:
    if not is_private(name):
        raise ValueError("Use 3 to 32 letters, digits and underscores, and neither `local` nor `eusc`.")
    return name


RunEvent = Literal["started", "finished", "passed", "failed", "inconclusive", "regression", "schedule-failed"]
PrivateLocation = Annotated[str, AfterValidator(_private)]
LogGroupName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._/#-]+$", max_length=256)]  # wildcards would match others
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=255)]  # of GitHub


class Retention(Setting):
    """Days after which the results bucket deletes objects."""

    runs: Days = Field(default=90, description="Days to keep a run.")
    history: Days = Field(
        default=1095, description="Days to keep the result of a run, its notes and events, and the audit log."
    )
    interrupted_uploads: Days = Field(default=1, description="Days to keep an unfinished upload.")


class Catalog(Setting):
    """The page of the worker image in the gallery of ECR Public."""

    name: str = Field(
        default="toril-worker",
        pattern=r"^[a-z0-9]+(?:[._-][a-z0-9]+)*$",
        max_length=200,
        description="Name below the account's alias.",
    )
    description: str = Field(
        default="Worker of toril: distributed load tests with Taurus.",
        max_length=1024,
        description="One line in the gallery.",
    )
    about: str = Field(default="", max_length=25_600, description="Description in Markdown.")
    usage: str = Field(default="", max_length=25_600, description="Usage in Markdown.")
    pushers: tuple[Account | RoleArn, ...] = Field(
        default=(),
        max_length=20,
        description="Accounts or roles that may also push. Everybody may pull.",
    )


class GitHubRepository(Setting):
    """A repository whose workflows may assume roles. Its ids are numbers that survive a rename."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", description="`owner/repository`.")
    owner_id: str = Field(pattern=r"^[0-9]+$", description="`gh api users/OWNER --jq .id`.")
    repository_id: str = Field(pattern=r"^[0-9]+$", description="`gh api repos/OWNER/REPOSITORY --jq .id`.")
    run: EnvironmentName | None = Field(default="load-test", description="Environment whose jobs may run load tests.")


class GitHub(Setting):
    """The roles of workflows, which authenticate by GitHub's identity provider and need no stored keys."""

    provider_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws(?:-us-gov|-cn)?:iam::[0-9]{12}:oidc-provider/token\.actions\.githubusercontent\.com$",
        description="The account's identity provider for GitHub, if one exists. Default: a new one.",
    )
    home: GitHubRepository = Field(description="Repository whose workflows preview, deploy and publish these stacks.")
    preview: EnvironmentName | None = Field(
        default=None,
        description="Environment of previews. Default: every pull request (no fork).",
    )
    nightly: EnvironmentName | None = Field(
        default=None,
        description="Environment of scheduled load tests, without reviewers. Restrict it to the default branch.",
    )
    branch: str = Field(
        default="main",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$",
        max_length=244,
        description="Default branch of the home repository.",
    )
    deploy: EnvironmentName = Field(default="deploy", description="Environment that may run `pulumi up`.")
    publish: EnvironmentName = Field(default="publish", description="Environment that may push images.")
    repositories: tuple[GitHubRepository, ...] = Field(
        default=(), max_length=20, description="Other repositories, which may only run load tests."
    )

    @model_validator(mode="after")
    def _check(self) -> "GitHub":
        ids = [one.repository_id for one in (self.home, *self.repositories)]
        if len(set(ids)) < len(ids):
            raise ValueError("repositories: Two entries have the same repositoryId. Remove one.")
        return self


class Budget(Setting):
    """A monthly limit on the environment's cost. AWS reports it by email and stops nothing."""

    monthly_usd: float = Field(gt=0, le=1_000_000, description="US dollars a month.")
    emails: tuple[Email, ...] = Field(
        min_length=1, max_length=10, description="Recipients of warnings at 50, 80 and 100 %."
    )


class Notices(Setting):
    """The events of runs that become mails."""

    runs: tuple[RunEvent, ...] = Field(
        default=("regression", "schedule-failed"), description="Events to mail, of runs with a coordinator on AWS."
    )


class HubSettings(Setting):
    """Stack `hub`: results bucket, public repository, GitHub's roles, the roles of coordinators, the budget."""

    region: RegionName = Field(default="us-east-1", description="Region of the results bucket.")
    account: Account | None = Field(default=None, description="Account of the stack. Any other is refused.")
    bucket: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$",
        description="Name of the results bucket. Default: from environment, account and region.",
    )
    retention: Retention = Field(default=Retention(), description="Retention of results.")
    encryption: Literal["AES256", "KMS"] | KeyArn = Field(
        default="AES256",
        description="Encryption of the results bucket: S3's keys, a dedicated key ($1 a month), or a key's ARN.",
    )
    protect: bool = Field(default=True, description="Refuse to destroy the results bucket.")
    public_repository: Catalog | None = Field(
        default=None, description="Repository in ECR Public and its gallery page."
    )
    agents: tuple[PrivateLocation, ...] = Field(
        default=(),
        max_length=50,
        description="Names of private locations. Each one gets a policy for its agents.",
    )
    github: GitHub | None = Field(default=None, description="Roles for workflows.")
    access: tuple[Access, ...] = Field(
        default=(), max_length=20, description="People and jobs of other CIs that may take roles."
    )
    faults: bool = Field(
        default=False,
        description="Let runs start experiments of AWS FIS whose template has the tag `toril:environment`.",
    )
    service: bool = Field(
        default=False,
        description="Let runs read traces of X-Ray, and the role `run` find the resources of a service.",
    )
    service_logs: tuple[LogGroupName, ...] = Field(
        default=(), max_length=10, description="Names of log groups of the service that runs may search."
    )
    state_bucket: BucketName | None = Field(
        default=None, description="Bucket of Pulumi's state, for the roles `preview`, `drift` and `deploy`."
    )
    state_key: KeyArn | None = Field(default=None, description="KMS key of Pulumi's secrets, for the role `deploy`.")
    permissions_boundary: PolicyArn | None = Field(default=None, description="Permissions boundary of every role.")
    budget: Budget | None = Field(default=None, description="Monthly budget of the AWS environment.")
    emails: tuple[Email, ...] = Field(
        default=(), max_length=10, description="Recipients of mails on failed schedules and forgotten tasks."
    )
    notices: Notices = Field(default=Notices(), description="Kinds of further mails to `emails`.")
    console: Console | None = Field(default=None, description="The console, a web application for this environment.")
    tags: Tags = Field(default_factory=dict, description="Additional tags of all resources.")

    @model_validator(mode="after")
    def _check(self) -> "HubSettings":
        if len(set(self.agents)) < len(self.agents):
            raise ValueError("agents: Two entries have the same name. Remove one.")
        if len({one.issuer for one in self.access if one.issuer}) > MOST_ISSUERS:
            raise ValueError(f"access: It has more than {MOST_ISSUERS} issuers. Remove some.")
        if self.console and self.region.startswith(("us-gov-", "cn-")):
            raise ValueError(
                "console: It needs CloudFront and Cognito, which only the commercial partition has. Remove it, and use "
                "`toril console` on your machine."
            )
        if self.public_repository and not self.region.startswith(("us-gov-", "cn-")):
            return self
        if self.public_repository:
            raise ValueError("publicRepository: ECR Public exists only in the commercial partition. Remove it.")
        if self.budget and self.region.startswith("us-gov-"):
            raise ValueError("budget: AWS Budgets has no API in GovCloud. Set it in the commercial account that pays.")
        return self
