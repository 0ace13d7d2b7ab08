"""`/api/v1/me`: the person or program that sends the request."""

from fastapi import APIRouter, Request
from pydantic import BaseModel

from toril.console.identity import Role, SignIn, Viewer
from toril.errors import OptionError

router = APIRouter(tags=["me"])


class Me(BaseModel):
    """The sender of a request."""

    subject: str
    name: str
    role: Role


@router.get("/me")
def me(person: Viewer) -> Me:
    """Returns the person or program that sends the request."""
    return Me(subject=person.subject, name=person.name, role=person.role)


@router.get("/login", openapi_extra={"security": []})
def sign_in(request: Request) -> SignIn:
    """Returns how `toril login` signs in; this address needs no token."""
    found: SignIn | None = request.app.state.setup.identity.sign_in
    if found is None:
        text = "this console has no issuer: it is for one user of one machine, who needs no token"
        raise OptionError(text, code="no-issuer")
    return found
