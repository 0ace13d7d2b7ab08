"""The check of texts finds each kind of offence, where it stands, and passes plain English."""

from pathlib import Path

import pytest

from tools.texts import ROOT, Offence, check, main

MARKDOWN, PYTHON = Path("page.md"), Path("module.py")
WORDS_30 = "One " + "to " * 28 + "it"


def offences(path: Path, content: str) -> list[tuple[int, str]]:
    return [(found.line, found.message) for found in check(path, content)]


@pytest.mark.parametrize(
    "sentence",
    [
        "Nobody reads this.",
        "What the worker said is lost.",
        "The core bears two browsers.",
        "The hub looks at each region.",
        "Send so many requests as fit.",
        "This shows what became of a run.",
        "The file is at hand.",
    ],
)
def test_a_banned_word_is_found(sentence):
    ((line, message),) = offences(MARKDOWN, f"# Title\n\n{sentence}\n")
    assert line == 3
    assert message.startswith("banned word: ")
    assert message.removeprefix("banned word: ") in sentence


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("- It holds the load.", "a pronoun without its noun"),
        ("| load | Its rights |", "a pronoun without its noun"),
        ("The engine knows `subject`.", "say `supports`, `accepts` or `has`"),
        ("Take the run that follows this one.", "a noun is missing"),
        ("Start the task; watch the task; read the log.", "three ideas in a sentence"),
    ],
)
def test_what_a_page_makes_its_reader_read_twice_is_found(sentence, message):
    ((line, found),) = offences(MARKDOWN, f"# Title\n\n{sentence}\n")
    assert (line, found.partition(":")[0]) == (3, message)


@pytest.mark.parametrize(
    "sentence",
    [
        "The check starts. It holds the load.",
        "A person who knows the account can read the key.",
        "This one line is enough.",
        "Start the task; watch the task.",
        "| role | start tasks; watch tasks; read logs |",
        "Write `a; b; c;`.",
    ],
)
def test_plain_sentences_pass(sentence):
    assert offences(MARKDOWN, f"# Title\n\n{sentence}\n") == []


def test_a_banned_word_is_found_in_docstrings_messages_and_comments():
    lines = ('"""It is said here."""', "FIRST = 1  # nobody reads it", 'SECOND = f"{FIRST} is told twice"')
    assert sorted({*offences(PYTHON, "\n".join(lines))}) == [
        (1, "banned word: said"),
        (2, "banned word: nobody"),
        (3, "banned word: told"),
    ]


def test_a_long_sentence_is_found_at_its_first_line():
    assert offences(MARKDOWN, f"A short one.\n{WORDS_30}.\n") == []
    ((line, message),) = offences(MARKDOWN, f"A short one.\n{WORDS_30} again.\n")
    assert line == 2
    assert message.startswith("a sentence of 31 words: One to")


@pytest.mark.parametrize("name", ["toril", "vegeta", "bzt", "k6", "pytest"])
def test_a_sentence_may_begin_with_a_name_in_lower_case(name):
    assert offences(MARKDOWN, f"{WORDS_30}. {name} sends it.\n") == []
    assert offences(MARKDOWN, f"{WORDS_30}. and sends it.\n") != []


def test_a_long_sentence_is_found_in_a_docstring():
    ((line, message),) = offences(PYTHON, f'"""One.\n\n{WORDS_30} again.\n"""\n')
    assert line == 3
    assert message.startswith("a sentence of 31 words")


@pytest.mark.parametrize("content", ["- one\n- {}\n", "| {} | cell |\n|---|---|\n", "1. {}\n2. two\n", "{}.\n\n{}.\n"])
def test_list_items_cells_and_paragraphs_are_sentences_of_their_own(content):
    assert offences(MARKDOWN, content.replace("{}", WORDS_30)) == []


def test_a_long_line_is_found_in_markdown_only():
    line = "x" * 121
    assert offences(MARKDOWN, f"first\n{line}\n") == [(2, "a line of 121 characters")]
    assert offences(MARKDOWN, f"first\n{line[1:]}\n") == []
    assert offences(PYTHON, f'TEXT = "{line}"\n') == []


@pytest.mark.parametrize(
    "content",
    [
        "| " + "cell | " * 20 + "\n",
        f"```sh\n{'x' * 121}\ntold, said, nobody\n```\n",
        f'<img alt="{"x" * 121}">\n',
        "The key `nobody` and the message `it is told` are code.\n",
        "[said](said.md) has a link: a bearer token.\n".replace("[said]", "[page]"),
    ],
)
def test_tables_code_and_html_are_exempt(content):
    assert offences(MARKDOWN, content) == []


def test_scripts_and_styles_of_a_page_in_a_string_are_exempt():
    page = f"<html>\n<style>\n{WORDS_30} again told\n</style>\n<script>{WORDS_30} again</script>\nA shop.</html>"
    assert offences(PYTHON, f'PAGE = """{page}"""\n') == []


def test_a_name_or_a_short_string_is_no_text():
    assert offences(PYTHON, 'said = {"told": "nobody", "at hand": 1}\n') == []


def test_the_program_prints_each_offence_and_fails(tmp_path, capsys):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "fine.md").write_text("# Fine\n\nThe worker retries three times.\n")
    assert main([str(tmp_path)]) == 0
    (tmp_path / "pages" / "bad.md").write_text("Somebody retries.\n")
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out == f"{tmp_path}/pages/bad.md:1: banned word: Somebody\n"


def test_an_offence_names_its_place_first():
    assert str(Offence("docs/page.md", 3, "banned word: told")) == "docs/page.md:3: banned word: told"


def test_the_checked_texts_of_the_project_have_no_offence(capsys):
    assert main([]) == 0, capsys.readouterr().out.replace(f"{ROOT}/", "")
