"""Suites in a store: their versions, what a version would run, and the differences between two versions.

A version is `versions/<suite>/<number>.json`, written once; the highest number is the current one. Its files are
values under their SHA-256, written before it. Nothing here executes, imports or downloads a part of a suite.
"""

import difflib
import hashlib
import io
import re
import stat
import tempfile
import zipfile
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, ClassVar

from toril.errors import OptionError, StoreError, SuiteError, UserError
from toril.plan.options import RunOptions, plan_run
from toril.records import Plan, Record, SuiteOrigin
from toril.records.console import SuiteVersion
from toril.records.history import IndexRow
from toril.secrets.masking import mask, masked_settings
from toril.store import Reader, Store
from toril.store.records import find_record, get_record
from toril.suite.documents import line_of, parse
from toril.suite.fetch import checked_names, fetch_files, write_file
from toril.suite.files import SUITE_NAMES
from toril.suite.reader import mapping_at

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,58}[A-Za-z0-9_])?")  # as the name of a suite's folder becomes one
TOP = "versions/"
RESERVED = "new"  # the address of the console's page for a new suite
DRAFT = "-draft"  # ends the name of the suite whose versions are tried while it is written
MOST_FILES = 1_000  # of a suite that is uploaded
MOST_BYTES = 50 << 20
MOST_RATIO = 200  # of a zip's contents to the zip; text has up to about 100
MOST_COMPARED = 40_000  # lines of a diff, whose time grows with their square
FREE_BYTES = 1 << 20  # contents that may have any ratio
CHUNK = 1 << 16
ENTRY = b"PK\x01\x02"  # the start of each entry in a zip's directory
TRIES = 10  # of a push beside other pushes
LINE = re.compile(r"line (\d+)\b")


class ConflictError(StoreError):
    """A version that another person saved first."""


def is_draft(suite: str, runs: Iterable[IndexRow]) -> bool:
    """Whether a suite was only tried while it was written, so that lists leave it out."""
    return suite.endswith(DRAFT) and all(row.kind == "try" for row in runs)


class Pushed(Record):
    """`suites/<name>.json`: a suite that an older toril suite pushed. Its files are below `suites/<name>/`."""

    SCHEMA: ClassVar[str] = "toril.pushed/1"
    suite: str
    at: float
    files: dict[str, str]  # path in the suite's folder → SHA-256 of the file
    origin: SuiteOrigin | None = None


# ── versions


def save(
    store: Store,
    name: str,
    files: Mapping[str, bytes | Path],
    *,
    by: str,
    comment: str,
    at: float,
    expected: int | None,
    origin: SuiteOrigin | None = None,
    max_cost_usd: float | None = None,
) -> SuiteVersion:
    """Stores the next version of a suite.

    `max_cost_usd`: what a run of it may cost that has no request with its own limit.

    `expected`: the number of the version that was edited, 0 for a new suite; ConflictError if it is not the current
    one. None: the new version follows any other one.
    """
    if name == RESERVED:
        raise OptionError(f"suite `{name}`: this name is reserved; choose another one", code="suite-name")
    checked_names(files)
    hashes = {path: hashlib.sha256(_content(content)).hexdigest() for path, content in files.items()}
    for _ in range(TRIES):
        numbers = _numbers(store, checked_name(name))
        last = get_record(store, SuiteVersion, _key(name, numbers[-1])) if numbers else None
        number = 0 if last is None else last.number
        if expected is not None and expected != number:
            raise _conflict(name, expected, last)
        known = set() if last is None else set(last.files.values())
        for path, sha256 in hashes.items():
            if sha256 not in known:
                store.put(_file_key(name, sha256), _content(files[path]))
                known.add(sha256)
        version = SuiteVersion(
            suite=name,
            number=number + 1,
            at=at,
            by=by,
            comment=comment,
            files=hashes,
            origin=origin,
            max_cost_usd=max_cost_usd,
            **_about(files),
        )
        if store.put_once(_key(name, version.number), version.to_json()):
            _retire(store, name)
            return version
    raise StoreError(f"suite {name}: others save versions all the time; try again", code="version-conflict")


def _about(files: Mapping[str, bytes | Path]) -> dict[str, Any]:
    """Returns the description and the tags of a suite, without credentials; none if it cannot be read."""
    main = next((name for name in SUITE_NAMES if name in files), None)
    try:
        documents, _ = parse("" if main is None else _content(files[main]).decode(), "")
    except (SuiteError, UnicodeDecodeError):  # a save may be wrong; checks say why
        return {}
    ours = mapping_at(documents[0], "toril") if documents else {}
    tags = masked_settings({str(key): str(value) for key, value in mapping_at(ours, "tags").items()})
    return {"description": mask(str(ours.get("description") or ""))[:500], "tags": tags}


def _conflict(name: str, expected: int, last: SuiteVersion | None) -> ConflictError:
    what = "was deleted"
    if last is not None:
        when = f"{datetime.fromtimestamp(last.at, UTC):%Y-%m-%d %H:%M} UTC"
        what = f"has version {last.number}, which {last.by or 'somebody'} saved at {when}"
    fix = "compare your text with it, and save again"
    return ConflictError(f"suite {name} {what}, and you edited version {expected}; {fix}", code="version-conflict")


def versions(store: Reader, name: str) -> list[SuiteVersion]:
    """Returns the versions of a suite, newest first; an older toril's push is number 0."""
    keys = [_key(name, number) for number in reversed(_numbers(store, checked_name(name)))]
    files = store.find_many(keys)
    pushed = None if keys else _pushed(store, name)
    return [SuiteVersion.from_json(files[key], key) for key in keys if key in files] + ([pushed] if pushed else [])


def current(store: Reader, name: str, number: int | None = None) -> SuiteVersion:
    """Returns a version of a suite, by default the current one; StoreError if there is none."""
    if number is None:
        number = max(_numbers(store, checked_name(name)), default=0)
    known = _pushed(store, name) if number == 0 else find_record(store, SuiteVersion, _key(checked_name(name), number))
    if known is None:
        which = f"version {number}" if number else "version, so it was deleted or never saved"
        text = f"{store.address(f'{TOP}{name}')}: suite {name} has no {which}"
        raise StoreError(f"{text}; save it in the console, or with `toril suite push`", code="no-such-suite")
    return known


def read(store: Reader, name: str, number: int | None = None) -> tuple[SuiteVersion, dict[str, bytes]]:
    """Returns a version of a suite, by default the current one, and its files."""
    version = current(store, name, number)
    keys = _file_keys(version)
    files = store.find_many(keys.values())
    missing = [path for path, key in keys.items() if key not in files]
    if missing:
        raise StoreError(f"suite {name}, version {version.number}: {missing[0]} is missing", code="changed-suite")
    return version, {path: files[key] for path, key in keys.items()}


def copy_to(store: Store, version: SuiteVersion, folder: Path) -> None:
    """Copies the files of a version into a new folder, and checks their names and contents."""
    fetch_files(_Files(store, version), "", folder, version.files)


@dataclass(frozen=True, slots=True)
class _Files:
    """A version as a source of its files."""

    store: Store
    version: SuiteVersion

    def get(self, path: str) -> bytes:
        return self.store.get(_file_keys(self.version)[path])


def suite_names(store: Reader) -> list[str]:
    """Returns the names of all suites that have a version."""
    older = (key.removeprefix("suites/").removesuffix(".json") for key in store.keys("suites/") if key.count("/") == 1)
    names = {name for name in older if NAME.fullmatch(name) and _pushed(store, name)}
    return sorted(names | {name for name in store.names(TOP) if NAME.fullmatch(name)})


def delete(store: Store, name: str) -> None:
    """Deletes all versions of a suite; its runs stay. StoreError if there is no such suite."""
    current(store, name)
    store.delete(f"{TOP}{name}/")
    _retire(store, name)


def diff(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> str:
    """Returns the unified diff of two versions' files; only the sizes of a file that is too long or not text."""
    lines: list[str] = []
    left = MOST_COMPARED
    for path in sorted({*old, *new}):
        before, after = old.get(path), new.get(path)
        if before == after:
            continue
        texts = [_lines(data) for data in (before, after)]
        length = sum(len(lines or ()) for lines in texts)
        if texts[0] is None or texts[1] is None or length > left:
            sizes = " → ".join("none" if data is None else f"{len(data):,} bytes" for data in (before, after))
            lines.append(f"{path}: {'too long' if None not in texts else 'not text'}, {sizes}\n")
            continue
        left -= length
        none = "/dev/null"
        lines += difflib.unified_diff(
            texts[0], texts[1], none if before is None else path, none if after is None else path
        )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _lines(data: bytes | None) -> list[str] | None:
    try:
        return [] if data is None else data.decode().splitlines(keepends=True)
    except UnicodeDecodeError:
        return None


def checked_name(name: str) -> str:
    """Returns the name of a suite; OptionError if it is invalid."""
    if not NAME.fullmatch(name):
        text = (
            f"suite `{name[:80]}`: use at most 60 letters, digits, `.`, `_` and `-`, and begin with a letter or digit"
        )
        raise OptionError(text, code="suite-name")
    return name


def _numbers(store: Reader, name: str) -> list[int]:
    keys = takewhile(lambda key: not key.startswith(f"{TOP}{name}/files/"), store.keys(f"{TOP}{name}/"))
    numbers = (key.rpartition("/")[2].removesuffix(".json") for key in keys)
    return sorted(int(number) for number in numbers if number.isdecimal())


def _pushed(store: Reader, name: str) -> SuiteVersion | None:
    pushed = find_record(store, Pushed, f"suites/{name}.json")
    if pushed is None:
        return None
    return SuiteVersion(suite=name, number=0, at=pushed.at, files=pushed.files, origin=pushed.origin)


def _retire(store: Store, name: str) -> None:
    """Removes an older toril's push, so that no older toril runs the old files."""
    if _pushed(store, name) is not None:
        store.delete_many([f"suites/{name}.json"])
        store.delete(f"suites/{name}/")


def _key(name: str, number: int) -> str:
    return f"{TOP}{name}/{number:06d}.json"


def _file_key(name: str, sha256: str) -> str:
    return f"{TOP}{name}/files/{sha256}"


def _file_keys(version: SuiteVersion) -> dict[str, str]:
    """Returns the key of each file, by its path."""
    name = version.suite
    if version.number == 0:
        return {path: f"suites/{name}/{path}" for path in version.files}
    return {path: _file_key(name, sha256) for path, sha256 in version.files.items()}


def _content(content: bytes | Path) -> bytes:
    return content.read_bytes() if isinstance(content, Path) else content


# ── uploads


def checked_files(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Returns the files of an upload; SuiteError for invalid names, and for too many or too large files."""
    checked_names(files)
    if len(files) > MOST_FILES:
        raise too_large(f"it has {len(files):,} files, more than {MOST_FILES:,}")
    size = sum(map(len, files.values()))
    if size > MOST_BYTES:
        raise too_large(f"it has {size >> 20:,} MiB, more than {MOST_BYTES >> 20}")
    return files


def files_of_zip(data: bytes) -> dict[str, bytes]:
    """Returns the files in a zip, without a single folder around all of them; SuiteError if it may be an attack.

    It counts bytes as it inflates them, because a zip's own figures may be wrong.
    """
    if data.count(ENTRY) > 10 * MOST_FILES:  # each would take half a kilobyte of memory before it can be counted
        raise too_large(f"the zip has more than {10 * MOST_FILES:,} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MOST_FILES:
                raise too_large(f"it has {len(members):,} files, more than {MOST_FILES:,}")
            names = [_checked_member(member) for member in members]
            if len(set(names)) < len(names):
                raise SuiteError("the zip has two files of one name; make it again", code="bad-zip")
            checked_names(names)
            left = min(MOST_BYTES, max(FREE_BYTES, MOST_RATIO * len(data)))
            files: dict[str, bytes] = {}
            for member in members:
                files[member.filename] = _inflated(archive, member, left)
                left -= len(files[member.filename])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise SuiteError(f"the zip cannot be read: {error}; make it again", code="bad-zip") from error
    except Exception as error:  # zlib, bz2 and lzma have errors of their own
        if isinstance(error, UserError):
            raise
        raise SuiteError(f"the zip is damaged: {error}; make it again", code="bad-zip") from error
    tops = {name.partition("/")[0] for name in files}
    if len(tops) == 1 and all("/" in name for name in files):
        files = {name.partition("/")[2]: data for name, data in files.items()}
    return files


def _checked_member(item: zipfile.ZipInfo) -> str:
    mode = item.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise SuiteError(f"the zip has {item.filename[:200]!r}, which is a link or a device; remove it", code="bad-zip")
    if item.flag_bits & 0x1:
        raise SuiteError(f"the zip has {item.filename[:200]!r}, which is encrypted; decrypt it", code="bad-zip")
    return item.filename


def _inflated(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    data = bytearray()
    with archive.open(member) as file:
        while chunk := file.read(CHUNK):
            data += chunk
            if len(data) > most:
                raise too_large("it becomes too large when it is unpacked")
    return bytes(data)


def too_large(what: str) -> SuiteError:
    return SuiteError(f"the suite is too large: {what}; remove files that no worker needs", code="too-large")


# ── checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A problem or warning of a suite. `file` and `line` are those of the cause, if they are known."""

    code: str
    message: str
    file: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What `toril plan` says of a suite: its plan with warnings, or the problem."""

    plan: Plan | None = None
    warnings: tuple[Remark, ...] = ()
    problem: Remark | None = None
    others: tuple[Remark, ...] = ()  # further problems that were found at the same time

    def planned(self) -> Plan:
        """Returns the plan; SuiteError with the problem if there is none."""
        if self.plan is None:
            assert self.problem is not None  # noqa: S101 - a check has a plan or a problem
            raise SuiteError(self.problem.message, code=self.problem.code)
        return self.plan


def validate(files: Mapping[str, bytes], options: RunOptions, *, name: str = "suite", now: float = 0.0) -> Checked:
    """Plans a suite of uploaded files, without this machine's environment and other files."""
    with tempfile.TemporaryDirectory(prefix="toril-suite-") as temporary:
        folder = Path(temporary).resolve() / checked_name(name)
        try:
            folder.mkdir()
            for path, data in checked_files(files).items():
                write_file(folder, path, data)
            _, plan = plan_run([folder], options.model_copy(update={"confined": True}), now)
        except UserError as error:
            others = (_remark(note.code, note.message, folder, files) for note in getattr(error, "others", ()))
            return Checked(problem=_remark(error.code, str(error), folder, files), others=tuple(others))
        warnings = tuple(_remark(note.code, note.message, folder, files) for note in plan.notes)
        return Checked(plan=plan, warnings=warnings)


def _remark(code: str, message: str, folder: Path, files: Container[str]) -> Remark:
    """Returns a message without the temporary folder, with the line that it is about."""
    file, _, rest = message.partition(": ")
    line = None
    if file not in files:
        file = ""
    elif match := LINE.match(rest):
        line = int(match[1])
    else:
        line = line_of(folder / file, rest.partition(": ")[0])
    message = message.replace(f"{folder}/", "").replace(str(folder), "the suite")
    return Remark(code=code, message=message, file=file, line=line)
