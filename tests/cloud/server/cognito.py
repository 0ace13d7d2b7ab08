"""Cognito: what MiniStack lacks of user pools: branding, login pages by their host, and discovery by AWS' names."""

import json
import re
import time
import uuid
from typing import Any
from urllib.parse import parse_qs

from ministack import app as gateway
from ministack.core.responses import get_account_id, request_scope
from ministack.services import cognito

from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Answer, Service
from tests.cloud.server.state import Regional

Record = dict[str, Any]
LOGIN = re.compile(r"([a-z0-9-]+)\.auth\.([a-z0-9-]+)\.amazoncognito\.com")
BRANDINGS: Regional[dict[str, Record]] = Regional(dict)  # by id
_password = cognito._generate_temp_password
_discovery, _token, _get = (
    cognito.well_known_openid_configuration,
    cognito._fake_token,
    gateway._handle_cognito_get_request,
)


def install() -> None:
    cognito.well_known_openid_configuration = discovery
    cognito._fake_token = token
    cognito._generate_temp_password = lambda: _password() + _password()  # long enough for strict policies
    gateway._handle_cognito_get_request = _well_known
    gateway._handle_cognito_body_request = _nothing  # login pages have hosts of their own: `login`


async def _well_known(method: str, path: str, headers: Any, query: Any) -> Any:
    return await _get(method, path, headers, query) if "/.well-known/" in path else None


async def _nothing(*request: Any) -> None:
    return None


def discovery(pool_id: str, *more: Any) -> Answer:
    """Returns a pool's discovery document, with the addresses of its domain."""
    status, headers, body = _discovery(pool_id, *more)
    pool, found = cognito._get_pool_unscoped(pool_id), json.loads(body)
    found["jwks_uri"] = f"{found['issuer']}/.well-known/jwks.json"
    found["token_endpoint_auth_methods_supported"] = ["client_secret_basic", "client_secret_post"]
    pages = {
        "authorization_endpoint": "oauth2/authorize",
        "token_endpoint": "oauth2/token",
        "userinfo_endpoint": "oauth2/userInfo",
        "revocation_endpoint": "oauth2/revoke",
        "end_session_endpoint": "logout",
    }
    base = f"https://{pool['Domain']}.auth.{cognito._pool_region(pool_id)}.amazoncognito.com"
    for name, path in pages.items():
        found.pop(name, None)
        if pool["Domain"]:
            found[name] = f"{base}/{path}"
    return status, headers, json.dumps(found).encode()


def token(sub: str, pool_id: str, client_id: str, *more: Any, **named: Any) -> Any:
    """Returns a token with the user's groups, which MiniStack forgets when a token is refreshed."""
    username = more[1] if len(more) > 1 else named.get("username", "")
    pool = cognito._get_pool_unscoped(pool_id) or {"_users": {}}
    groups = named.pop("groups", None) or (pool["_users"].get(username) or {}).get("_groups")
    return _token(sub, pool_id, client_id, *more, groups=groups, **named)


async def login(
    prefix: str, region: str, method: str, path: str, headers: dict[str, str], body: bytes, query: str
) -> Answer:
    """Answers a request to a domain of a user pool."""
    asked = parse_qs(query, keep_blank_values=True)
    with request_scope(get_account_id(), region):
        pool_id = cognito._pool_domain_map.get(prefix)
        if pool_id is None:
            return _page(404, "There is no such domain")
        client = (asked.get("client_id") or [""])[0]
        version = cognito._user_pools[pool_id]["_managed_login_versions"][prefix]
        match method, path:
            case "GET", "/oauth2/authorize" | "/login":
                if client in cognito._user_pools[pool_id]["_clients"] and version == 2 and not branding_of(client):
                    return _page(403, "Login pages unavailable. Please contact an administrator.")
                found = cognito.handle_oauth2_authorize(method, path, headers, asked)
                if found[0] == 200 and path != "/login":
                    return 302, {"Location": f"/login?{query}"}, b""
            case "POST", "/login":
                found = cognito.handle_login_submit(method, path, headers, body, asked)
            case "GET", "/logout":
                found = cognito.handle_logout(method, path, headers, asked)
            case "POST", "/oauth2/token":
                found = await cognito.handle_oauth2_token(method, path, headers, body, asked)
            case "POST", "/oauth2/revoke":
                found = _revoked(headers, body)
            case "GET" | "POST", "/oauth2/userInfo":
                found = cognito.handle_oauth2_userinfo(method, path, headers, body, asked)
            case _:
                return _page(404, "There is no such page")
        return found  # type: ignore[no-any-return]


def _page(status: int, text: str) -> Answer:
    return status, {"Content-Type": "text/html; charset=utf-8"}, text.encode()


def _revoked(headers: dict[str, str], body: bytes) -> Answer:
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    client, secret = cognito._authenticate_client(headers, form)
    asked = {"Token": form.get("token", ""), "ClientId": client, "ClientSecret": secret}
    found: Answer = cognito._revoke_token(asked)
    return found


# ---- branding -----------------------------------------------------------------------------------------------------


def branding_of(client_id: str) -> Record | None:
    return next((one for one in BRANDINGS.here().values() if one["ClientId"] == client_id), None)


def create_branding(request: Record) -> Record:
    if request["ClientId"] not in _pool(request)["_clients"]:
        raise Refusal("ResourceNotFoundException", f"User pool client {request['ClientId']} does not exist.")
    if branding_of(request["ClientId"]):
        raise Refusal("ManagedLoginBrandingExistsException", "The client has a branding")
    now = time.time()
    made = {
        "ManagedLoginBrandingId": str(uuid.uuid4()),
        "UseCognitoProvidedValues": False,
        **request,
        "CreationDate": now,
        "LastModifiedDate": now,
    }
    _check_values(made)
    BRANDINGS.here()[made["ManagedLoginBrandingId"]] = made
    return _shown(made)


def describe_branding(request: Record) -> Record:
    return _shown(_branding(request))


def update_branding(request: Record) -> Record:
    found = _branding(request)
    kept = {name: value for name, value in found.items() if name not in ("Settings", "Assets")}
    changed = {**kept, "UseCognitoProvidedValues": False, **request, "LastModifiedDate": time.time()}
    _check_values(changed)
    BRANDINGS.here()[found["ManagedLoginBrandingId"]] = changed
    return _shown(changed)


def delete_branding(request: Record) -> Record:
    del BRANDINGS.here()[_branding(request)["ManagedLoginBrandingId"]]
    return {}


def _check_values(branding: Record) -> None:
    if branding["UseCognitoProvidedValues"] and ("Settings" in branding or branding.get("Assets")):
        raise Refusal("InvalidParameterException", "Cognito's values allow neither settings nor assets")


def _branding(request: Record) -> Record:
    found = BRANDINGS.here().get(request["ManagedLoginBrandingId"])
    if found is None or found["UserPoolId"] != request["UserPoolId"]:
        raise Refusal("ResourceNotFoundException", "The branding does not exist")
    return found


def _shown(branding: Record) -> Record:
    return {"ManagedLoginBranding": {name: value for name, value in branding.items() if name != "ClientId"}}


def _pool(request: Record) -> Record:
    found: Record | None = cognito._user_pools.get(request["UserPoolId"])
    if found is None:
        raise Refusal("ResourceNotFoundException", f"User pool {request['UserPoolId']} does not exist.")
    return found


def _deletable(request: Record) -> None:
    pool = _pool(request)
    if pool["DeletionProtection"] == "ACTIVE":
        raise Refusal(
            "InvalidParameterException", "The user pool cannot be deleted because deletion protection is activated."
        )
    if pool["Domain"] or pool["CustomDomain"]:
        message = "User pool cannot be deleted. It has a domain configured that should be deleted first."
        raise Refusal("InvalidParameterException", message)


def _client_gone(request: Record) -> None:
    if found := branding_of(request["ClientId"]):
        del BRANDINGS.here()[found["ManagedLoginBrandingId"]]


def update_group(request: Record) -> Record:
    group = _pool(request)["_groups"].get(request["GroupName"])
    if group is None:
        raise Refusal("ResourceNotFoundException", "Group not found.")
    group.update({name: request[name] for name in ("Description", "Precedence", "RoleArn") if name in request})
    return {"Group": cognito._group_out(group)}


SERVICE = Service(
    name="cognito-idp",
    model="cognito-idp",
    invalid="InvalidParameterException",
    operations={
        "UpdateGroup": update_group,
        "CreateManagedLoginBranding": create_branding,
        "DescribeManagedLoginBranding": describe_branding,
        "UpdateManagedLoginBranding": update_branding,
        "DeleteManagedLoginBranding": delete_branding,
    },
    checks={"DeleteUserPool": _deletable, "DeleteUserPoolClient": _client_gone},
)
