"""`/api/v1/me`: the person or program that sends the request, and the sessions of others."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from toril.console.api.runs import Message
from toril.console.audit import audit
from toril.console.described import STRICT
from toril.console.identity import Admin, Role, SignIn, Viewer, no_issuer
from toril.console.web import store_of
from toril.desk.starting import launcher_of
from toril.records import LauncherName

router = APIRouter(tags=["me"])


class Me(BaseModel):
    """The sender of a request."""

    subject: str
    name: str
    role: Role
    on: LauncherName  # where this console starts runs by default


@router.get("/me")
def me(request: Request, person: Viewer) -> Me:
    """Returns the person or program that sends the request."""
    on = launcher_of(store_of(request))
    return Me(subject=person.subject, name=person.name, role=person.role, on=on)


@router.get("/login", openapi_extra={"security": []})
def sign_in(request: Request) -> SignIn:
    """Returns how `toril login` signs in; this address needs no token."""
    login: SignIn | None = request.app.state.setup.identity.sign_in
    if login is None:
        raise no_issuer()
    return login


class Sessions(BaseModel):
    """A person, whose subject is in the audit."""

    model_config = STRICT

    subject: Annotated[str, Field(min_length=1, max_length=255)]


@router.post("/people/end-sessions")
def end_sessions(request: Request, person: Admin, wanted: Sessions) -> Message:
    """Ends all sessions of a person, and refuses this person's tokens from before, within half a minute."""
    request.app.state.setup.identity.end_sessions(wanted.subject)
    audit(request, "person.end-sessions", wanted.subject)
    return Message(message=f"the sessions of {wanted.subject} have ended")
