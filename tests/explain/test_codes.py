"""Every code that toril can show has a text, and every text a code."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from toril import cli, explain
from toril.aws.errors import ADVICE
from toril.regression.earlier import CODES as EARLIER
from toril.suite.sections import CODES as OF_PYDANTIC

SOURCES = Path(explain.__file__).parents[1]
INTERNAL = {  # classes whose codes only programs read
    *("Advice", "Case", "Check", "Column", "Difference", "NoteBlock", "ShownReason", "WorkerExit", "ScriptLine"),
}
FUNCTIONS = {  # that pass a code on: name → its position
    **dict.fromkeys(("error", "misfit", "missing", "optional", "reason", "undecided", "warn", "warning", "wrong"), 0),
    **{"_tool": 1, "undecided": 1, "_refuse": 2, "keep_failure": 3, "fault": 0, "problem": 1, "problem_document": 1},
    "_refused": 0,  # elsewhere 2, with codes that others have, too
}
IN_TABLES = {  # of sources, from which a code comes by its value
    *ADVICE,
    *EARLIER.values(),
    *OF_PYDANTIC.values(),
    *("no-such-method", "unreadable-body", "no-such-address"),  # by status
    *("not-through-cloudfront", "not-audited"),  # of the console's guard
    *("cancelled", "deleted", "interrupted", "nothing-recent", "recursive-alias", "yaml-tag"),
    *("unexpected-kind", "unexpected-location", "unexpected-timeframe"),  # of criteria on a capacity
}


@cache
def trees() -> dict[str, ast.Module]:
    paths = sorted(SOURCES.rglob("*.py"))
    return {path.relative_to(SOURCES).as_posix(): ast.parse(path.read_text()) for path in paths}


@cache
def classes() -> dict[str, ast.ClassDef]:
    return {node.name: node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def positions(node: ast.ClassDef) -> list[str]:
    """The names of a class' parameters in order, of its own or of the class that it extends."""
    fields = [one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]
    init = next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    if init is not None:
        return [argument.arg for argument in init.args.args[1:]]
    bases = [classes()[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in classes()]
    return fields or (positions(bases[0]) if bases else [])


def texts(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from (*texts(value.body), *texts(value.orelse))


def raised() -> dict[str, str]:
    """The codes that the sources name in calls and in assignments to `code`, each with one place."""
    found: dict[str, str] = {}
    for path, tree in trees().items():
        for node in ast.walk(tree):
            values: list[ast.expr] = []
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                name = name.lstrip("_") if name.lstrip("_") in classes() or name.lstrip("_") in INTERNAL else name
                place = FUNCTIONS.get(name)
                if name in INTERNAL or (name in ("_check", "page") and path.startswith("reports/")):
                    continue
                if name in classes() and "code" in (order := positions(classes()[name])):
                    place = order.index("code")
                values = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
                values += node.args[place : place + 1] if place is not None else []
            elif (
                not path.startswith("engines/")
                and isinstance(node, ast.Assign)
                and isinstance(target := node.targets[0], (ast.Name, ast.Tuple))
            ):
                names = [getattr(one, "id", "") for one in (target.elts if isinstance(target, ast.Tuple) else [target])]
                items = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                values = [item for one, item in zip(names, items, strict=False) if one == "code"]
            found |= {text: f"{path}:{value.lineno}" for value in values for text in texts(value)}
    return {code: place for code, place in found.items() if explain.NAME.fullmatch(code)}


def test_every_code_of_the_sources_has_a_text_and_every_text_a_code() -> None:
    known = {code.name for code in explain.codes()}
    found = raised()
    assert {code: place for code, place in found.items() if code not in known} == {}
    assert known - found.keys() - IN_TABLES == set()


def test_each_code_has_one_short_text() -> None:
    codes = explain.codes()
    assert len({code.name for code in codes}) == len(codes)
    for code in codes:
        assert explain.NAME.fullmatch(code.name)
        assert 4 <= len(code.text.split()) <= 130, code.name
        assert code.outcome in ("", "failed", "inconclusive", "passed"), code.name


def test_texts_name_commands_and_options_that_exist() -> None:
    for code in explain.codes():
        for line in re.findall(r"`toril ([^`]+)`", code.text):
            words = line.split()
            name = " ".join(words[:2]) if " ".join(words[:2]) in cli.COMMANDS else words[0]
            if name == "help":
                continue
            known = {spelling for option in cli.command(name).params for spelling in option.opts}
            assert {word for word in words if word.startswith("--")} <= known, (code.name, line)


def test_a_code_has_a_page_if_toril_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain.page_of("saturated") == ""
    assert explain.command_of("saturated") == "toril explain saturated"
    monkeypatch.setattr(explain, "SITE", "https://acme.github.io/toril")
    assert explain.page_of("saturated") == "https://acme.github.io/toril/codes/saturated/"
    assert explain.page_of("no code/../..") == ""
    assert explain.command_of("saturated").endswith("(https://acme.github.io/toril/codes/saturated/)")
    assert "limit (https://acme.github.io/toril/explanation/accuracy/)" in next(
        code.plain.replace("\n", " ") for code in explain.codes() if code.name == "saturated"
    )


def test_the_first_line_of_a_message_ends_with_the_code() -> None:
    assert explain.coded("bad: fix it", "bad-store") == "bad: fix it [bad-store]"
    assert explain.coded("cannot start:\n  no image [no-image]", "preflight-failed") == (
        "cannot start: [preflight-failed]\n  no image [no-image]"
    )
    assert explain.coded("of an older version", "") == "of an older version"
