"""The fields of a posted form whose names are not known in advance, such as those of rows."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData


async def _posted(request: Request) -> FormData:
    return await request.form()


Posted = Annotated[FormData, Depends(_posted)]
