"""The `toril:` block of a suite: our own settings, so an unknown key is an error with the nearest known name."""

import difflib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from toril.criteria import duration_s, number, rate_per_s
from toril.errors import SuiteError
from toril.suite.browsers import DeviceName, NetworkName

MOST_WORKERS = 1000
MOST_RPS = 100_000_000  # requests per second: beyond, it is a slip


def _duration(value: object) -> float:
    try:
        seconds = float(duration_s(value))
    except ValueError:
        raise ValueError("no duration; write it like 30s, 5m or 2h") from None
    return seconds


def _share(value: object) -> float:
    """`90%`, or a fraction up to 1, as a fraction."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            fraction = float(value.strip()[:-1]) / 100
        except ValueError:
            raise ValueError("no percentage; write it like 90%") from None
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        fraction = float(value)
    else:
        raise ValueError("no percentage; write it like 90%")
    if not 0 < fraction <= 1:
        raise ValueError("not above 0% and at most 100%; write it like 90%")
    return fraction


def _sequence(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _criteria(value: object) -> object:
    """A list; or one criterion, or Taurus' mapping of messages to criteria."""
    if isinstance(value, dict) and "subject" not in value:
        return [{message: criterion} for message, criterion in value.items()]
    if value is None or (isinstance(value, list) and not all(isinstance(one, (str, dict)) for one in value)):
        raise ValueError("no list of criteria; write it like [throughput<450/s]")
    return [value] if isinstance(value, (str, dict)) else value


def _rate(value: object) -> float:
    """Requests per second: a number, or `500/s`, `30/min`."""
    try:
        found = float(rate_per_s(value) if isinstance(value, str) and "/" in value else number(value))
    except ValueError:
        raise ValueError("no rate; write it like 500, 500/s or 30/min") from None
    if not 0 < found <= MOST_RPS:
        raise ValueError(f"not above 0 and at most {MOST_RPS:,}/s; write another rate")
    return found


Rate = Annotated[float, BeforeValidator(_rate)]
Duration = Annotated[float, BeforeValidator(_duration)]
Percentage = Annotated[float, BeforeValidator(_share)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_sequence)]


class Block(BaseModel):
    """Keys are written with hyphens."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=lambda name: name.removesuffix("_s").replace("_", "-")
    )


class WorkerSize(Block):
    """What one worker gets on Fargate."""

    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384] = 2048  # CPU units; those that Fargate knows
    memory: int = Field(default=4096, ge=512, le=122_880)  # MiB
    arch: Literal["arm64", "x86_64"] = "arm64"
    spot: bool = False
    storage: int | None = Field(default=None, ge=21, le=200)  # GiB; the 20 that every task has need not be asked for


class Regression(Block):
    """How a duet of base and head is judged."""

    margin: Percentage = 0.03
    blocks: int = Field(default=10, ge=4, le=100)  # fewer prove nothing
    block_s: Duration | None = None  # of steady load in each arm; None: the suite's hold-for divided by the blocks
    labels: Texts = ()


class Vegeta(Block):
    """What the open-model engine can be told and Taurus has no key for; the same for all its executions."""

    http2: bool = False  # for all requests; a target that does not speak it fails them
    dns_ttl_s: Duration = 5.0  # how long addresses are kept, in turn; 0: asked for at each connection
    max_workers: int | None = Field(default=None, ge=1, le=200_000)  # requests in flight; None: what files allow
    redirects: int = Field(default=10, ge=0, le=100)  # followed, before the request fails
    insecure: bool = False  # certificates are not verified


class CapacitySearch(Block):
    """How the highest rate is looked for that one execution's target bears."""

    from_rps: Rate = Field(alias="from")
    to_rps: Rate = Field(alias="to")
    until: Annotated[tuple[str | dict[str, Any], ...], BeforeValidator(_criteria)] = Field(min_length=1)
    step_s: Duration = 20.0
    settle_s: Duration = 5.0
    precision: Percentage = 0.05


class BrowserBlock(Block):
    """What the browsers of one execution stand for."""

    device: DeviceName | None = None
    network: NetworkName | None = None


class TorilSettings(Block):
    """Everything under `toril:`."""

    workers: int | None = Field(default=None, ge=1, le=MOST_WORKERS)
    worker: WorkerSize = WorkerSize()
    max_duration_s: Duration | None = None
    graceful_stop_s: Duration = 30.0
    metrics_wait_s: Duration = 300.0  # for CloudWatch, which publishes late
    split_data: Texts = ()
    quorum: Percentage = 1.0
    gate: bool | None = None  # None: of those pull requests that touch the suite
    secrets: dict[str, str] = Field(default_factory=dict)
    criteria: Annotated[tuple[str | dict[str, Any], ...], BeforeValidator(_criteria)] = ()
    regression: Regression | None = None
    capacity: dict[str, CapacitySearch] = Field(default_factory=dict)  # by execution
    curves: dict[str, Any] = Field(default_factory=dict)  # execution → its shape of load, read with the execution
    vegeta: Vegeta = Vegeta()
    browsers: dict[str, BrowserBlock] = Field(default_factory=dict)  # by execution


def read_settings(block: object, name: str) -> TorilSettings:
    """The settings in a suite's `toril:` block (None when it has none); messages call the suite `name`."""
    if block is None:
        return TorilSettings()
    if not isinstance(block, dict):
        raise SuiteError(f"{name}: toril is no mapping; write keys below it, such as `workers: 2`")
    try:
        return TorilSettings.model_validate(block)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_context=False)[0]
        path = ".".join(("toril", *(str(part)[:60] for part in error["loc"])))
        if error["type"] == "extra_forbidden":
            raise SuiteError(f"{name}: {path} is unknown; {_nearest(error['loc'])}") from None
        if error["type"] == "missing":
            raise SuiteError(
                f"{name}: {path} is missing; add `{error['loc'][-1]}` beside the keys that are there"
            ) from None
        if error["type"] == "too_short":
            raise SuiteError(f"{name}: {path} is empty; write one at least") from None
        message = error["msg"].removeprefix("Value error, ")
        what = message if ";" in message else f"wrong: {message[0].lower()}{message[1:]}; correct it"
        raise SuiteError(f"{name}: {path} is {what} (it is {str(error['input'])[:60]!r})") from None


def _nearest(location: tuple[int | str, ...]) -> str:
    blocks: dict[str, type[BaseModel]] = {
        "worker": WorkerSize,
        "regression": Regression,
        "vegeta": Vegeta,
        "capacity": CapacitySearch,
        "browsers": BrowserBlock,
    }
    block = blocks.get(str(location[0]), TorilSettings) if len(location) > 1 else TorilSettings
    known = [field.alias or name for name, field in block.model_fields.items()]
    found = difflib.get_close_matches(str(location[-1])[:60].lower(), known, n=1, cutoff=0.5)
    return f"did you mean `{found[0]}`?" if found else f"known are {', '.join(known)}"
