"""An OpenID Connect issuer without a network, and consoles whose people sign in there."""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.testclient import TestClient

from tests.clocks import SteppedClock
from tests.console.served import Started
from toril.console.app import Setup, create_app
from toril.console.lambda_settings import Machine, origin_digest
from toril.console.oidc import GITHUB, Oidc, OidcSettings
from toril.store import FolderStore

ADDRESS = "https://load.example.com"
ISSUER = "https://issuer.example.com"
CLIENT = "console"
RSA = RSAKey.generate_key(2048, {"kid": "one"})
EC = ECKey.generate_key("P-256", {"kid": "two"})
OTHER = RSAKey.generate_key(2048, {"kid": "github"})
MACHINES = (
    Machine(repository_id="1", role="operator", environment="load-test"),
    Machine(repository_id="1", role="viewer", ref="refs/heads/main"),
)


class FakeIssuer:
    """Answers the requests of `toril.console.issuer`, as that issuer and as GitHub's. Each code works once."""

    def __init__(self, clock):
        self.clock, self.requests, self.codes = clock, [], {}
        self.keys: list[Any] = [RSA, EC]
        self.transport = httpx2.MockTransport(self._answer)

    def claims(self, subject="ann", groups=("toril-viewer",), **more):
        now = int(self.clock.now())
        return {"iss": ISSUER, "sub": subject, "groups": groups, "iat": now, "exp": now + 300, **more}

    def access_token(self, *, key=RSA, header=None, **claims):
        """Returns a token for the API; a claim of None is left out."""
        found = self.claims(**{"aud": ADDRESS, **claims})
        return signed({name: value for name, value in found.items() if value is not None}, key, header)

    def job_token(self, *, key=OTHER, **claims):
        job = {"repository_id": "1", "repository": "acme/shop", "ref": "refs/heads/x", "groups": ["toril-admin"]}
        return signed(self.claims(**{"iss": GITHUB, "sub": "repo:acme/shop", "aud": ADDRESS, **job, **claims}), key)

    def sign_in(self, address, **claims):
        """Returns the path to which the issuer sends a person back who opened its address and signed in."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{ISSUER}/authorize?") and query["redirect_uri"].startswith(ADDRESS)
        assert query["client_id"] == CLIENT and query["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = query["code_challenge"], self.claims(**{"aud": CLIENT, "nonce": query["nonce"], **claims})
        return f"{urlsplit(query['redirect_uri']).path}?code={code}&state={query['state']}"

    def _answer(self, request):
        self.requests.append(request.url.path)
        if request.url.path == "/token":
            form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
            challenge, claims = self.codes.pop(form["code"], ("", None))
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            if claims is None or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
                return httpx2.Response(400, json={"error": "invalid_grant"})
            return httpx2.Response(200, json={"access_token": "a", "token_type": "Bearer", "id_token": signed(claims)})
        issuer = f"https://{request.url.host}"
        if request.url.path == "/keys":
            keys = [OTHER] if issuer == GITHUB else self.keys
            return httpx2.Response(200, json={"keys": [key.as_dict(private=False) for key in keys]})
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        addresses = {name: f"{issuer}/{path}" for name, path in names.items()}
        return httpx2.Response(200, json={"issuer": issuer, "end_session_endpoint": f"{issuer}/end", **addresses})


class Console:
    """A console in this process, with its issuer, its store and a clock that tests move."""

    def __init__(self, folder, *, origin_secret="", store=FolderStore, **settings):
        self.clock, self.store = SteppedClock(), store(folder)
        self.issuer = FakeIssuer(self.clock)
        known = OidcSettings(issuer=ISSUER, client_id=CLIENT, session_key=b"k" * 32, machines=MACHINES, **settings)
        self.identity = Oidc(
            known, address=ADDRESS, store=self.store, clock=self.clock, transport=self.issuer.transport
        )
        self.setup = Setup(
            store=self.store,
            identity=self.identity,
            clock=self.clock,
            examine=lambda store: (),
            starter=Started(),
            address=ADDRESS,
            origin_digest=origin_digest(origin_secret) if origin_secret else "",
        )
        self.app = create_app(self.setup)

    def browser(self):
        return TestClient(self.app, base_url=ADDRESS, follow_redirects=False)

    def signed_in(self, role="viewer", subject="ann", **claims):
        """Returns a browser with a session."""
        browser = self.browser()
        back = self.issuer.sign_in(
            browser.get("/login").headers["location"], subject=subject, groups=[f"toril-{role}"], **claims
        )
        assert browser.get(back).status_code == 303
        return browser

    def asked(self, token, path="/api/v1/me"):
        """Returns the status and code, or the content, of a program's request."""
        answer = self.browser().get(path, headers={"authorization": f"Bearer {token}"})
        content = answer.json()
        return answer.status_code, content.get("code", content)

    def audit(self):
        return [json.loads(self.store.get(key)) for key in self.store.keys("audit/")]


def signed(claims, key=RSA, header=None):
    algorithm = {"RSA": "RS256", "EC": "ES256"}[key.key_type]
    return jwt.encode(header or {"alg": algorithm, "kid": key.kid}, claims, key, [algorithm, "RS512"])


def csrf_of(page):
    """Returns the token in a page's forms."""
    return page.text.split('name="csrf" value="')[1].split('"')[0]
