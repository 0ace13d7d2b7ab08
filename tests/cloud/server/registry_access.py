"""Access to registries: the tokens that ECR issues, and the rights behind them."""

import base64
import secrets
import time
from dataclasses import dataclass
from typing import Any

from ministack import app as gateway
from ministack.core.responses import get_account_id, get_region
from ministack.services import ecr, sts

from tests.cloud.server import caller, ecr_registry, roles
from tests.cloud.server.state import on_reset

LASTS_S = 12 * 3600
NEEDED_TO_IMPORT = ("ecr:BatchImportUpstreamImage", "ecr:CreateRepository")


@dataclass(frozen=True, slots=True)
class Bearer:
    """The owner of a token: a role or the account's root."""

    role_arn: str | None
    until_s: float


TOKENS: dict[str, Bearer] = {}
OURS = secrets.token_urlsafe(24)  # token for images of tasks, used after the check of the execution role
on_reset(TOKENS.clear)


def give_token(request: dict[str, Any]) -> dict[str, Any]:
    """GetAuthorizationToken."""
    token, until_s = secrets.token_urlsafe(24), time.time() + LASTS_S
    TOKENS[token] = Bearer(_role_of(caller.ACCESS_KEY.get()), until_s)
    endpoint = f"https://{get_account_id()}.dkr.ecr.{get_region()}.amazonaws.com"
    shown = base64.b64encode(f"AWS:{token}".encode()).decode()
    return {"authorizationData": [{"authorizationToken": shown, "expiresAt": until_s, "proxyEndpoint": endpoint}]}


def bearer(headers: dict[str, str]) -> Bearer | None:
    """Returns the owner of a request's valid token, or None."""
    kind, _, coded = headers.get("authorization", "").partition(" ")
    try:
        user, _, token = base64.b64decode(coded if kind.lower() == "basic" else "").decode().partition(":")
    except ValueError:
        return None
    if token == OURS:
        return Bearer(None, 0)
    found = TOKENS.get(token) if user == "AWS" else None
    return found if found and time.time() < found.until_s else None


def denied(who: Bearer, repository: str, *actions: str, importing: bool = False) -> str | None:
    """Returns ECR's message if an action is not allowed on a repository, or None."""
    if not gateway.AUTH or who.role_arn is None:
        return None
    arn = f"arn:aws:ecr:{get_region()}:{get_account_id()}:repository/{repository}"
    own = ecr._repo_policies.get(repository)
    policy = ecr_registry.REGISTRIES.here().policy if importing else own
    for action in actions:
        if not roles.allows(who.role_arn, action, arn, policy=policy):
            return f"User: {who.role_arn} is not authorized to perform: {action} on resource: {arn}"
    return None


def _role_of(access_key: str) -> str | None:
    session = sts._sessions.get(access_key)
    if session is None:
        return None
    account, name = session["Arn"].split(":")[4], session["Arn"].split("/")[1]
    return f"arn:aws:iam::{account}:role/{name}"
