"""What the browsers of an execution stand for, and what is kept of their first failures."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from toril.records.base import Seconds, Text

# No page among them: a browser would do once more what a stranger's page does.
KeptFile = Annotated[str, Field(pattern=r"^failures/[0-9]{1,6}-[A-Za-z0-9._-]{1,200}\.(?:jpg|txt|zip)$")]


class Device(BaseModel):
    """What a browser's page believes to be shown on."""

    model_config = ConfigDict(frozen=True)
    name: str
    width: int
    height: int
    scale: float = 1.0  # device pixels a CSS pixel
    mobile: bool = False  # with a touch screen
    user_agent: str = ""  # "": the browser's own


class Network(BaseModel):
    """What a browser is slowed down to."""

    model_config = ConfigDict(frozen=True)
    name: str
    latency_ms: float  # added to each request
    down_bytes_s: int
    up_bytes_s: int


class Browser(BaseModel):
    """What the browsers of an execution stand for."""

    model_config = ConfigDict(frozen=True)
    device: Device
    network: Network | None = None  # None: the worker's own


class Kept(BaseModel):
    """What there is to see of a failure."""

    model_config = ConfigDict(frozen=True)
    execution: Text
    label: Text
    message: Text
    at_s: Seconds  # since the start signal
    files: Annotated[tuple[KeptFile, ...], Field(max_length=10)] = ()  # within the attempt's folder
