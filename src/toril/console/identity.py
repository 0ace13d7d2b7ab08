"""Who sends a request, and what this person may do. `Loopback` is the identity of `toril console` on a laptop."""

import getpass
import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Literal, Protocol, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from toril.errors import OptionError, UserError

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")  # each may do all that the ones before it may do
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER, CSRF_FIELD = "x-csrf-token", "csrf"
COOKIE = "toril"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The person or program that sends a request. `by`: a browser's session, or a bearer token."""

    subject: str
    name: str
    role: Role
    by: Literal["session", "token"] = "session"

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


class RefusedError(UserError):
    """A request that is not allowed. `status`: 401 without a valid identity, 403 otherwise."""

    def __init__(self, message: str, *, code: str, status: int) -> None:
        super().__init__(message, code=code)
        self.status = status


class SignIn(BaseModel):
    """How a program signs in for a person: by the authorisation code flow with PKCE at this issuer."""

    issuer: str
    client_id: str
    scope: str


class Identity(Protocol):
    """Finds the person of a request."""

    @property
    def routes(self) -> APIRouter:
        """The routes for signing in and out."""

    @property
    def can_sign_out(self) -> bool: ...

    @property
    def sign_in(self) -> SignIn | None:
        """What `toril login` needs; None without an issuer."""

    def person(self, request: Request) -> Person | None:
        """Returns the person; None without a session, RefusedError for a bad token. Reads the request's headers only.

        `request.state.set_cookie` becomes a header of the response, which renews the session.
        """

    def csrf(self, request: Request) -> str:
        """Returns the token that each change from this session has to carry; empty without a session."""

    def end_sessions(self, subject: str) -> None:
        """Refuses a person's sessions and tokens from before this moment; OptionError without an issuer."""


class Loopback:
    """The only user of `toril console` on this machine.

    Other users of the machine get nothing:

    - A one-time token in the opened address becomes an http-only cookie. The list of processes shows that address, so
      a process of another user cannot use it.
    - Browsers send a cookie to all ports of a host. So the host has a random name, which no other server knows.
    """

    can_sign_out, sign_in = False, None

    def __init__(self) -> None:
        self._once: str | None = secrets.token_urlsafe(32)
        self._entering = Lock()  # two requests at once are handled by two threads
        self._session = secrets.token_urlsafe(32)
        self._csrf = secrets.token_urlsafe(32)
        self.user = Person(subject=getpass.getuser(), name=getpass.getuser(), role="admin")

    @property
    def entrance(self) -> str:
        """The path that signs in, once."""
        return f"/enter?token={self._once}"

    @property
    def routes(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)

        @router.get("/enter")
        def enter(request: Request, token: str = "") -> Response:
            if _is_of_other_user(request):
                raise RefusedError("Another user started this console.", code="other-user", status=403)
            with self._entering:
                if self._once is None or not same(token, self._once):
                    text = "This address was used before. Start `toril console` again, and open the new address."
                    raise RefusedError(text, code="used-token", status=401)
                self._once = None
            # A redirect would still count as sent by the page before, so the strict cookie would not be sent with it.
            response = Response(headers={"refresh": "0; url=/"})
            response.set_cookie(COOKIE, self._session, httponly=True, samesite="strict", path="/")
            return response

        @router.get("/login")
        def login() -> Response:
            text = "Open the address that `toril console` printed. If it was used before, start the command again."
            raise RefusedError(text, code="no-session", status=401)

        return router

    def person(self, request: Request) -> Person | None:
        return self.user if same(request.cookies.get(COOKIE, ""), self._session) else None

    def csrf(self, request: Request) -> str:
        return self._csrf if self.person(request) else ""

    def end_sessions(self, subject: str) -> None:
        raise no_issuer()


def no_issuer() -> OptionError:
    text = "this console has no issuer: it is for one user of one machine, who needs no token"
    return OptionError(text, code="no-issuer")


def local_host() -> str:
    """Returns a new name of this machine. Browsers resolve all names below `localhost` themselves."""
    return f"toril-{secrets.token_hex(8)}.localhost"


def _is_of_other_user(request: Request) -> bool:
    """Whether Linux says that the client's socket belongs to another user, except root."""
    client, server, table = request.client, request.scope["server"], Path("/proc/net/tcp")
    if client is None or not (client.host.startswith("127.") or client.host == "::1") or not table.exists():
        return False
    ports = f":{client.port:04X}", f":{server[1]:04X}"
    lines = (Path("/proc/net/tcp6") if client.host == "::1" else table).read_text("ascii").splitlines()[1:]
    sockets = (line.split() for line in lines)
    owners = {int(fields[7]) for fields in sockets if fields[1].endswith(ports[0]) and fields[2].endswith(ports[1])}
    return not owners or not owners <= {0, os.getuid()}


def same(left: str, right: str) -> bool:
    """Compares secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def disguised(token: str) -> str:
    """Returns the token in another form each time, so that the size of a compressed page tells nothing of it."""
    data = token.encode()
    pad = secrets.token_bytes(len(data))
    return (pad + bytes(byte ^ other for byte, other in zip(pad, data, strict=True))).hex()


def revealed(text: str) -> str:
    """Returns the token of a disguised one; any other text stays as it is."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return text
    pad, rest = data[: len(data) // 2], data[len(data) // 2 :]
    return bytes(byte ^ other for byte, other in zip(pad, rest, strict=False)).decode("utf-8", "replace")


def require(role: Role) -> Callable[..., Any]:
    """Returns a dependency: the person of a request with at least this role; RefusedError otherwise.

    A change that a browser's session sends needs the session's CSRF token, in a header or in the form.
    """

    async def person(request: Request) -> Person:
        identity = cast(Identity, request.app.state.setup.identity)
        caller = await run_in_threadpool(identity.person, request)  # it may ask the store or the issuer
        if caller is None:
            raise RefusedError("Sign in first.", code="no-session", status=401)
        request.state.person = caller  # an error page has the navigation, too
        if request.method not in SAFE and caller.by == "session":
            await _check_csrf(request, identity)
        if not caller.may(role):
            text = f"This needs the role {role}; you are {caller.role}. Ask an administrator of the console."
            raise RefusedError(text, code="role-too-low", status=403)
        return caller

    return person


async def _check_csrf(request: Request, identity: Identity) -> None:
    token = request.headers.get(CSRF_HEADER, "")
    if not token and request.headers.get("content-type", "").startswith(
        ("application/x-www-form-urlencoded", "multipart/form-data")
    ):
        token = str((await request.form()).get(CSRF_FIELD, ""))
    expected = identity.csrf(request)
    if not expected or not (same(token, expected) or same(revealed(token), expected)):
        text = "This form is too old, or another site sent it. Reload the page, and try again."
        raise RefusedError(text, code="csrf", status=403)


Viewer = Annotated[Person, Depends(require("viewer"))]
Operator = Annotated[Person, Depends(require("operator"))]
Admin = Annotated[Person, Depends(require("admin"))]
