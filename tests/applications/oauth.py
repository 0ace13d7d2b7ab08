"""A shop and its identity provider, two hosts: authorise, login, consent, a code that works once, PKCE, and a token.

The page's script redeems the code at the provider, whose first answer to a browser is a preflight.
"""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from tests.applications import PASSWORD, USER, Application, Asked, Refused, Reply, page, redirect, served

CLIENT = "web-shop"
SCRIPT = """
const provider = '%s', here = location.origin + '/callback', at = (id) => document.getElementById(id);
const encoded = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const random = () => encoded(crypto.getRandomValues(new Uint8Array(32)));
at('sign-in')?.addEventListener('click', async () => {
  const verifier = random(), state = random(), bytes = new TextEncoder().encode(verifier);
  sessionStorage.setItem('sign-in', JSON.stringify({verifier, state}));
  location.assign(`${provider}/authorize?` + new URLSearchParams({
    response_type: 'code', client_id: 'web-shop', redirect_uri: here, scope: 'openid orders', state,
    code_challenge: encoded(await crypto.subtle.digest('SHA-256', bytes)), code_challenge_method: 'S256'}));
});
const redeem = async () => {
  const given = new URLSearchParams(location.search), {verifier, state} = JSON.parse(sessionStorage.getItem('sign-in'));
  if (given.get('state') !== state) throw new Error('another state');
  const body = new URLSearchParams({grant_type: 'authorization_code', code: given.get('code'), redirect_uri: here,
    client_id: 'web-shop', code_verifier: verifier});
  const token = (await (await fetch(`${provider}/token`, {method: 'POST', body})).json()).access_token;
  const headers = {'Authorization': `Bearer ${token}`};
  const user = await (await fetch(`${provider}/userinfo`, {headers})).json();
  const orders = await (await fetch('/api/orders', {headers})).json();
  at('who').textContent = `${user.name} has ${orders.orders.length} orders`;
};
if (at('who')) redeem();
"""


class Both:
    """The shop and the provider, which share the valid tokens."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._sessions: set[str] = set()
        self._requests: dict[str, dict[str, str]] = {}  # parameters of /authorize, by id
        self._codes: dict[str, dict[str, str]] = {}  # the same, by unused code
        self._tokens: set[str] = set()
        self.provider = self.shop = ""

    def respond_as_shop(self, asked: Asked) -> Reply:
        match asked.method, asked.parts:
            case "GET", []:
                return Reply(body=page("Shop", '<button id="sign-in">Sign in</button>', self._script()))
            case "GET", ["callback"] if asked.query.get("code"):
                return Reply(body=page("Signed in", '<p id="who"></p>', self._script()))
            case "GET", ["api", "orders"] if asked.bearer in self._tokens:
                return Reply(body={"orders": [{"number": 8123}, {"number": 8124}]})
        raise Refused(401 if asked.parts == ["api", "orders"] else 404, "no such page, or unknown token")

    def respond_as_provider(self, asked: Asked) -> Reply:
        allowed = (("Access-Control-Allow-Origin", self.shop), ("Access-Control-Allow-Headers", "authorization"))
        asking = asked.query.get("request") or asked.form.get("request", "")
        match asked.method, asked.parts:
            case "GET", ["authorize"]:
                if asked.query["client_id"] != CLIENT or asked.query["code_challenge_method"] != "S256":
                    raise Refused(400, "unknown client or method")
                number = self._application.fresh()
                self._requests[number] = asked.query
                return redirect(f"/login?request={number}")
            case "GET", ["login"] if asking in self._requests:
                fields = '<label>E-mail <input name="email"></label>'
                fields += '<label>Password <input name="password" type="password"></label>'
                return self._form("Sign in", "/login", asking, fields)
            case "POST", ["login"] if asking in self._requests:
                if (asked.form["email"], asked.form["password"]) != (USER, PASSWORD):
                    raise Refused(403, "wrong password")
                session = self._application.fresh()
                self._sessions.add(session)
                return redirect(f"/consent?request={asking}", f"provider={session}; Path=/; HttpOnly; SameSite=Lax")
            case "GET", ["consent"] if asking in self._requests and asked.cookies["provider"] in self._sessions:
                return self._form("Allow", "/consent", asking, "<p>Web shop wants to read your orders.</p>")
            case "POST", ["consent"] if asking in self._requests and asked.cookies["provider"] in self._sessions:
                given, code = self._requests.pop(asking), self._application.fresh()
                self._codes[code] = given
                return redirect(f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state']})}")
            case "POST", ["token"]:
                given = self._codes.pop(asked.form["code"], {})
                digest = hashlib.sha256(asked.form["code_verifier"].encode()).digest()
                if given.get("code_challenge") != base64.urlsafe_b64encode(digest).decode().rstrip("="):
                    raise Refused(400, "unknown or used code, or wrong verifier")
                token = self._application.fresh()
                self._tokens.add(token)
                answer = {"access_token": token, "token_type": "Bearer", "expires_in": 900}
                return Reply(body=answer, headers=allowed)
            case "OPTIONS", _:
                return Reply(status=204, headers=allowed)
            case "GET", ["userinfo"] if asked.bearer in self._tokens:
                return Reply(body={"name": "Ada"}, headers=allowed)
        raise Refused(403, "no such page, unknown request or token")

    def _script(self) -> str:
        return SCRIPT.replace("%s", self.provider)

    def _form(self, title: str, action: str, asking: str, fields: str) -> Reply:
        hidden = f'<input type="hidden" name="request" value="{asking}">'
        button = f"<button>{title}</button>"
        return Reply(body=page(title, f'<form method="post" action="{action}">{hidden}{fields}{button}</form>'))


@contextmanager
def serving(**options: Any) -> Iterator[Application]:
    application = Application(options=options)
    both = Both(application)
    with (
        served(application, both.respond_as_shop) as both.shop,
        served(application, both.respond_as_provider, "localhost") as both.provider,
    ):
        application.url, application.others = both.shop, (both.provider,)
        yield application
