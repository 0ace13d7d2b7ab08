"""`toril init`: writes a suite and its workflow, and keeps them only if the suite can be planned."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from toril.authoring.companions import Companions, has_shape, of_jmx, of_script, of_taurus
from toril.authoring.form import FormExecution, SuiteForm, criterion_of, text_of
from toril.authoring.options import NO_ACTION, THINK_TIME_S, InitOptions, drafted, number
from toril.authoring.steps import FormStep
from toril.authoring.writer import SCHEMA_FILE, SCHEMA_MARK
from toril.criteria import duration_s
from toril.errors import Note, OptionError
from toril.explain import SITE
from toril.plan import make_plan
from toril.records import Plan
from toril.suite import read_suite
from toril.suite.fetch import checked_names, inside
from toril.suite.files import SUITE_NAMES
from toril.suite.reader import mapping_at
from toril.suite.schema import schema_text
from toril.suite.settings import VARIABLE

if TYPE_CHECKING:
    from jinja2 import Template

SUITES = PurePosixPath("loadtests")
WORKFLOW = PurePosixPath(".github/workflows/loadtest.yml")
PATH_IN_WORKFLOW = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._/@+ -]*")
HOST = re.compile(r"\bhost\s*[:=]")
MAX_NAMED = 3  # files in a message

Contents = Mapping[PurePosixPath, bytes | Path]  # by path below a folder; a Path is a file to copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The written files, and the suite to run next."""

    suite: PurePosixPath  # the argument of `toril run`, relative to the folder
    files: tuple[PurePosixPath, ...]  # written files, relative to the folder
    plan: Plan
    notes: tuple[Note, ...]
    schema: tuple[PurePosixPath, ...] = ()  # the written schema of suites


def create(options: InitOptions, folder: Path, *, force: bool = False) -> Created:
    """Writes suite and workflow below `folder`, which may not exist; removes a suite that cannot be planned."""
    draft = drafted(options, shaped=has_shape(options.file))
    home = SUITES / draft.name
    suite, companions = _suite(draft, folder, home)
    contents: dict[PurePosixPath, bytes | Path] = {home / name: path for name, path in companions.files.items()}
    if draft.kind != "taurus":
        if home / "suite.yml" in contents:
            text = f"{draft.file}: the script uses a file named suite.yml, but the suite needs that name. Rename it."
            raise OptionError(text, code="colliding-names")
        contents = {home / "suite.yml": suite_text(draft).encode(), **contents}
    created = place(contents, suite, folder, force=force, action=draft.action if draft.workflow else None)
    return replace(created, notes=(*companions.notes, *_notes(draft, created.plan), *created.notes))


def place(
    contents: Contents, suite: PurePosixPath, folder: Path, *, force: bool, action: str | None, confined: bool = False
) -> Created:
    """Writes a suite below `folder`, which may not exist, with its workflow; removes a suite that cannot be planned.

    `suite` is the argument of `toril run`. `action` is the address of toril's action; None: no workflow.
    `confined`: the suite does not get this process's environment.
    """
    _refuse_other_suites(folder, suite, contents)
    path = "" if action is None else str(suite)
    if path and not PATH_IN_WORKFLOW.fullmatch(path):
        text = f"`{path}`: invalid path for a workflow. Rename it, or add --no-workflow."
        raise OptionError(text, code="unusable-name")
    # before writing, to name all files in one message
    refuse_existing(folder, {**contents, **({WORKFLOW: b""} if path else {})}, force=force)
    contents, schema = (contents, {}) if SITE or confined else _with_schema(contents, folder)
    with placed(folder, contents, force=force) as written, placed(folder, schema, force=True) as about:
        read = read_suite([folder / suite], system={} if confined else None, confined=confined)
        plan = make_plan(read, run_id=suite.name, workers=None)
        workflow = {} if action is None else {WORKFLOW: workflow_text(path, plan, action).encode()}
        with placed(folder, workflow, force=force) as beside:
            pass
    notes = (*plan.notes, *_notes_of_repository(folder, action))
    return Created(suite=suite, files=(*written, *beside), schema=about, plan=plan, notes=notes)


def _with_schema(contents: Contents, folder: Path) -> tuple[Contents, Contents]:
    """Returns the contents with a line by which editors find the schema of suites, and the schema beside their folders.

    While toril has no site, the repository holds the schema, so that it works for everybody who clones it.
    """
    text, wanted, schema = schema_text().encode(), dict(contents), dict[PurePosixPath, bytes | Path]()
    for path, data in contents.items():
        if path.name == "suite.yml" and isinstance(data, bytes):
            wanted[path] = f"{SCHEMA_MARK}$schema=../{SCHEMA_FILE}\n".encode() + data
            beside = path.parent.parent / SCHEMA_FILE
            if not (folder / beside).is_file() or (folder / beside).read_bytes() != text:
                schema[beside] = text
    return wanted, schema


def refuse_taken(folder: Path, name: str | None = None) -> None:
    """Raises OptionError if the workflow, or a suite of that name, exists; called before more questions."""
    names = [WORKFLOW] if name is None else [SUITES / name / suite for suite in SUITE_NAMES]
    refuse_existing(folder, dict.fromkeys(names, b""), force=False)


def _suite(draft: InitOptions, folder: Path, home: PurePosixPath) -> tuple[PurePosixPath, Companions]:
    """Returns the argument of `toril run`, and the files for the folder of the suite."""
    if draft.file is None:
        return home, Companions(files={})
    if draft.kind == "jmx":
        return home, of_jmx(draft.file)
    if draft.kind != "taurus":
        return home, of_script(draft.file)
    top, file = folder.resolve(), draft.file.resolve()
    if not file.is_relative_to(top):
        return home, of_taurus(draft.file)
    inner = PurePosixPath(file.relative_to(top).as_posix())  # the file is already in the repository
    return (inner.parent if inner.name in SUITE_NAMES and inner.parent.name else inner), Companions(files={})


def _refuse_other_suites(folder: Path, home: PurePosixPath, contents: Contents) -> None:
    """Raises OptionError for a second suite in a folder, because only one would run."""
    for name in SUITE_NAMES if any(name.parent == home for name in contents) else ():
        if home / name not in contents and (folder / home / name).exists():
            text = f"{folder / home / name}: the suite already exists. Choose another --name."
            raise OptionError(text, code="file-exists")


def _notes(draft: InitOptions, plan: Plan) -> Iterator[Note]:
    if draft.kind == "locustfile" and draft.file and not draft.urls and not HOST.search(draft.file.read_text()):
        text = f"{draft.file.name} sets no `host`. Unless its imports set one, pass the address with --host."
        yield Note("no-host", text)
    if not plan.criteria:
        text = "The suite has no criteria, so no measurement fails it. Add some, see docs/reference/criteria.md."
        yield Note("no-criteria", text)


def _notes_of_repository(folder: Path, action: str | None) -> Iterator[Note]:
    ignored = folder / ".gitignore"
    if (folder / ".git").exists() and not (ignored.is_file() and ".toril" in ignored.read_text(errors="replace")):
        yield Note("runs-not-ignored", "toril stores runs in .toril/. Add `.toril/` to .gitignore.")
    if action is None:
        return
    if action == NO_ACTION:
        line = (folder / WORKFLOW).read_text().partition(NO_ACTION)[0].count("\n") + 1
        text = f"{WORKFLOW}:{line}: replace YOUR_ORG by the GitHub account that has a copy of toril, or pass --action."
        yield Note("no-action-owner", text)
    top = folder.resolve()
    above = next((parent for parent in top.parents if (parent / ".git").exists()), None)
    if above is not None and not (top / ".git").exists():
        text = f"GitHub reads workflows only in the root of the repository. Run the command in {above}."
        yield Note("not-at-the-top", text)


def suite_text(draft: InitOptions) -> str:
    """Returns the suite.yml for a URL, JMX or locustfile."""
    first = draft.urls[0].origin if draft.urls else ""
    rises = draft.ramp_up is not None and duration_s(draft.ramp_up) > 0
    execution = FormExecution(
        scenario=draft.name,
        address=first,
        steps=tuple(FormStep(url=url.path if url.origin == first else url.origin + url.path) for url in draft.urls),
        script=draft.file.name if draft.file else "",
        executor=draft.executor,
        taurus="jmeter" if draft.rps else "apiritif",
        think_time="" if draft.rps else f"{THINK_TIME_S}s",
        load="arrivals" if draft.arrivals else "script" if draft.users is None else "users",
        arrivals=draft.arrivals,
        users=str(draft.users or ""),
        most="" if draft.rps is None else str(number(draft.rps)),
        ramp_up=draft.ramp_up or "",
        hold_for=draft.hold_for or "",
        locations={name: str(number(weight)) for name, weight in draft.locations.items()},
    )
    criteria = tuple(criterion_of(limit.text) for limit in draft.limits)
    return text_of(SuiteForm(executions=(execution,), criteria=criteria, steady_only=rises))


def workflow_text(suite: str, plan: Plan, action: str) -> str:
    """Returns the workflow for the repository of the user; `suite` is a path in it."""
    executors = {execution.executor for execution in plan.executions}
    built = {"jmeter": "jmeter" in executors, "engine": not {"toril", "vegeta"}.isdisjoint(executors)}
    # The load plus time to install, start and judge; an hour if a script sets the load.
    minutes = 60 if plan.bounded_s is None else 20 + math.ceil(plan.bounded_s / 60)
    workflow = template("loadtest.yml.jinja", yaml_value)
    return workflow.render(suite=suite, action=action, minutes=minutes, secrets=variables_of(plan), **built)


def variables_of(plan: Plan) -> list[str]:
    """Returns the variables that a suite expects in the environment, as `TOKEN: ${TOKEN}`."""
    env = mapping_at(plan.common, "settings", "env")
    return [name for name, value in env.items() if value == f"${{{name}}}" and VARIABLE.fullmatch(name)]


def yaml_value(value: Any) -> str:
    """Returns a value on one line of YAML, quoted if needed.

    >>> yaml_value("a: b")
    "'a: b'"
    """
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf, sort_keys=False)
    return text.removesuffix("...\n").strip()


def template(name: str, finalize: Callable[[Any], Any]) -> "Template":
    """Returns a template of this package; `finalize` makes each printed value harmless."""
    from jinja2 import Environment, StrictUndefined  # heavy, and needed only here

    environment = Environment(
        autoescape=False,  # noqa: S701 - not HTML: `finalize` escapes
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=finalize,
    )
    return environment.from_string(files("toril.authoring").joinpath(name).read_text(encoding="utf-8"))


def refuse_existing(folder: Path, contents: Contents, *, force: bool) -> None:
    """Raises OptionError for an existing file, and SuiteError for a path outside the folder."""
    existing = []
    for name, content in contents.items():
        path = inside(folder, str(name))
        if path.exists() and not _is_source(path, content):
            if not path.is_file():
                raise OptionError(f"{path}: not a file. Move it away, or choose another --name.", code="file-exists")
            existing.append(path)
    if existing and not force:
        named = ", ".join(map(str, existing[:MAX_NAMED])) + (" …" if len(existing) > MAX_NAMED else "")
        keeps = " write no workflow (--no-workflow)," if folder / WORKFLOW in existing else ""
        what = f"{named}: already {'exists' if len(existing) == 1 else 'exist'}, so no files are written"
        fix = f"Choose another --name,{keeps} or overwrite with --force"
        raise OptionError(f"{what}. {fix}.", code="file-exists")


def _is_source(path: Path, content: bytes | Path) -> bool:
    """Returns whether the file to copy is already in place."""
    return isinstance(content, Path) and path.exists() and path.samefile(content)


@contextmanager
def placed(folder: Path, contents: Contents, *, force: bool) -> Iterator[tuple[PurePosixPath, ...]]:
    """Writes or copies all files; restores the folder if the block ends with an exception.

    Yields the names of written files; skips a file that is already in place.
    """
    checked_names(map(str, contents))
    refuse_existing(folder, contents, force=force)
    wanted = {name: content for name, content in contents.items() if not _is_source(folder / name, content)}
    with ExitStack() as undo:
        for name, content in wanted.items():
            path = inside(folder, str(name))
            try:
                _write(path, content, undo)
            except OSError as error:
                text = f"{path}: cannot write the file: {error.strerror}. No files are written."
                raise OptionError(text, code="unwritable-file") from error
        yield tuple(wanted)
        undo.pop_all()


def _write(path: Path, content: bytes | Path, undo: ExitStack) -> None:
    """Writes a file; OSError if another program has created it meanwhile."""
    for parent in reversed([parent for parent in path.parents if not parent.exists()]):
        parent.mkdir()
        undo.callback(_remove_folder, parent)
    before = path.read_bytes() if path.exists() else None
    with path.open("xb" if before is None else "wb") as file:
        if before is None:
            undo.callback(path.unlink, missing_ok=True)
        else:
            undo.callback(path.write_bytes, before)
        file.write(content if isinstance(content, bytes) else content.read_bytes())


def _remove_folder(folder: Path) -> None:
    with suppress(OSError):  # another program may have written into the folder
        folder.rmdir()
