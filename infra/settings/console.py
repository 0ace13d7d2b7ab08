"""The settings of the hub's console: its address, its issuer, and the roles of people and GitHub's jobs."""

import json
from typing import Annotated, Literal

from pydantic import Field, model_validator

from infra.settings.common import ACCOUNT, Email, Setting

Role = Literal["viewer", "operator", "admin"]
Architecture = Literal["arm64", "x86-64"]
GROUPS: dict[str, Role] = {"toril-admin": "admin", "toril-operator": "operator", "toril-viewer": "viewer"}
COGNITO_CLAIM, USUAL_CLAIM = "cognito:groups", "groups"
MOST_IN_VARIABLES = 2_700  # of AWS Lambda's 4 KB; the rest is for names of variables and values of the stack
HOST = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"
GroupName = Annotated[str, Field(pattern=r"^[^\s,]{1,128}$")]


class Domain(Setting):
    """A host name of your own, whose DNS record you point to the console's `console_target`."""

    name: str = Field(pattern=HOST, max_length=253, description="Host name of the console, such as `load.example.com`.")
    certificate: str = Field(
        pattern=rf"^arn:aws:acm:us-east-1:{ACCOUNT}:certificate/[A-Za-z0-9-]+$",
        description="ARN of its certificate in ACM, in us-east-1.",
    )


class Issuer(Setting):
    """An OpenID Connect issuer of your own, instead of a Cognito user pool."""

    url: str = Field(
        pattern=r"^https://[^\s?#]{3,240}$",
        description="Issuer, as its tokens name it, such as `https://id.example.com`.",
    )
    client_id: str = Field(pattern=r"^[\x21-\x7e]{1,256}$", description="Id of the client that you registered there.")
    confidential: bool = Field(
        default=False,
        description="The client has a secret. Put it into the SSM parameter `/toril/main/console/client-secret`.",
    )
    login_client_id: str | None = Field(
        default=None,
        pattern=r"^[\x21-\x7e]{1,256}$",
        description="Id of a public client for `toril login`, beside a client with a secret. Default: `clientId`.",
    )
    audience: str | None = Field(
        default=None,
        pattern=r"^[\x21-\x7e]{1,256}$",
        description="Audience of the access tokens that the API takes, not a client. Default: the console's address.",
    )
    groups_claim: str = Field(
        default=USUAL_CLAIM, pattern=r"^[\x21-\x7e]{1,128}$", description="Claim with a person's groups."
    )

    @model_validator(mode="after")
    def _check(self) -> "Issuer":
        if self.audience is not None and self.audience in (self.client_id, self.login_client_id):
            raise ValueError("audience: This is the id of a client, which identity tokens have. Use another audience.")
        return self


class Machine(Setting):
    """Jobs of a GitHub repository that may use the API. Their tokens have the console's address as audience."""

    repository_id: str = Field(pattern=r"^[0-9]+$", description="`gh api repos/OWNER/REPOSITORY --jq .id`.")
    environment: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_.-]{1,255}$", description="Environment of the jobs."
    )
    ref: str | None = Field(
        default=None, pattern=r"^refs/[A-Za-z0-9_./-]{1,250}$", description="Ref of the jobs, as in `refs/heads/main`."
    )
    role: Role = Field(default="operator", description="Role of the jobs.")

    @model_validator(mode="after")
    def _check(self) -> "Machine":
        if (self.environment is None) == (self.ref is None):
            raise ValueError("Set either environment or ref.")
        return self


class Console(Setting):
    """The console: a function behind API Gateway and CloudFront. Between visits it costs its two alarms."""

    admin: Email | None = Field(
        default=None, description="First administrator, invited by email. Required without `issuer`."
    )
    domain: Domain | None = Field(default=None, description="Host name of your own. Default: one of CloudFront.")
    issuer: Issuer | None = Field(default=None, description="Your own issuer. Default: a Cognito user pool.")
    roles: dict[GroupName, Role] = Field(
        default=GROUPS, min_length=1, max_length=20, description="Role of each group. People without one see nothing."
    )
    machines: tuple[Machine, ...] = Field(
        default=(), max_length=10, description="Jobs of GitHub that may use the API without a person."
    )
    max_cost: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        description="US dollars that one run of an operator may cost. Default: the limits of the regions only.",
    )
    architecture: Architecture = Field(default="arm64", description="Processor of the function.")
    package: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="Zip of the function. Default: `dist/console-<architecture>.zip`, which `make console-zip` builds.",
    )

    @model_validator(mode="after")
    def _check(self) -> "Console":
        if self.issuer is None and self.admin is None:
            raise ValueError("Set admin to the email address of the first administrator, or set issuer.")
        if self.issuer is not None and self.admin is not None:
            raise ValueError(
                "Remove admin: the administrators of your issuer are those in a group with the role admin."
            )
        if "admin" not in self.roles.values():
            raise ValueError("roles: No group has the role admin. Add one.")
        own = {"roles": self.roles, "machines": [one.model_dump() for one in self.machines]}
        own |= {"issuer": self.issuer.model_dump()} if self.issuer else {}
        if (used := len(json.dumps(own))) > MOST_IN_VARIABLES:
            raise ValueError(
                f"roles, machines and issuer have {used} characters, and the function's variables have room for "
                f"{MOST_IN_VARIABLES}. Use fewer groups and machines, or shorter names."
            )
        return self
