"""The whole story of `toril init`: decide, write, plan what was written, and keep it only if that goes well."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from toril.authoring.companions import Companions, has_shape, of_jmx, of_python, of_taurus
from toril.authoring.place import placed, refuse_existing
from toril.authoring.readers import PATH_IN_WORKFLOW
from toril.authoring.render import suite_text, workflow_text
from toril.authoring.wanted import ACTION, Choices, Wanted, decided
from toril.errors import OptionError
from toril.plan import make_plan
from toril.records import Plan
from toril.suite import read_suite
from toril.suite.files import SUITE_NAMES

SUITES = PurePosixPath("loadtests")
HOST = re.compile(r"\bhost\s*[:=]")
WORKFLOW = PurePosixPath(".github/workflows/loadtest.yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What was written, and how to go on."""

    suite: PurePosixPath  # what `toril run` takes, from the folder
    files: tuple[PurePosixPath, ...]  # written, below the folder
    plan: Plan
    notes: tuple[str, ...]


def start(wanted: Wanted, folder: Path, *, force: bool = False) -> Started:
    """Write suite and workflow below `folder`, which may not be there yet; what is no good leaves nothing written."""
    choices = decided(wanted, shaped=has_shape(wanted.locustfile))
    home = SUITES / choices.name
    suite, companions = _suite(choices, folder, home)
    files: dict[PurePosixPath, bytes | Path] = {home / name: there for name, there in companions.files.items()}
    if choices.kind != "taurus":
        if home / "suite.yml" in files:
            raise OptionError(f"--{choices.kind}: takes along a suite.yml, whose name the suite needs; rename that one")
        files = {home / "suite.yml": suite_text(choices).encode(), **files}
    _refuse_other_suites(folder, home, files)
    asked = _path_in_workflow(suite) if choices.workflow else None
    refuse_existing(folder, files | ({WORKFLOW: b""} if asked else {}), force=force)  # all in one message
    with placed(folder, files, force=force) as written:
        plan = make_plan(read_suite([folder / suite]), run_id=choices.name, workers=None)
        workflow = {WORKFLOW: workflow_text(asked, plan, choices.action).encode()} if asked else {}
        with placed(folder, workflow, force=force) as beside:
            pass
    notes = (*companions.notes, *plan.warnings, *_notes(choices, plan, folder))
    return Started(suite=suite, files=(*written, *beside), plan=plan, notes=notes)


def refuse_taken(folder: Path, name: str | None = None) -> None:
    """What `start` would refuse in the end, before anybody answers in vain: the workflow, or a suite of that name."""
    names = [WORKFLOW] if name is None else [SUITES / name / suite for suite in SUITE_NAMES]
    refuse_existing(folder, dict.fromkeys(names, b""), force=False)


def _suite(choices: Choices, folder: Path, home: PurePosixPath) -> tuple[PurePosixPath, Companions]:
    """What `toril run` will take, and the files that belong in the suite's folder."""
    if choices.file is None:
        return home, Companions(files={})
    if choices.kind == "jmx":
        return home, of_jmx(choices.file)
    if choices.kind == "locustfile":
        return home, of_python(choices.file)
    top, file = folder.resolve(), choices.file.resolve()
    if not file.is_relative_to(top):
        return home, of_taurus(choices.file)
    inner = PurePosixPath(file.relative_to(top).as_posix())  # it is where it belongs already
    return (inner.parent if inner.name in SUITE_NAMES and inner.parent.name else inner), Companions(files={})


def _refuse_other_suites(folder: Path, home: PurePosixPath, files: Mapping[PurePosixPath, bytes | Path]) -> None:
    """A second suite in a folder, of which only one would be run."""
    if not any(name.parent == home for name in files):
        return
    for name in SUITE_NAMES:
        if home / name not in files and (folder / home / name).exists():
            raise OptionError(f"{folder / home / name} is a suite already; choose another --name")


def _path_in_workflow(suite: PurePosixPath) -> str:
    if not PATH_IN_WORKFLOW.fullmatch(str(suite)):
        raise OptionError(f"{str(suite)!r} cannot stand in a workflow; rename it, or give --no-workflow")
    return str(suite)


def _notes(choices: Choices, plan: Plan, folder: Path) -> Iterator[str]:
    if choices.kind == "locustfile" and choices.file and not choices.urls and not HOST.search(choices.file.read_text()):
        yield f"{choices.file.name} sets no `host`; if what it imports sets none either, give its address with --url"
    if not plan.criteria:
        yield "the suite has no criteria, so nothing measured fails it; write some as docs/suites.md says"
    if (folder / ".git").exists() and not _ignores_runs(folder / ".gitignore"):
        yield "runs are kept in .toril/: name it in .gitignore"
    if not choices.workflow:
        return
    if choices.action == ACTION:
        yield f"{WORKFLOW}: replace <owner> by the owner of the repository that has toril's action, or give --action"
    top = folder.resolve()
    above = next((parent for parent in top.parents if (parent / ".git").exists()), None)
    if above is not None and not (top / ".git").exists():
        yield f"GitHub reads workflows at the top of a repository only, here {above}: call `toril init` there"


def _ignores_runs(file: Path) -> bool:
    return file.is_file() and ".toril" in file.read_text(errors="replace")
