"""The identity of a console that others can reach: any OpenID Connect issuer, and GitHub's tokens for jobs.

- Browsers: authorisation code with PKCE, then a sealed cookie. `issuer` is imported at the first sign-in.
- Programs: bearer tokens, below `/api` and `/mcp` only.
"""

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from toril.clock import Clock
from toril.console.audit import audit
from toril.console.identity import ROLES, Person, RefusedError, Role, SignIn, Viewer, same
from toril.console.lambda_settings import SIGNED_IN, Machine
from toril.console.sessions import IDLE_S, KEY_BYTES, People, Seal, Session
from toril.console.web import for_program, local_path, page, see
from toril.errors import InfrastructureError, OptionError
from toril.store import Store
from toril.store.connections import is_safe_address

if TYPE_CHECKING:
    from toril.console.issuer import Issuer

GITHUB = "https://token.actions.githubusercontent.com"
LOGIN_S = 600.0  # from the issuer's page until the callback
WORD = re.compile(r"[a-z_]{1,40}")
DEFAULT_GROUPS: Mapping[str, Role] = {f"toril-{role}": role for role in ROLES}


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """An issuer, the console's client there, and who has which role."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)  # empty: a public client
    login_client_id: str = ""  # the public client of `toril login`; empty: the same
    session_key: bytes = field(repr=False)
    groups_claim: str = "groups"
    groups: Mapping[str, Role] = field(default_factory=lambda: DEFAULT_GROUPS)
    audience: str = ""  # of bearer tokens; empty: the console's address
    machines: tuple[Machine, ...] = ()
    scope: str = "openid profile email"

    def __post_init__(self) -> None:
        if len(self.session_key) != KEY_BYTES:
            raise OptionError(f"The session key needs {KEY_BYTES} bytes.", code="bad-session-key")
        if not is_safe_address(self.issuer):
            raise OptionError(f"The issuer {self.issuer} needs an https address.", code="insecure-issuer")
        if self.audience and self.audience in (self.client_id, self.login_client_id):
            text = (
                "The audience is the id of a client, so identity tokens would be bearer tokens. Use another audience."
            )
            raise OptionError(text, code="audience-of-client")


class Oidc:
    """See `Identity`. `address` is the console's own; `transport` replaces the network in tests."""

    can_sign_out = True

    def __init__(
        self, settings: OidcSettings, *, address: str, store: Store, clock: Clock, transport: Any = None
    ) -> None:
        self.settings, self._address, self._clock, self._transport = settings, address, clock, transport
        self._people = People(store, clock)
        key, where = settings.session_key, f"{address} {settings.issuer} {settings.client_id}"
        self._sessions, self._logins = Seal(key, f"session {where}"), Seal(key, f"login {where}")
        self._csrf_key = hmac.digest(key, f"csrf {where}".encode(), "sha256")
        prefix = "__Host-" if address.startswith("https:") else ""  # browsers keep that name for secure cookies
        self._cookie, self._login_cookie = f"{prefix}toril", f"{prefix}toril-login"

    @property
    def sign_in(self) -> SignIn:
        known = self.settings
        return SignIn(issuer=known.issuer, client_id=known.login_client_id or known.client_id, scope=known.scope)

    @cached_property
    def issuer(self) -> "Issuer":
        from toril.console.issuer import Issuer

        return Issuer(self.settings.issuer, self._clock, self._transport)

    @cached_property
    def _github(self) -> "Issuer":
        from toril.console.issuer import Issuer

        return Issuer(GITHUB, self._clock, self._transport)

    @property
    def routes(self) -> APIRouter:
        router = APIRouter()
        router.get("/login", include_in_schema=False)(self._login)
        router.get(SIGNED_IN, include_in_schema=False)(self._callback)
        router.post("/logout", include_in_schema=False)(self._logout)
        router.post("/logout/everywhere", include_in_schema=False)(self._logout_everywhere)
        router.get("/signed-out", include_in_schema=False)(self._signed_out)
        return router

    def person(self, request: Request) -> Person | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and for_program(request):
            return self._bearer(token.strip())
        session = self._session(request)
        if session is None:
            return None
        known, now = self._people.get(session.subject), self._clock.now()
        if session.began <= known.not_before:
            return None
        if session.is_due(now):
            request.state.set_cookie = self._session_cookie(replace(session, renewed=now))
        return Person(subject=session.subject, name=known.name or session.subject, role=session.role)

    def csrf(self, request: Request) -> str:
        session = self._session(request)
        if session is None:
            return ""
        return hmac.digest(self._csrf_key, f"{session.began} {session.subject}".encode(), "sha256").hex()

    def end_sessions(self, subject: str) -> None:
        self._people.end_sessions(subject)

    # Browsers

    def _login(self, request: Request, wanted: Annotated[str, Query(alias="next")] = "/") -> Response:
        """Sends the browser to the issuer. The sealed cookie ties the answer to this browser."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        address, _ = self._client().create_authorization_url(
            self.issuer.endpoint("authorization_endpoint"), state=state, nonce=nonce, code_verifier=verifier
        )
        response = RedirectResponse(address, status_code=303)
        content = [state, nonce, verifier, local_path(wanted), self._clock.now()]
        response.headers["set-cookie"] = self._set_cookie(self._login_cookie, self._logins.seal(content), LOGIN_S)
        return response

    def _callback(self, request: Request, state: str = "", code: str = "", error: str = "") -> Response:
        """Takes the issuer's answer, and starts a new session."""
        login = self._logins.open(request.cookies.get(self._login_cookie, ""))
        if login is None or not same(state, login[0]) or self._clock.now() >= login[4] + LOGIN_S:
            text = "This sign-in is too old, or another page started it. Open the console again."
            raise RefusedError(text, code="sign-in-expired", status=403)
        if not code:
            why = error if WORD.fullmatch(error) else "it sent no code"
            raise RefusedError(f"The issuer refused this sign-in: {why}.", code="sign-in-refused", status=403)
        tokens = self.issuer.exchange(self._client(), code, login[2])
        person = self._new_person(self.issuer.claims(str(tokens.get("id_token", ""))), nonce=login[1])
        self._people.set_name(person.subject, person.name)
        request.state.person = person
        audit(request, "sign-in")
        response = RedirectResponse(login[3], status_code=303)
        now = self._clock.now()
        response.headers.append("set-cookie", self._session_cookie(Session(person.subject, person.role, now, now)))
        response.headers.append("set-cookie", self._set_cookie(self._login_cookie, "", 0))
        return response

    def _new_person(self, claims: Mapping[str, Any], nonce: str) -> Person:
        """Returns the person of an ID token for this client and sign-in."""
        from toril.console.issuer import bad_token

        audiences = _texts(claims.get("aud"))
        if self.settings.client_id not in audiences or (
            len(audiences) > 1 and claims.get("azp") != self.settings.client_id
        ):
            raise bad_token("it is for another client")
        if not same(str(claims.get("nonce", "")), nonce):
            raise bad_token("it is of another sign-in")
        return self._person_of(claims, by="session")

    def _logout(self, request: Request, person: Viewer) -> Response:
        response = see("/signed-out", request)
        response.headers["set-cookie"] = self._set_cookie(self._cookie, "", 0)
        return response

    def _logout_everywhere(self, request: Request, person: Viewer) -> Response:
        self.end_sessions(person.subject)
        return self._logout(request, person)

    def _signed_out(self, request: Request) -> Response:
        """Continues at the issuer, whose own session would sign in again at once."""
        response = page(request, "signed-out.html.jinja", title="Signed out")
        try:
            ends_at = self.issuer.endpoint("end_session_endpoint")
        except InfrastructureError:
            return response  # the issuer has none, or does not answer now
        back = self._address + "/"
        query = {"client_id": self.settings.client_id, "post_logout_redirect_uri": back, "logout_uri": back}
        # The redirect of a form would break `form-action 'self'`. `logout_uri` is Cognito's name.
        response.headers["refresh"] = f"0; url={ends_at}?{urlencode(query)}"
        return response

    def _session(self, request: Request) -> Session | None:
        content = self._sessions.open(request.cookies.get(self._cookie, ""))
        session = None if content is None else Session(*content)
        return None if session is None or session.is_over(self._clock.now()) else session

    def _session_cookie(self, session: Session) -> str:
        return self._set_cookie(self._cookie, self._sessions.seal(astuple(session)), IDLE_S)

    def _set_cookie(self, name: str, value: str, seconds: float) -> str:
        # Lax: the issuer's redirect and links in messages have to find the session. Changes need the CSRF token.
        secure = "; Secure" if self._address.startswith("https:") else ""
        return f"{name}={value}; Path=/; Max-Age={seconds:.0f}; HttpOnly; SameSite=Lax{secure}"

    def _client(self) -> Any:
        settings = self.settings
        known = self.issuer.metadata().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in known else "client_secret_post"
        return self.issuer.client(
            settings.client_id,
            settings.client_secret,
            token_endpoint_auth_method=method if settings.client_secret else "none",
            redirect_uri=self._address + SIGNED_IN,
            scope=settings.scope,
        )

    # Programs

    def _bearer(self, token: str) -> Person:
        from toril.console.issuer import bad_token, issuer_of

        issuer = issuer_of(token)
        if issuer == GITHUB and self.settings.machines:
            return self._job(self._github.claims(token))
        if issuer != self.settings.issuer:
            raise bad_token("it is of another issuer")
        claims = self.issuer.claims(token)
        audiences = _texts(claims.get("aud"))
        if claims.get("token_use", "access") != "access":
            raise bad_token("it is not an access token")
        # An access token of Cognito has no audience, but the client's id.
        clients = (self.settings.client_id, self.settings.login_client_id)
        cognito = not audiences and "token_use" in claims and claims.get("client_id") in clients
        if (self.settings.audience or self._address) not in audiences and not cognito:
            raise bad_token("it is for another audience")
        if claims["iat"] <= self._people.get(claims["sub"]).not_before:
            raise bad_token("its person signed out everywhere")
        return self._person_of(claims, by="token")

    def _job(self, claims: Mapping[str, Any]) -> Person:
        """Returns a job of GitHub; RefusedError for one that the settings do not list."""
        from toril.console.issuer import bad_token

        if _texts(claims.get("aud")) != [self._address]:
            raise bad_token(f"request it for the audience {self._address}")
        roles = [machine.role for machine in self.settings.machines if machine.matches(claims)]
        if claims["iat"] <= self._people.get(claims["sub"]).not_before:
            raise bad_token("an administrator ended it")
        if not roles:
            text = "No machine of the console's settings is this repository with this environment or ref."
            raise RefusedError(text, code="no-role", status=403)
        name = f"{claims.get('repository')} {claims.get('environment') or claims.get('ref')}"
        return Person(subject=claims["sub"], name=name, role=max(roles, key=ROLES.index), by="token")

    def _person_of(self, claims: Mapping[str, Any], *, by: Any) -> Person:
        known = self.settings.groups
        roles = [known[group] for group in _texts(claims.get(self.settings.groups_claim)) if group in known]
        if not roles:
            text = f"Your account has no role here. Ask an administrator for one of the groups {', '.join(known)}."
            raise RefusedError(text, code="no-role", status=403)
        names = (claims.get(name) for name in ("name", "preferred_username", "email", "username"))
        name = next((name for name in names if isinstance(name, str) and name), claims["sub"])
        return Person(subject=claims["sub"], name=name[:200], role=max(roles, key=ROLES.index), by=by)


def _texts(claim: object) -> list[str]:
    """Returns a claim that is a text or a list of texts."""
    texts = claim if isinstance(claim, list) else [claim]
    return [text for text in texts if isinstance(text, str)]
