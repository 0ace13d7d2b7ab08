"""Makes the console's application. Callers inject every part that reads the world; nothing here is global."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from toril import __version__
from toril.clock import Clock
from toril.console import api, pages, static, web
from toril.console.described import Described
from toril.console.guard import App, Guard
from toril.console.identity import Identity, Person
from toril.desk.starting import Starter
from toril.desk.store import Scheduler, StoreDesk, unaudited
from toril.errors import UserError
from toril.launchers.findings import Finding
from toril.store import FolderStore, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The parts of one console."""

    store: Store
    identity: Identity
    clock: Clock
    examine: Callable[[Store], Iterable[Finding]]  # what `toril doctor` finds
    address: str  # its own, such as `https://load.example.com`; never read from a request
    starter: Starter
    quotas: Callable[[Store], Iterable[Finding]] = lambda _: ()  # AWS' vCPU quotas and their use, by region
    schedules: Scheduler | None = None  # None: the store is in a folder
    presign: Callable[[str], str] | None = None  # returns an address of the bucket that reads a value for a minute
    presign_upload: Callable[[str, int], tuple[str, dict[str, str]]] | None = None  # address and fields of a form
    max_cost_usd: float | None = None  # a run, for operators
    origin_digest: str = ""  # SHA-256 of the secret that CloudFront adds to each request
    upload_address: str = ""  # of the bucket, for presigned uploads

    def desk(self, person: Person, face: str, audit: Callable[..., None] = unaudited) -> StoreDesk:
        """Returns the operations for this person. `console.maxCost` limits all but administrators."""
        return StoreDesk(
            store=self.store, clock=self.clock, by=person.name, subject=person.subject, face=face, audit=audit,
            most_usd=None if person.may("admin") else self.max_cost_usd, starter=self.starter, scheduler=self.schedules,
        )  # fmt: skip


def create_app(setup: Setup) -> App:
    """Returns the console as an ASGI application."""
    app = Described(
        title="toril",
        version=__version__,
        summary="Suites, runs and schedules of a store.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would redirect to the host that the request names, behind CloudFront the API's
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.setup = setup
    app.add_exception_handler(UserError, web.on_user_error)
    app.add_exception_handler(RequestValidationError, web.on_invalid_request)
    app.add_exception_handler(HTTPException, web.on_http_error)
    app.add_exception_handler(Exception, web.on_bug)
    app.add_middleware(GZipMiddleware, minimum_size=1024)
    app.include_router(setup.identity.routes)
    app.include_router(static.routes())
    for router in _routers(pages).values():  # they are not part of the API's description
        app.include_router(router, include_in_schema=False)
    for name, router in _routers(api).items():
        app.include_router(router, prefix="" if name == "mcp" else "/api/v1")
    return Guard(
        app=app,
        address=setup.address,
        origin_digest=setup.origin_digest,
        upload_address=setup.upload_address,
        large_uploads=isinstance(setup.store, FolderStore),
    )


def _routers(package: ModuleType) -> dict[str, Any]:
    """Returns the `router` of each module of a package, by its name."""
    names = (module.name for module in iter_modules(package.__path__))
    return {name: import_module(f"{package.__name__}.{name}").router for name in names}
