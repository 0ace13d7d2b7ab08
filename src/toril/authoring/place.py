"""Files into a folder: all of them or none, and never over what is there unless that was asked for."""

import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from toril.errors import OptionError
from toril.suite.fetch import checked_names, inside

MOST_NAMED = 3


def refuse_existing(folder: Path, names: Mapping[PurePosixPath, bytes | Path], *, force: bool) -> None:
    """OptionError when a file would be written over, or elsewhere."""
    there = []
    for name, content in names.items():
        path = inside(folder, str(name))
        if path.exists() and not _same(path, content):
            if not path.is_file():
                raise OptionError(f"{path} is no file; move it away, or choose another --name")
            there.append(path)
    if there and not force:
        named = ", ".join(map(str, there[:MOST_NAMED])) + (" …" if len(there) > MOST_NAMED else "")
        raise OptionError(
            f"{named} {'is' if len(there) == 1 else 'are'} there already; nothing was written: "
            "choose another --name, keep a workflow by --no-workflow, or write over them with --force"
        )


def _same(path: Path, content: bytes | Path) -> bool:
    """A file that lies where it belongs."""
    return isinstance(content, Path) and path.exists() and path.samefile(content)


@contextmanager
def placed(
    folder: Path, files: Mapping[PurePosixPath, bytes | Path], *, force: bool
) -> Iterator[tuple[PurePosixPath, ...]]:
    """Write contents, or copy files, to those names below `folder`; whatever ends the block badly undoes it all.

    Yields the names that were written: a file that lies where it belongs is left alone.
    """
    checked_names(map(str, files))
    refuse_existing(folder, files, force=force)
    done = _Done()
    wanted = {name: content for name, content in files.items() if not _same(folder / name, content)}
    try:
        for name, content in wanted.items():
            done.write(inside(folder, str(name)), content, force=force)
        yield tuple(wanted)
    except BaseException:
        done.undo()
        raise
    done.keep()


class _Done:
    """What has been done so far, and how it is undone."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self.files: list[Path] = []
        self.replaced: dict[Path, Path] = {}  # → where the file is that was there

    def write(self, path: Path, content: bytes | Path, *, force: bool) -> None:
        try:
            self._make_folder(path.parent)
            if force and path.exists():
                aside = path.with_name(f".{secrets.token_hex(4)}.toril")
                self.replaced[path] = aside
                path.rename(aside)
            with path.open("xb") as file:
                self.files.append(path)
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, file)
        except OSError as error:
            raise OptionError(f"{path} cannot be written: {error.strerror}; nothing was written") from error

    def _make_folder(self, folder: Path) -> None:
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        for parent in reversed(missing):
            parent.mkdir()
            self.folders.append(parent)

    def undo(self) -> None:
        for path in self.files:
            path.unlink(missing_ok=True)
        for path, aside in self.replaced.items():
            with suppress(FileNotFoundError):  # what was not moved aside yet
                aside.rename(path)
        for folder in reversed(self.folders):
            with suppress(OSError):  # somebody else has put something there
                folder.rmdir()

    def keep(self) -> None:
        for aside in self.replaced.values():
            aside.unlink()
