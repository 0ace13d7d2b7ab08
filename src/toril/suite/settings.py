"""The `toril:` block of a suite: typed settings, names of browsers' devices and networks, and names of secrets.

Devices are Playwright's descriptors (playwright 1.65, `playwright.devices`): viewport, scale and user agent. The engine
is always Chromium, also for an iPhone. Networks are the presets of Chrome's DevTools (NetworkManager.ts). DevTools adds
their latency to each request, which simulates the round trip of the named network.

A suite has the names of its secrets and the places of their values. This module never reads a value.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from toril.criteria.server import REGION
from toril.criteria.service import is_of_kind
from toril.records import Browser, Device, Network, secret_reference
from toril.records.event import FORMATS, NoticeEvent, NoticeFormat
from toril.records.plan import ServiceKind
from toril.records.run import Version
from toril.records.summary import FINDING_CODES, FindingCode
from toril.secrets.masking import mask
from toril.store.connections import is_safe_address
from toril.suite.curves import is_shape
from toril.suite.reader import MAX_NUMBER, SuiteReader, mapping_at
from toril.suite.sections import ByteSize, Duration, Percentage, Rate, Section, Texts, Whole, as_list, misfit, rate_of
from toril.suite.values import CRITERIA, named, one_or_many, text_of
from toril.text import suggestion

MAX_WORKERS = 1000
MIN_JUDGED_S = 3  # of each stage of a search
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables of toril, bzt, the engines, Python, Java, the linker and AWS' libraries, and those that a worker sets
RESERVED = re.compile(
    r"(?i)(?:TORIL|TAURUS|AWS|AMAZON|ECS|LD|DYLD|PYTHON|JAVA|JDK|JVM|LOCUST|JMETER|BZT|GIT|MALLOC|XDG|LC)_.*|PYTHON.*"
    r"|(?:HTTPS?|NO|ALL|FTP)_PROXY|PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|TMP|TEMP|TMPDIR|LANG|TERM|TZ|IFS|ENV|BASH_ENV"
    r"|GRACEFUL|WORKERS_LDJSON|JTL|HOSTNAME|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|SSL_CERT_(?:FILE|DIR)|GEVENT_.*|_"
)

ADDRESS = r"https://[^ \\]+|http://(?:localhost|127\.0\.0\.1|\[::1\])(?:[:/?#][^ @\\]*)?"  # for editors
LOG_GROUP = re.compile(r"(?:arn:aws[a-z-]*:logs:([a-z0-9-]+):\d{12}:log-group:)?[A-Za-z0-9._/#-]{1,512}")
OWN_METRIC = re.compile(r"(?:trend|counter|gauge|rate)(?: of \S.*)?")  # of a variable of JMeter
TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,49}")  # of requests
METRIC = re.compile(r"p(?!0+(?:\.0+)?$)[0-9]{1,2}(?:\.[0-9]{1,3})?|failures|throughput")

IOS = "like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/27.2 Mobile/15E148 Safari/604.1"
ANDROID = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/159.0.0.0 Mobile Safari/537.36"
DESKTOPS = (("Desktop", 1), ("Desktop HiDPI", 2))
PHONES = (
    ("iPhone 13", 390, 664, 3, f"(iPhone; CPU iPhone OS 15_0 {IOS}"),
    ("iPhone 15", 393, 659, 3, f"(iPhone; CPU iPhone OS 17_5 {IOS}"),
    ("iPad Mini", 768, 1024, 2, f"(iPad; CPU OS 12_2 {IOS}"),
    ("Pixel 7", 412, 839, 2.625, f"(Linux; Android 14; Pixel 7) {ANDROID}"),
    ("Galaxy S24", 360, 780, 3, f"(Linux; Android 14; SM-S921U) {ANDROID}"),
    ("Moto G4", 360, 640, 3, f"(Linux; Android 7.0; Moto G (4)) {ANDROID}"),
)
DEVICES = {
    **{name: Device(name=name, width=1280, height=720, scale=scale) for name, scale in DESKTOPS},
    **{
        name: Device(name=name, width=width, height=height, scale=scale, mobile=True, user_agent=f"Mozilla/5.0 {agent}")
        for name, width, height, scale, agent in PHONES
    },
}
NETWORKS = {
    network.name: network
    for network in (
        Network(name="3g", latency_ms=2000, down_bytes_s=50_000, up_bytes_s=50_000),
        Network(name="slow-4g", latency_ms=562.5, down_bytes_s=180_000, up_bytes_s=84_375),
        Network(name="fast-4g", latency_ms=165, down_bytes_s=1_012_500, up_bytes_s=168_750),
    )
}


def _one_of(known: Mapping[str, object], what: str, value: object) -> str:
    text = str(value)
    for name in known:
        if text.lower().replace(" ", "-") == name.lower().replace(" ", "-"):
            return name
    raise misfit("unknown-value", f"is not a known {what}. {suggestion(text, known)}")


def _criteria(value: object) -> object:
    """Returns a list; the suite may have one criterion, or Taurus' mapping of messages to criteria."""
    if isinstance(value, dict) and "subject" not in value:
        return [{message: criterion} for message, criterion in value.items()]
    if value is None or (isinstance(value, list) and not all(isinstance(rule, (str, dict)) for rule in value)):
        raise misfit("not-a-list", "is not a list of criteria. Write it like `[throughput<450/s]`.")
    return [value] if isinstance(value, (str, dict)) else value


def _findings(value: object) -> object:
    """Returns a mapping of codes; `findings: false` turns all of them off."""
    return dict.fromkeys(FINDING_CODES, value) if isinstance(value, bool) else value


def _executor(value: object) -> object:
    """Returns the name of an executor, or those of executions."""
    names = value.values() if isinstance(value, dict) else [value]
    if not all(isinstance(name, str) for name in names):
        raise misfit("not-a-text", "is not an executor. Write one like `toril`, or `{shop: toril}` by execution.")
    return value


def _webhook(value: object) -> str:
    """Returns an https address, or the name of a variable that has one."""
    text = value if isinstance(value, str) else ""
    if not VARIABLE.fullmatch(text) and not is_safe_address(text):
        fix = "Write https://…, or a variable of `toril.secrets` that has the address."
        raise misfit("not-an-address", f"is neither an https address nor the name of a variable. {fix}")
    if not VARIABLE.fullmatch(text) and mask(text) != text:
        raise misfit("secret-in-suite", "has a secret in it. Put the address into `toril.secrets`, and write its name.")
    return text


def _arrivals(value: object) -> object:
    """Returns journeys per second, the shapes of a curve, or one of them for each execution."""
    if isinstance(value, dict) and not is_shape(value):
        return {name: one if isinstance(one, (dict, list)) else _above_zero(one) for name, one in value.items()}
    return value if isinstance(value, (dict, list)) else _above_zero(value)


def _above_zero(value: object) -> float:
    if (rate := rate_of(value)) > 0 and rate <= MAX_NUMBER:
        return rate
    raise misfit("out-of-range", f"is out of range. Write a rate above 0, at most {MAX_NUMBER:,}/s.")


def _variable(value: object) -> str:
    """Returns the name of a variable of `toril.secrets`."""
    text = value if isinstance(value, str) else ""
    if not VARIABLE.fullmatch(text) or RESERVED.fullmatch(text):
        raise misfit("unusable-name", "is not a variable of `toril.secrets`. Put the key there, and write its name.")
    return text


def _once(value: object) -> object:
    """Returns the mapping of a script; the suite may have its path only."""
    if isinstance(value, dict) and "scenario" in value:
        raise misfit("unsupported-key", "names a scenario. Write a Python script with a function, as `setup.py`.")
    return {"script": value} if isinstance(value, str) else value


def _metric(value: object) -> str:
    """Returns the name of a figure that a duet can compare."""
    text = str(value)
    if not METRIC.fullmatch(text):
        raise misfit("unknown-value", "is not a metric. Use failures, throughput, or a percentile such as p95.")
    return text


def _own_metric(value: object) -> str:
    """Returns the kind of a metric, and the label of the requests that have it."""
    if isinstance(value, str) and OWN_METRIC.fullmatch(value):
        return value
    raise misfit("unknown-value", "is not a kind of metric. Write trend, counter, gauge or rate, or `trend of LABEL`.")


def _request_tag(value: object) -> str:
    if isinstance(value, str) and TAG.fullmatch(value):
        return value
    raise misfit("unusable-name", "is not a tag's name. Use letters, digits, `_`, `.` and `-`, at most 50.")


def _trace_link(value: object) -> str:
    """Returns an https address with one place for the id of a trace."""
    if isinstance(value, str) and value.count("{trace_id}") == 1 and is_safe_address(value) and mask(value) == value:
        return value
    raise misfit("not-an-address", "is not the address of a trace. Write https://… with `{trace_id}`, without secrets.")


def _xray(value: object) -> str | None:
    """Returns the region of X-Ray's traces: empty for the environment's, None for none."""
    if value is True or value in (False, None):
        return "" if value else None
    if isinstance(value, str) and REGION.fullmatch(value):
        return value
    raise misfit("unknown-value", "is not a region. Write `true`, or a region such as eu-west-1.")


def _log_groups(value: object) -> object:
    """Returns names or ARNs of log groups of one region."""
    groups = [value] if isinstance(value, str) else value if isinstance(value, list) else [None]
    places = [LOG_GROUP.fullmatch(str(group)) for group in groups]
    if None in places or len({place[1] for place in places if place and place[1]}) > 1:
        text = "are not log groups of one region. Write their names, or their ARNs without `:*`."
        raise misfit("unusable-name", text)
    return groups


DeviceName = Annotated[str, BeforeValidator(lambda value: _one_of(DEVICES, "device", value)), named(DEVICES)]
NetworkName = Annotated[str, BeforeValidator(lambda value: _one_of(NETWORKS, "network", value)), named(NETWORKS)]
Metric = Annotated[str, BeforeValidator(_metric), text_of(METRIC.pattern)]
OwnMetric = Annotated[str, BeforeValidator(_own_metric), text_of(OWN_METRIC.pattern)]
RequestTag = Annotated[str, BeforeValidator(_request_tag), text_of(TAG.pattern)]
RequestTags = Annotated[tuple[RequestTag, ...], BeforeValidator(as_list), Field(max_length=5), one_or_many(TAG.pattern)]
LoadMode = Literal["divide", "repeat"]
Executor = Annotated[str | dict[str, str], BeforeValidator(_executor)]
Criteria = Annotated[tuple[str | dict[str, Any], ...], BeforeValidator(_criteria), CRITERIA]
Arrivals = Annotated[Any, BeforeValidator(_arrivals)]
TraceLink = Annotated[str, BeforeValidator(_trace_link), text_of(r"https://[^ ]*\{trace_id\}[^ ]*")]
XrayRegion = Annotated[str | None, BeforeValidator(_xray), WithJsonSchema({"type": ["boolean", "string"]})]
VariableName = Annotated[str, BeforeValidator(_variable), text_of(VARIABLE.pattern)]


class OnceBlock(Section):
    """A script that one worker runs once."""

    script: str = Field(min_length=1)
    time_limit_s: Duration = Field(default=300.0, gt=0, le=3600)


class WorkerSize(Section):
    """The size of one worker's task on Fargate."""

    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384] = 2048  # CPU units that Fargate supports
    memory: Whole = Field(default=4096, ge=512, le=122_880)  # MiB
    arch: Literal["arm64", "x86_64"] = "arm64"
    spot: bool = False
    storage: Whole | None = Field(default=None, ge=21, le=200)  # GiB; every task has 20


class Regression(Section):
    """The comparison of base and head in a duet.

    Without `blocks`, there are as many pairs as `time_s` allows. Without `block_s`, a block has 2 s if all engines run
    through. If an engine starts for each turn, it has 5 s, or `blocks` share the suite's `hold-for`.
    """

    margin: Percentage = 0.03  # of times and rates
    failures: Percentage = 0.01  # margin of the share of failures: 0.01 is one point
    time_s: Duration = 300.0  # the most load of both arms together
    # The most pairs, whatever their time; fewer than 4 prove nothing.
    blocks: Whole | None = Field(default=None, ge=4, le=400)
    block_s: Duration | None = None  # steady load in each arm
    labels: Texts = ()
    # Empty: percentiles of criteria, failures.
    metrics: Annotated[tuple[Metric, ...], BeforeValidator(as_list), one_or_many(METRIC.pattern)] = ()


class EarlierBlock(Section):
    """The comparison of a run with earlier runs of its suite."""

    runs: Whole = Field(default=12, ge=8, le=50)  # the most; fewer than 8 prove nothing
    labels: Texts = ()
    margin: Percentage = 0.03


class Engine(Section):
    """Settings of toril's engine that Taurus has no keys for. They apply to all its executions."""

    http2: bool = False  # for all requests; they fail if the target does not support it
    dns_ttl_s: Duration = 5.0  # lifetime of a resolved address; 0: resolve for each connection
    # Requests in flight; None: the limit of open files.
    max_workers: Whole | None = Field(default=None, ge=1, le=200_000)
    fresh_cookies: bool = False  # whether each iteration of a user begins without cookies
    poisson: bool = False  # whether requests or journeys of each second are due at random times in it
    redirects: Whole = Field(default=10, ge=0, le=100)  # to follow before the request fails
    insecure: bool = False  # whether to skip the verification of certificates
    ca: str | None = None  # files of the suite: authorities to trust beside the system's, and the client's certificate
    cert: str | None = None
    key: str | None = None


class CapacitySearch(Section):
    """The search for the highest rate that one execution's target sustains."""

    from_rps: Rate = Field(alias="from", gt=0)
    to_rps: Rate = Field(alias="to", gt=0)
    until: Criteria = Field(min_length=1)
    settle_s: Duration = 5.0
    step_s: Duration = Field(default=20.0, ge=5, validate_default=True)  # shorter stages cannot show saturation
    precision: Percentage = Field(default=0.05, ge=0.01, le=0.5)
    arrivals: bool = False  # whether the rates are journeys per second

    @field_validator("to_rps")
    @classmethod
    def _higher(cls, to_rps: float, info: ValidationInfo) -> float:
        if to_rps <= info.data.get("from_rps", 0.0):
            raise misfit("out-of-range", "is not above `from`. Write a higher rate.")
        return to_rps

    @field_validator("step_s")
    @classmethod
    def _judged(cls, step_s: float, info: ValidationInfo) -> float:
        if step_s - info.data.get("settle_s", 0.0) < MIN_JUDGED_S:
            raise misfit("out-of-range", f"is too short. Make it at least {MIN_JUDGED_S} s longer than `settle`.")
        return step_s


class EvidenceBlock(Section):
    """Requests and responses that workers keep."""

    failures: Whole = Field(default=3, ge=0, le=20)  # of each label and error; 0: only the slowest requests
    body: ByteSize = Field(default=4096, ge=0, le=65_536)  # of a request or response
    off: bool = False


class NotifyBlock(Section):
    """A webhook that gets events of the suite's runs."""

    webhook: Annotated[str, BeforeValidator(_webhook), text_of(VARIABLE.pattern, ADDRESS)]
    format: NoticeFormat | None = None  # None: that of the host
    on: Annotated[tuple[NoticeEvent, ...], Field(min_length=1)] = ("failed", "inconclusive")
    secret: VariableName | None = None  # the key of its signatures, or PagerDuty's routing key, in `toril.secrets`

    @property
    def form(self) -> NoticeFormat:
        return FORMATS.get(urlsplit(self.webhook).hostname or "", self.format or "toril")

    @model_validator(mode="after")
    def _of_pagerduty(self) -> Self:
        if self.form == "pagerduty" and (self.secret is None or "started" in self.on):
            text = "is for PagerDuty. Name its routing key as `secret`, and leave `started` out of `on`."
            raise misfit("conflicting-keys", text)
        return self


class ServiceBlock(Section):
    """A resource of the service, as `toril service` writes it, or a Prometheus with the service's metrics."""

    kind: ServiceKind
    id: str  # ARN, or the address of a Prometheus
    size: dict[str, float | str] = Field(default_factory=dict)  # as found: tasks, vcpu, memory_mib …
    version: Version | None = None  # the version in a duet that it serves alone
    # Of a Prometheus: PromQL by name.
    queries: dict[Annotated[str, Field(min_length=1, max_length=60)], str] = Field(default_factory=dict, max_length=50)
    step_s: Duration = Field(default=15.0, ge=1, multiple_of=1)
    token: VariableName | None = None

    @field_validator("id")
    @classmethod
    def _arn(cls, arn: str, info: ValidationInfo) -> str:
        kind = info.data.get("kind")
        if kind not in (None, "prometheus") and not is_of_kind(kind, arn):
            raise misfit("not-an-arn", f"is not the ARN of this kind, `{kind}`. Copy it from AWS.")
        return arn

    @model_validator(mode="after")
    def _prometheus(self) -> Self:
        if (self.kind == "prometheus") != bool(self.queries) or (self.token and self.kind != "prometheus"):
            raise misfit(
                "conflicting-keys", "needs `queries` with `kind: prometheus` only. Correct the kind or the keys."
            )
        parts = urlsplit(self.id)
        plain = parts.scheme == "http" and parts.netloc and not self.token  # as inside a private network
        if self.queries and (not (plain or is_safe_address(self.id)) or {*"@?#"} & {*self.id}):
            fix = "Write http://host:9090, or https://… for one with a `token`."
            raise misfit("not-an-address", f"is not the address of a Prometheus, without user and parameters. {fix}")
        return self


class FaultBlock(Section):
    """A fault of the service during the load."""

    at_s: Duration
    for_s: Duration | None = Field(default=None, gt=0)  # None: until the experiment ends by itself
    experiment: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]{1,64}$")  # id of a template of AWS FIS
    region: str | None = Field(default=None, pattern=f"^{REGION.pattern}$")
    hook: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.experiment is None) == (self.hook is None):
            raise misfit("conflicting-keys", "needs either `experiment` or `hook`. Write one of them.")
        if self.hook is not None and (self.for_s is None or self.region is not None):
            raise misfit("conflicting-keys", "has a `hook`, which needs `for`, and no `region`. Write `for: 30s`.")
        return self


class BrowserBlock(Section):
    """The device and the network that the browsers of one execution emulate."""

    device: DeviceName | None = None
    network: NetworkName | None = None


class StageBlock(Section):
    """Addresses, secrets and limits of one environment."""

    default_address: str | None = None
    env: dict[str, Any] = Field(default_factory=dict)  # in place of variables of `settings.env`
    secrets: dict[str, str] = Field(default_factory=dict)  # in place of those of `toril.secrets`
    criteria: Criteria = ()  # beside those of the suite

    @model_validator(mode="before")
    @classmethod
    def _without_load(cls, value: object) -> object:
        known = [str(field.alias) for field in cls.model_fields.values()]
        for key in value if isinstance(value, dict) else ():
            if key not in known:
                text = f"has the key `{str(key)[:60]}`, but a stage cannot change the load. {suggestion(key, known)}"
                raise misfit("stage-changes-load", text)
        return value


class TorilSettings(Section):
    """Everything under `toril:`; `schema/keys.yml` says what each key means."""

    description: str = Field(default="", max_length=500)  # for people
    workers: Whole | None = Field(default=None, ge=1, le=MAX_WORKERS)
    worker: WorkerSize = WorkerSize()
    max_duration_s: Duration | None = None
    graceful_stop_s: Duration = 30.0
    metrics_wait_s: Duration = 300.0  # since CloudWatch publishes metrics late
    setup: Annotated[OnceBlock | None, BeforeValidator(_once)] = None
    teardown: Annotated[OnceBlock | None, BeforeValidator(_once)] = None
    faults: Annotated[tuple[FaultBlock, ...], Field(max_length=10)] = ()
    split_data: Texts = ()
    consume_once: Texts = ()
    quorum: Percentage = 1.0
    gate: bool | None = None  # None: only for pull requests that change the suite
    secrets: dict[str, str] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)  # of each run; `--tag` adds others
    stages: dict[str, StageBlock] = Field(default_factory=dict)
    criteria: Criteria = ()
    regression: Regression | None = None
    earlier_runs: EarlierBlock | None = None  # None: with `--earlier-runs` only
    location_groups: dict[str, Annotated[Texts, Field(min_length=1)]] = Field(default_factory=dict)  # → locations
    capacity: dict[str, CapacitySearch] = Field(default_factory=dict)  # by execution
    arrivals: Arrivals = None  # journeys per second, of all executions or by execution; curves are read with them
    curves: dict[str, Any] = Field(default_factory=dict)  # execution → its load curve, which is read with the execution
    engine: Engine = Engine()
    executor: Executor = ""  # of all executions with requests, or by execution; empty: the suite's own
    script_load: LoadMode | dict[str, LoadMode] = "divide"  # of scripts that bring their own load, or by execution
    browsers: dict[str, BrowserBlock] = Field(default_factory=dict)  # by execution
    evidence: EvidenceBlock = EvidenceBlock()
    python: str = ""  # a lock with hashes: packages that scripts import
    jars: Texts = ()  # files with JMeter's plug-ins, or patterns
    notify: Annotated[tuple[NotifyBlock, ...], Field(max_length=10)] = ()
    findings: Annotated[dict[FindingCode, bool], BeforeValidator(_findings)] = Field(default_factory=dict)  # absent: on
    traceparent: bool = False  # whether requests carry a W3C trace context
    traces: TraceLink = ""  # address of a trace; empty: reports have no links
    xray: XrayRegion = None  # region of X-Ray's traces; None: they are not read
    logs: Annotated[Texts, BeforeValidator(_log_groups), Field(max_length=50)] = ()  # the most of one query
    service: Annotated[tuple[ServiceBlock, ...], Field(max_length=50)] = ()  # resources whose metrics are read
    require_values: bool = False  # whether a response without a value that another request needs has failed
    metrics: dict[RequestTag, OwnMetric] = Field(default_factory=dict, max_length=200)  # by variable of JMeter
    request_tags: RequestTags = ()  # the names of requests' tags to record
    page_size: ByteSize = Field(default=3 << 20, le=64 << 20)  # of the data for windows in report.html


def read_settings(block: object, reader: SuiteReader) -> TorilSettings:
    """Returns the settings in a suite's `toril:` block (None if it has none)."""
    return TorilSettings() if block is None else TorilSettings.read(block, "toril", reader.error)


def browser_of(device: str | None, network: str | None) -> Browser:
    """Returns the browser with this device and network."""
    return Browser(device=DEVICES[device or "Desktop"], network=None if network is None else NETWORKS[network])


def secret_names(merged: Mapping[str, Any]) -> frozenset[str]:
    """Returns the variables that hold secrets. They are read first, so that no reference to them is resolved."""
    return frozenset(map(str, mapping_at(merged, "toril", "secrets")))


def check_secrets(
    secrets: Mapping[str, str], merged: Mapping[str, Any], given: Iterable[str], reader: SuiteReader
) -> None:
    """Raises SuiteError for an unusable name or reference; it does not quote the reference, which may be a value."""
    settings_env = mapping_at(merged, "settings", "env")
    for variable, reference in secrets.items():
        path = f"toril.secrets.{variable[:60]}"
        if not VARIABLE.fullmatch(variable):
            text = "This is not a name for an environment variable. Use letters, digits and _."
            raise reader.error("unusable-name", path, text)
        if RESERVED.fullmatch(variable):
            text = "Workers or their tools use this variable. Choose another name."
            raise reader.error("reserved-name", path, text)
        for place, others in (("`--env`", given), ("settings.env", settings_env)):
            if variable in others:
                raise reader.error("conflicting-keys", path, f"{place} also sets this variable. Remove one of them.")
        try:
            secret_reference(reference)
        except ValueError:
            what = "This is neither a name nor an ARN of a secret in Secrets Manager"
            fix = "Write the secret's name, its ARN, or `<ARN>:<key>::` for one key of its JSON."
            raise reader.error("not-a-secret", path, f"{what}. {fix}") from None
    for path in _command_lines(merged.get("modules"), secrets, "modules"):
        text = "Every process can read a secret on a command line. Let the program read the variable instead."
        raise reader.error("secret-on-command-line", path, text)


def _command_lines(place: Any, secrets: Mapping[str, str], path: str) -> Iterator[str]:
    """Yields the paths of command lines that contain a secret."""
    if not isinstance(place, dict):
        return
    for key, value in place.items():
        if key == "cmdline" and any(f"${{{name}}}" in str(value) for name in secrets):
            yield f"{path}.cmdline"
        yield from _command_lines(value, secrets, f"{path}.{key}")
