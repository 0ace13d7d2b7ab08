"""The fields of a posted form whose names are not known in advance, such as those of rows."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData


async def _posted(request: Request) -> AsyncIterator[FormData]:
    async with request.form() as form:  # closes the temporary files of uploads
        yield form


Posted = Annotated[FormData, Depends(_posted)]
