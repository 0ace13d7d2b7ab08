"""`/api/v1/me`: the person or program that sends the request."""

from fastapi import APIRouter
from pydantic import BaseModel

from toril.console.identity import Role, Viewer

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
