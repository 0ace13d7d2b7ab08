"""Commands that make a suite of what exists: `toril import` and `toril record`."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from inspect import Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from toril.authoring.options import (
    LENGTH,
    ImportOptions,
    Keep,
    default_name,
    read_action,
    read_duration,
    read_host,
    read_load,
    read_url,
    refuse,
)
from toril.cli.options import Locations, TextOrJson, Yes, nothing_written
from toril.cli.setup import Action, Arrivals, Force, HoldFor, Limits, Name, RampUp, Rps, Users, Workflow, show_created
from toril.cli.streams import echo
from toril.errors import OptionError, UserError

if TYPE_CHECKING:
    from toril.authoring import Created
    from toril.authoring.importing import Imported

OF_RECORDINGS = (  # options without effect on a script
    "environment", "hosts", "kept", "only_reads", "functional", "forced", "dropped", "replay"
)  # fmt: skip

Into = Annotated[Path, typer.Option("--into", metavar="DIR", help="Root folder of your repository.")]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", help="Host to keep, or address of a source without one; repeatable."),
]
With = Annotated[list[Keep] | None, typer.Option("--with", help="Requests to keep; repeatable.")]
Rules = Annotated[list[int] | None, typer.Option("--rule", min=1, help="Number of a rule to apply; repeatable.")]
NoRules = Annotated[list[int] | None, typer.Option("--no-rule", min=1, help="Number of a rule to drop; repeatable.")]
Explain = Annotated[bool, typer.Option("--explain", help="List each extracted value with its reasons.")]
Try = Annotated[bool, typer.Option("--try", help="Try the suite, and end with the exit code of `toril try`.")]


def _shared(
    into: Into = Path(),
    name: Name = None,
    host: Hosts = None,
    with_: With = None,
    rule: Rules = None,
    no_rule: NoRules = None,
    explain: Explain = False,
    try_: Try = False,
    users: Users = None,
    rps: Rps = None,
    arrivals: Arrivals = None,
    ramp_up: RampUp = None,
    hold_for: HoldFor = None,
    criterion: Limits = None,
    locations: Locations = None,
    action: Action = None,
    workflow: Workflow = False,
    force: Force = False,
    format: TextOrJson = "text",
) -> "_Shared":
    """Returns the options of both commands as one value."""
    options = ImportOptions(
        **read_load(users, rps, arrivals, ramp_up, hold_for, criterion, locations, name),
        action=read_action(action),
        workflow=workflow,
        kept=frozenset(with_ or ()),
        hosts=tuple(map(read_host, host or ())),
        forced=frozenset(rule or ()),
        dropped=frozenset(no_rule or ()),
    )
    return _Shared(options=options, into=into, force=force, explain=explain, tries=try_, format=format)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    options: ImportOptions
    into: Path
    force: bool
    explain: bool
    tries: bool
    format: Literal["text", "json"]


def _with_shared(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of `_shared` besides its own."""
    own, others = (signature(function, eval_str=True).parameters for function in (command, _shared))

    @wraps(command)
    def called(**values: Any) -> None:
        command(shared=_shared(**{name: values.pop(name) for name in others}), **values)

    parameters = [parameter for parameter in (*own.values(), *others.values()) if parameter.name != "shared"]
    vars(called)["__signature__"] = Signature(parameters)
    return called


@_with_shared
def import_command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="File or address to import; - reads stdin.")],
    shared: _Shared,
    second: Annotated[
        str | None, typer.Argument(metavar="SECOND", help="Another recording of the same journey.")
    ] = None,
    postman_environment: Annotated[
        Path | None, typer.Option("--postman-environment", help="Exported environment of a Postman collection.")
    ] = None,
    only_reads: Annotated[bool, typer.Option("--only-reads", help="Leave out requests that change data.")] = False,
    functional: Annotated[
        bool, typer.Option("--functional", help="Write a functional suite, which checks responses.")
    ] = False,
    length: Annotated[str, typer.Option("--length", help="Length of the load of an access log.")] = LENGTH,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Send the requests once, to distinguish values of a session from constants."),
    ] = False,
    yes: Yes = False,
) -> None:
    """Turn a recording, an API description or a script into a suite.

    SOURCE is a HAR, an OpenAPI file, a Postman collection, curl commands, an
    access log, a script of JMeter, Locust, k6 or Gatling, or a Taurus file; toril
    recognises it by the content. Scripts and Taurus files stay unchanged: --host
    is the host of a locustfile, and a JMX keeps its own load unless you give one.
    Of other sources, credentials become references to variables, and a README.md
    lists these and what the suite leaves out, such as static files.

    0 written · 1 --try failed or differs · 2 invalid input · 4 cannot start · 130 interrupted.

    Examples:
      toril import shop.har --try
      toril import shop.jmx --users 20 --workflow
      toril import access.log --host https://staging.example.com --length 5m
    """
    from toril.authoring import create
    from toril.authoring.importing import imported
    from toril.authoring.readers import input_of, script_of

    options = replace(shared.options, environment=postman_environment, only_reads=only_reads, functional=functional)
    options = replace(options, length=read_duration("--length", length, above_0=True), replay=replay)
    done: Imported | None = None
    with nothing_written():
        given = [input_of(path) for path in (source, second) if path is not None]
        kind = script_of(given[0])
        if kind is None:
            if replay and not (yes or only_reads):
                if "-" in (source, second):
                    text = "--replay asks a question, which stdin cannot answer. Add --yes or --only-reads."
                    raise OptionError(text, code="missing-option")
                asked = "--replay sends each request once, also those that change data. Send them?"
                typer.confirm(asked, abort=True, err=True)
            done = imported(given, options, shared.into, force=shared.force)
            created = done.created
        else:
            if second is not None or source == "-" or given[0].folder is None:
                fix = "Save it beside the files that it uses, and pass only its path"
                raise OptionError(f"{given[0].name}: a script. {fix}.", code="not-a-file")
            if kind == "locustfile":
                options = replace(options, urls=tuple(read_url(host, "--host") for host in options.hosts), hosts=())
            refuse(options, OF_RECORDINGS, f"with {given[0].name}: a script stays unchanged. Remove the option.")
            options = replace(options, script=kind, file=given[0].folder / given[0].name)
            created = create(options, shared.into, force=shared.force)
    _conclude(created, done, shared)


def _conclude(created: "Created", done: "Imported | None", shared: _Shared) -> None:
    """Prints what was written, and from what; tries the suite, and exits with the exit code of that."""
    from toril.authoring.correlation import explained
    from toril.authoring.init import variables_of
    from toril.cli.running import try_command

    rules = list(explained(done.recorded, done.correlation)) if done else []
    if shared.format == "json":
        files = [str(shared.into / file) for file in (*created.files, *created.schema)]
        notes = [{"code": note.code, "message": note.message} for note in created.notes]
        about = {"suite": str(shared.into / created.suite), "files": files, "variables": variables_of(created.plan)}
        shown = about | {"notes": notes, "rules": rules}
        echo(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        if done and done.recorded.left_out:
            kinds = ", ".join(f"{kind.what} ({kind.count:,})" for kind in done.recorded.left_out)
            echo(f"left out: {kinds}; see README.md")
        if rules and not shared.explain:
            applied = sum(rule["applied"] for rule in rules)
            echo(f"extracted from responses: {applied} of {len(rules)} values; --explain lists them")
        for rule in rules if shared.explain else ():
            echo("\n".join(_lines(rule)))
        show_created(created, shared.into, "try")
    if shared.tries:
        try_command([str(shared.into / created.suite)], format=shared.format)


def _lines(rule: dict[str, Any]) -> list[str]:
    state = "applied" if rule["applied"] else f"not applied; --rule {rule['rule']} applies it"
    return [
        f"rule {rule['rule']}: {rule['variable']} = {rule['value']} ({state})",
        f"  from {rule['source']}",
        *(f"  used in {use}" for use in rule["uses"]),
        f"  because: {', '.join(rule['why'])}",
    ]


@_with_shared
def record(
    url: Annotated[str, typer.Argument(metavar="URL", help="Address to open.")],
    shared: _Shared,
    steps: Annotated[str, typer.Option("--steps", help="Names of the steps in order, such as login,search,buy.")] = "",
    script: Annotated[
        Path | None,
        typer.Option("--script", exists=True, dir_okay=False, help="Playwright script that records without a person."),
    ] = None,
    playwright: Annotated[
        bool, typer.Option("--playwright", help="Also write a Playwright script of the journey, and its suite.")
    ] = False,
    twice: Annotated[
        bool, typer.Option("--twice", help="Run the script twice, to distinguish values of a session from constants.")
    ] = False,
    device: Annotated[str, typer.Option("--device", help="Device to emulate, such as Pixel 7.")] = "",
    insecure: Annotated[bool, typer.Option("--insecure", help="Accept invalid certificates.")] = False,
    har: Annotated[
        Path | None,
        typer.Option("--har", metavar="FILE", help="Keep the recording, which contains credentials; both of --twice."),
    ] = None,
) -> None:
    """Record a journey in Chromium, and turn it into a suite.

    Click through the application. A bar names the steps: Alt+N begins the next
    one. Done, the closed window or Ctrl-C end the recording. The recording stays
    on this machine, and toril deletes it unless --har keeps it.

    0 written · 1 --try failed or differs · 2 invalid input · 4 no Chromium · 130 interrupted.

    Examples:
      toril record https://shop.example.com/
      toril record https://shop.example.com/ --steps login,search,buy --playwright --har shop.har
    """
    from toril.authoring import refuse_taken
    from toril.authoring.importing import suite_of
    from toril.authoring.journey import browser_files
    from toril.authoring.recorder import RecordOptions, second_of
    from toril.authoring.recorder import record as recorded

    if twice and script is None:
        raise OptionError("--twice: needs --script. Add it, or import two recordings.", code="option-value")
    options = replace(shared.options, urls=(read_url(url.partition("#")[0], "URL"),))
    options = replace(options, name=options.name or default_name(options), urls=())
    names = tuple(step.strip() for step in steps.split(",") if step.strip())
    recording = RecordOptions(
        url=url, steps=names, script=script, twice=twice, device=device, insecure=insecure, har=har
    )
    kept = [file for file in (har, second_of(har) if har and twice else None) if file]
    with nothing_written():
        if not shared.force:
            refuse_taken(shared.into, options.name)  # before a person clicks in vain
        if script is None:
            echo("Recording. To end it, press Done in the bar, close the window, or press Ctrl-C.", err=True)
        journey = recorded(recording)
        try:
            done = suite_of(
                journey.recorded,
                journey.second,
                options,
                shared.into,
                force=shared.force,
                more=(lambda variables: browser_files(journey.tape, url, variables, script)) if playwright else None,
            )
        except UserError:
            files = " ".join(map(str, kept))
            way = f"To try other options: toril import {files}" if kept else "Add --har FILE to keep a recording"
            echo(f"note: No suite is written. {way}.", err=True)
            raise
    if kept:
        text = "contains credentials. Delete what you no longer need for an import"
        echo(f"note: The recording in {' and '.join(map(str, kept))} {text}.", err=True)
    _conclude(done.created, done, shared)
