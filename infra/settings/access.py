"""Who may take the hub's roles: people, and jobs of CIs beside GitHub."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from infra.rules import GITHUB, is_of_one_project
from infra.settings.common import ACCOUNT, PARTITION, Setting

MOST_ISSUERS = 5  # the role `deploy` has rights on each, and its managed policies are limited
LONGEST = 255  # characters of an issuer and of an audience: IAM, CreateOpenIDConnectProvider
_ISSUER = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9._~-]+)*")
_PRINCIPAL = re.compile(rf"arn:{PARTITION}:iam::{ACCOUNT}:(?:role|user)/(?:[A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]+")
_IDENTITY_CENTER = re.compile(
    rf"arn:{PARTITION}:iam::{ACCOUNT}:role/aws-reserved/sso\.amazonaws\.com/(?:[a-z0-9-]+/)?"
    r"AWSReservedSSO_[A-Za-z0-9_+=,.@-]+_(?:\*|[0-9a-f]{16})"
)
EVERY_RUN = (
    "`*` stands only for last parts that change with each run, after organisation and project, in subjects of GitLab "
    "(`project_path:GROUP/PROJECT:…:*`), Buildkite (`organization:NAME:pipeline:NAME:…:*`), CircleCI "
    "(`org/ID/project/ID/user/*`) and Bitbucket (`{REPOSITORY}:*`)."
)
_USER_OF_CIRCLECI = ("/user/*/", f"/user/{'?' * 36}/")  # a UUID, so that no branch's name can take its place


def _principal(arn: str) -> str:
    if not (_IDENTITY_CENTER if "/aws-reserved/" in arn else _PRINCIPAL).fullmatch(arn):
        raise ValueError(
            "Use the ARN of one role or user. `*` stands only for the suffix of a role of IAM Identity Center: "
            "`…:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_NAME_*`, without the region in us-east-1."
        )
    return arn


def _issuer(url: str) -> str:
    if url == f"https://{GITHUB}":
        raise ValueError("Use the setting `github`, which also checks the ids of repositories.")
    if len(url) > LONGEST or not _ISSUER.fullmatch(url):
        raise ValueError("Use the issuer's https address as its tokens name it, without port, query and final slash.")
    return url


def _audience(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text) or re.search(r"[*?]|\$\{", text):
        raise ValueError("Use the exact audience of the tokens.")
    return text


def _subject(text: str) -> str:
    subject = text.replace(*_USER_OF_CIRCLECI)
    if not re.fullmatch(r"[!-~]+", subject) or not is_of_one_project(subject):
        raise ValueError(f"Use the exact subject of the tokens. {EVERY_RUN}")
    return subject


Principal = Annotated[str, AfterValidator(_principal)]
Issuer = Annotated[str, AfterValidator(_issuer)]
Audience = Annotated[str, Field(max_length=LONGEST), AfterValidator(_audience)]
Subject = Annotated[str, Field(max_length=LONGEST), AfterValidator(_subject)]
Role = Literal["deploy", "drift", "preview", "publish", "run"]


class Access(Setting):
    """Principals of AWS, or jobs whose tokens have an issuer, an audience and a subject of these lists."""

    roles: tuple[Role, ...] = Field(min_length=1, description="Roles that they may take.")
    principals: tuple[Principal, ...] = Field(
        default=(),
        max_length=20,
        description="Roles and users of AWS by their ARNs, also roles of IAM Identity Center (`…_NAME_*`).",
    )
    issuer: Issuer | None = Field(default=None, description="OpenID Connect issuer of a CI, as its tokens name it.")
    audiences: tuple[Audience, ...] = Field(
        default=(), max_length=5, description="Exact audiences of the issuer's tokens."
    )
    subjects: tuple[Subject, ...] = Field(
        default=(), max_length=20, description="Exact subjects. `*` stands for last parts that change with each run."
    )
    existing: bool = Field(
        default=False, description="The account has an identity provider for the issuer. Default: a new one."
    )

    @model_validator(mode="after")
    def _check(self) -> "Access":
        if bool(self.principals) == bool(self.issuer):
            raise ValueError("Set either `principals`, or `issuer` with `audiences` and `subjects`.")
        if (self.issuer is None) == bool(self.audiences or self.subjects or self.existing) or (
            self.issuer and not (self.audiences and self.subjects)
        ):
            raise ValueError("`issuer` needs `audiences` and `subjects`, and `principals` need none of them.")
        return self
