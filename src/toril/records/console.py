"""The small records that people's actions leave in a store: suite versions, requested runs, notes, baselines, audit."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from toril.records.document import Record, RecordPart, Seconds, Text
from toril.records.plan import LauncherName, SuiteOrigin

# Where `toril login` waits for the authorisation code, on the first free port. An issuer compares addresses exactly.
LOGIN_PORTS = (8717, 8718, 8719)
LOGIN_CALLBACK = "http://localhost:{port}/auth/callback"

REQUESTS, REQUEST_FAILED = "requests/", ".failed.json"  # a folder, and the end of a key in it

RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Names = Annotated[tuple[Text, ...], Field(max_length=100, strict=False)]
SuiteName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class SuiteVersion(Record):
    """`versions/<suite>/<number>.json`: one version of a suite. Its files are in `versions/<suite>/files/<sha256>`."""

    SCHEMA: ClassVar[str] = "toril.version/1"
    suite: SuiteName
    number: int  # from 1, without gaps
    at: Seconds
    by: Text = ""
    comment: Text = ""
    files: dict[Text, Text]  # path in the suite's folder → SHA-256
    origin: SuiteOrigin | None = None
    description: Text = ""  # `toril.description` and `toril.tags`, for lists
    tags: dict[Text, Text] = Field(default_factory=dict)
    # Of each run without a request: schedules and commands. The limit of the person who saved the version.
    max_cost_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class StartOptions(RecordPart):
    """The options of a run's start, the same by each face. An empty field leaves it to the suite."""

    smoke: bool = False
    tried: Annotated[bool, Field(description="One user, one iteration; each request is kept with its response.")] = (
        False
    )
    workers: Annotated[int | None, Field(ge=1, le=10_000)] = None
    locations: dict[Text, Text] = Field({}, description="Weights by location; they replace the suite's.")
    overrides: Annotated[tuple[Text, ...], Field(max_length=100, strict=False, description="Taurus overrides.")] = ()
    environment: dict[Text, Text] = Field({})
    tags: dict[Text, Text] = Field({})
    against: Annotated[Text | None, Field(description="Address to load instead of the suite's own.")] = None
    stage: Annotated[Text | None, Field(description="A stage of `toril.stages`.")] = None
    executions: Annotated[Names, Field(description="Executions to run; others are left out.")] = ()
    scenarios: Annotated[Names, Field(description="Scenarios to run, with all of their executions.")] = ()
    max_cost_usd: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None

    def as_options(self) -> dict[str, Any]:
        """Returns these options alone, for another record of the same start."""
        return {name: getattr(self, name) for name in StartOptions.model_fields}


class StartRun(StartOptions):
    """A run to start. An empty field leaves it to the suite."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, defer_build=False)

    suite: str
    version: Annotated[int | None, Field(ge=1, description="Default: the current version.")] = None
    on: Annotated[LauncherName | None, Field(description="Default: what this console can do.")] = None


class RunRequest(StartOptions, Record):
    """`requests/<run-id>.json`: a run that a person or program asked for; `toril run --request` carries it out."""

    SCHEMA: ClassVar[str] = "toril.request/1"
    run_id: RunName
    suite: SuiteName
    version: int
    on: LauncherName
    at: Seconds
    by: Text


class RequestFailure(Record):
    """`requests/<run-id>.failed.json`: why a requested run did not start."""

    SCHEMA: ClassVar[str] = "toril.request-failure/1"
    run_id: RunName
    at: Seconds
    code: Text
    message: Text


class RunNote(Record):
    """`notes/<run-id>/<time>-<nonce>.json`: a note that a person added to a run."""

    SCHEMA: ClassVar[str] = "toril.note/1"
    run_id: RunName
    at: Seconds
    by: Text
    text: Annotated[str, Field(min_length=1, max_length=4_000)]


class BaselineChange(RecordPart):
    """Who replaced the baseline of a suite. An empty id: there was, or is, none."""

    at: Seconds
    by: Text
    before: RunName | Literal[""] = ""
    after: RunName | Literal[""] = ""

    @property
    def in_words(self) -> str:
        return f"from {self.before or 'none'} to {self.after or 'none'}"


class Baseline(Record):
    """`baselines/<suite>.json`: the run that other runs of a suite are compared with, and who changed it.

    After a clearance `run_id` is empty, and the changes remain. The rest is about the run, when it was chosen.
    """

    SCHEMA: ClassVar[str] = "toril.baseline/1"
    suite: SuiteName
    run_id: RunName | Literal[""]
    at: Seconds
    by: Text
    outcome: Text = ""
    load: Text = ""  # planned, in words
    started_at: Seconds | None = None
    changes: tuple[BaselineChange, ...] = ()  # the last 20, newest first


class SharingAllowed(Record):
    """`shares/_allowed.json`: an administrator allows links to reports; without it, no link works."""

    SCHEMA: ClassVar[str] = "toril.sharing/1"
    at: Seconds
    by: Text


class SharedReport(Record):
    """`shares/<run-id>/<SHA-256 of the token>.json`: a link that shows one report to everybody who has it."""

    SCHEMA: ClassVar[str] = "toril.share/1"
    run_id: RunName
    at: Seconds
    until: Seconds
    by: Text
    opened_at: Seconds | None = None  # the first time


class PersonRecord(Record):
    """`people/<SHA-256 of the subject>.json`: a person who signed in.

    Sessions and tokens from `not_before` or earlier are refused.
    """

    SCHEMA: ClassVar[str] = "toril.person/1"
    subject: Text
    name: Text = ""
    not_before: Seconds = 0.0


class AuditLine(Record):
    """`audit/<day>/<time>-<nonce>.json`: one change that a person or program made."""

    SCHEMA: ClassVar[str] = "toril.audit/1"
    at: Seconds
    who: Text  # subject of the token or session, or the name of the local user
    name: Text = ""
    role: Literal["viewer", "operator", "admin"]
    what: Text  # such as `run.start`
    target: Text = ""  # such as the run's id
    where: Text = ""  # address of the client
    request_id: Text = ""
    details: dict[Text, Text] = Field(default_factory=dict)
