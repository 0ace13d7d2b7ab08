"""Tokens for a console: `TORIL_TOKEN`, GitHub's identity token in a workflow, or those of `toril login`.

`toril login` uses the authorisation code flow with PKCE: the issuer sends the browser back to a loopback address.
"""

import base64
import hashlib
import http.server
import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from toril.clock import Clock
from toril.errors import InfrastructureError, StoreError
from toril.records.console import LOGIN_CALLBACK, LOGIN_PORTS
from toril.store.connections import is_safe_address, pool_for

EARLIER_S = 60.0  # a token is renewed before it expires
ENDPOINTS = ("authorization_endpoint", "token_endpoint")
WAIT_S = 300.0  # for the browser
TIMEOUT = urllib3.Timeout(30.0)
DONE = b"<!doctype html><title>toril</title><p>You are signed in. You can close this page."


class Tokens:
    """The tokens for one console; renews them when they expire."""

    def __init__(self, address: str, clock: Clock, environment: Mapping[str, str] = os.environ) -> None:
        self._address, self._clock, self._environment = address, clock, environment
        self._workflow: tuple[str, float] = "", 0.0

    def token(self) -> str:
        """Returns a valid token; StoreError if there is none."""
        if given := self._environment.get("TORIL_TOKEN"):
            return given
        if self._environment.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
            return self._of_workflow()
        stored = _stored().get(self._address)
        if stored is None:
            text = f"you are not signed in to {self._address}; use `toril login {self._address}`"
            raise StoreError(text, code="not-signed-in")
        if stored["expires_at"] - EARLIER_S > self._clock.now():
            return str(stored["token"])
        return self._renewed(stored)

    def _of_workflow(self) -> str:
        """Returns GitHub's identity token with the console as its audience; it lasts for five minutes."""
        token, until = self._workflow
        if until > self._clock.now():
            return token
        url = f"{self._environment['ACTIONS_ID_TOKEN_REQUEST_URL']}&{urlencode({'audience': self._address})}"
        bearer = f"bearer {self._environment['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"
        answer = _json("GET", url, headers={"authorization": bearer})
        self._workflow = str(answer["value"]), self._clock.now() + 4 * EARLIER_S
        return self._workflow[0]

    def _renewed(self, stored: Mapping[str, Any]) -> str:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": stored.get("refresh_token", ""),
            "client_id": stored["client_id"],
        }
        form |= {"resource": self._address} if stored.get("resource") else {}
        answer = _json("POST", stored["token_endpoint"], form=form)
        return keep_tokens(self._address, {**stored, **answer}, self._clock.now())


def login(
    address: str,
    clock: Clock,
    agree: Callable[[str, list[str]], None],
    show: Callable[[str], None],
    *,
    resource: bool = True,
) -> str:
    """Signs in at a console by the browser. Returns name and role. Stores the tokens for this user only.

    A token that the console refuses, such as that of a person without a role, is not stored.

    The console names the client and issuer, so a hostile one may name those of another console, which would take the
    token. Therefore `agree` gets the client and the issuer's addresses, and may refuse by a UserError. `resource` makes
    the issuer bind the token to this console (RFC 8707). `show` then gets the address to open.
    """
    about = _json("GET", f"{address}/api/v1/login")
    issuer = _json("GET", f"{_safe(about['issuer']).rstrip('/')}/.well-known/openid-configuration")
    for name in ENDPOINTS:
        _safe(issuer[name])
    own = {name: issuer[name] for name in ENDPOINTS}
    hosts = {urlsplit(address).hostname for address in own.values()}
    agree(str(about["client_id"]), [str(about["issuer"]), *own.values()])
    for other, known in _stored().items():
        same_client = other != address and known.get("client_id") == about["client_id"]
        if same_client and any(urlsplit(known.get(name, "")).hostname in hosts for name in ENDPOINTS):
            text = f"{address} names the issuer and client of {other}, which would take the token, too. "
            fix = f"If both are the same console, use `toril logout {other}` first"
            raise InfrastructureError(text + fix, code="client-of-another-console")
    bound = {"resource": address} if resource else {}
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    server, came = _listening(state)
    back = LOGIN_CALLBACK.format(port=server.server_port)
    query = {
        "response_type": "code",
        "client_id": about["client_id"],
        "redirect_uri": back,
        "scope": about["scope"],
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **bound,
    }
    with server:
        server.timeout = 1.0
        show(f"{issuer['authorization_endpoint']}?{urlencode(query)}")
        until = clock.now() + WAIT_S
        while not came and clock.now() < until:
            server.handle_request()
    if (theirs := came.get("iss", "")) and theirs.rstrip("/") != str(about["issuer"]).rstrip("/"):
        text = f"the code is from {theirs[:200]}, and {address} names another issuer, which would take it"
        raise InfrastructureError(f"{text}. Nothing was sent there", code="code-of-another-issuer")
    if "code" not in came:
        why = came.get("error_description") or came.get("error", "no code arrived")
        raise InfrastructureError(f"the sign-in failed: {why}", code="sign-in-failed")
    form = {
        "grant_type": "authorization_code",
        "code": came["code"],
        "redirect_uri": back,
        "client_id": about["client_id"],
        "code_verifier": verifier,
        **bound,
    }
    answer = _json("POST", issuer["token_endpoint"], form=form)
    me = _json("GET", f"{address}/api/v1/me", headers={"authorization": f"bearer {answer['access_token']}"})
    own |= {"client_id": about["client_id"], "resource": resource}
    keep_tokens(address, {**answer, **own}, clock.now())
    return f"{me['name']}, {me['role']}"


def keep_tokens(address: str, answer: Mapping[str, Any], now: float) -> str:
    """Stores a console's tokens in a file that only this user can read. Returns the token."""
    file = _file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = _stored()
    token = str(answer["access_token"])
    kept[address] = {
        **{name: answer[name] for name in ("client_id", *ENDPOINTS, "refresh_token", "resource") if name in answer},
        "token": token,
        "expires_at": now + float(answer.get("expires_in", 3600)),
    }
    new = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
        json.dump(kept, output)
    new.replace(file)
    return token


def forget_tokens(address: str) -> bool:
    """Removes a console's tokens. Returns whether there were any."""
    kept = _stored()
    there = kept.pop(address, None) is not None
    if there:
        _file().write_text(json.dumps(kept))
    return there


def _stored() -> dict[str, dict[str, Any]]:
    """Returns the tokens of all consoles, by address."""
    try:
        return {address: dict(tokens) for address, tokens in dict(json.loads(_file().read_text())).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, OSError) as error:
        text = f"{_file()} cannot be read: {error}; delete it, and sign in again"
        raise StoreError(text, code="bad-tokens") from error


def _file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "toril" / "tokens.json"


def _safe(address: str) -> str:
    """Returns an address of an issuer; InfrastructureError unless it is https, or http on this machine.

    A query of a hostile console could name another `resource`.
    """
    if is_safe_address(address) and not {*"?#"} & {*address}:
        return address
    text = f"the issuer's address {address[:200]} needs https://, and no query"
    raise InfrastructureError(text, code="insecure-issuer")


def _listening(state: str) -> tuple[http.server.HTTPServer, dict[str, str]]:
    """Returns a server on loopback, and the parameters that a browser brings it; InfrastructureError without a port."""
    answer: dict[str, str] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            mine = secrets.compare_digest(query.get("state", ""), state)
            if mine:
                answer.update(query)
            self.send_response(200 if mine else 400)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(DONE if mine else b"")

        def log_message(self, format: str, *args: Any) -> None:
            """Prints nothing: the address has the code."""

    for port in LOGIN_PORTS:
        with suppress(OSError):
            return http.server.HTTPServer(("127.0.0.1", port), Handler), answer
    ports = ", ".join(map(str, LOGIN_PORTS))
    raise InfrastructureError(f"the sign-in needs one of the ports {ports}, and all are in use", code="port-in-use")


def _json(
    method: str, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Returns the JSON object of an answer; InfrastructureError for any other answer."""
    where = urlsplit(url)._replace(query="").geturl()
    body = None if form is None else urlencode(form).encode()
    own = {"accept": "application/json", **(headers or {})}
    if form is not None:
        own["content-type"] = "application/x-www-form-urlencoded"
    try:
        response = pool_for(url).request(method, url, body=body, headers=own, retries=False, timeout=TIMEOUT)
        document = json.loads(response.data)
    except (HTTPError, ValueError) as error:
        text = f"{where}: no usable answer: {type(error).__name__}"
        raise InfrastructureError(text, code="sign-in-failed") from error
    if response.status >= 300 or not isinstance(document, dict):
        about = document if isinstance(document, dict) else {}
        why = about.get("error_description") or about.get("error") or about.get("title") or ""
        raise InfrastructureError(f"{where}: {response.status} {why}".rstrip(), code="sign-in-failed")
    return document
