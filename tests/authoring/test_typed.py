"""What a person typed: new for each user and iteration if two recordings differ, and else listed."""

import json
import re

import pytest

from tests.authoring.suites import body, exchange, files_of, form, recorded, requests, suite
from toril.authoring.importing import suite_of
from toril.authoring.options import ImportOptions
from toril.authoring.recorded import Recorded

WORD = re.compile(r"\$\{__RandomString\((\d+),(\w+)\)\}")


def page(text: str = "") -> object:
    return body(f"<html><title>Groups</title>{text}<input type=submit name=_save value=Save></html>", "text/html")


def group(word: str) -> Recorded:
    """A group with a name that the service accepts once, as in Django's administration: made, opened, renamed."""
    return recorded(
        exchange(1, "/group/add/", response=page()),
        exchange(2, "/group/add/", "POST", body=form(("name", f"Crew {word}"), ("_save", "Save")), response=page(word)),
        exchange(3, f"/group/{word.lower()}/", response=page(word)),
        exchange(4, "/group/8/change/", "POST", body=form(("name", f"Renamed crew {word}")), response=page(word)),
        exchange(5, f"/group/?q=crew+{word}", response=page(word)),
    )


def notes(recording: Recorded, second: Recorded | None, folder) -> list[str]:
    return [note.code for note in suite_of(recording, second, ImportOptions(), folder).created.notes]


def test_a_word_that_differs_in_two_recordings_is_new_in_each_iteration_wherever_it_is_sent(tmp_path):
    document = suite(tmp_path, group("4F3A91"), group("91BC02"))
    first, *sent = requests(document)
    assert document["execution"][0]["executor"] == "jmeter"  # bzt's scripts for Apiritif make no new values
    assert (made := WORD.fullmatch(first["set-variables"]["new_name"])) and made[1] == "12"
    assert [one.get("body", one["url"]) for one in sent[1:]] == [
        {"name": "Crew ${new_name}", "_save": "Save"},
        "/group/${new_name}/",  # a script has changed the capitals
        {"name": "Renamed crew ${new_name}"},
        "/group/?q=crew%20${new_name}",
    ]


def test_no_written_file_has_the_word_and_a_title_with_it_is_no_difference(tmp_path):
    titled = [
        recorded(
            *one.exchanges,
            exchange(6, "/done", step=f"Crew_{word}", response=body(f"<title>Crew {word}</title>", "text/html")),
        )
        for one, word in ((group("4f3a91"), "4f3a91"), (group("91bc02"), "91bc02"))
    ]
    files = files_of(tmp_path, *titled)
    assert not [name for name, data in files.items() if b"4f3a91" in data]
    assert json.loads(files["recording.json"])["steps"][-1]["shape"]["title"] == "Crew ***"


@pytest.mark.parametrize(
    ("typed", "other", "length", "characters"),
    [
        ("+49 30 1234567", "+49 30 7654321", "7", "123456789"),  # a number keeps its length
        ("Lamp 173", "Lamp 942", "10", "123456789"),
        ("Ada", "Grace", "12", "abcdefghijklmnopqrstuvwxyz0123456789"),
        ("ada-4f3a@example.com", "ada-91bc@example.com", "12", "abcdefghijklmnopqrstuvwxyz0123456789"),
    ],
)
def test_a_new_value_has_the_kind_of_the_typed_one(tmp_path, typed, other, length, characters):
    visits = [recorded(exchange(1, "/users", "POST", body=body(json.dumps({"a": one})))) for one in (typed, other)]
    (made,) = requests(suite(tmp_path, *visits))[0]["set-variables"].values()
    assert (word := WORD.fullmatch(made)) and word.groups() == (length, characters)


@pytest.mark.parametrize(
    ("field", "typed", "other"),
    [
        ("name", "one lamp", "a red and blue lamp"),  # the words have no counterparts
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstwcM", "K2-ltc83acc4h0c9w6ESC_rEMTJ3bww-uCHaoeK1t"),
        ("at", "2026-12-01T02:03:04.567Z", "2026-12-01T02:07:14.111Z"),
        ("sent", "1796090226103", "1796090299999"),
        ("csrf", "4f3a91bc", "91bc4f3a"),
    ],
)
def test_values_of_scripts_and_times_are_not_varied(tmp_path, field, typed, other):
    visits = [recorded(exchange(1, "/users", "POST", body=form((field, one)))) for one in (typed, other)]
    assert "set-variables" not in requests(suite(tmp_path, *visits))[0]


def test_a_log_in_and_a_search_stay(tmp_path):
    visits = [
        recorded(
            exchange(1, "/login", "POST", body=form(("user", f"ada{word}"), ("password", f"horse {word}"))),
            exchange(2, f"/search?q=lamp{word}"),
        )
        for word in ("17", "42")
    ]
    assert "set-variables" not in requests(suite(tmp_path, *visits))[0]


def test_typed_values_of_one_recording_are_listed_and_those_of_a_page_are_not(tmp_path):
    assert notes(group("4f3a91"), None, tmp_path / "one") == ["typed-values"]
    assert notes(group("4f3a91"), group("4f3a91"), tmp_path / "same") == ["typed-values"]
    assert notes(group("4f3a91"), group("91bc02"), tmp_path / "two") == ["new-values"]
    readme = files_of(tmp_path, group("4f3a91"))["README.md"].decode()
    assert "`name` of POST /group/add/" in readme and "_save" not in readme


def test_a_label_does_not_name_what_the_recording_made(tmp_path):
    made = body(json.dumps({"name": "untitled.md"}))
    visit = recorded(exchange(1, "/notes", "POST", response=made), exchange(2, "/notes/untitled.md", response=made))
    assert [one["label"] for one in requests(suite(tmp_path, visit))] == ["POST /notes", "GET /notes/{id}"]


def test_a_short_word_is_replaced_where_the_other_recording_differs_alone(tmp_path):
    visits = [
        recorded(
            exchange(1, "/posts", "POST", body=form(("title", f"Post {word}"), ("page", "3"))),
            exchange(2, "/posts?page=3"),
        )
        for word in ("3", "5")
    ]
    _, made, read = requests(suite(tmp_path, *visits))
    assert (made["body"], read["url"]) == ({"title": "Post ${new_title}", "page": "3"}, "/posts?page=3")


def test_a_name_of_an_address_is_typed_although_its_page_repeats_it_and_one_of_a_redirect_is_not(tmp_path):
    """A page of a wiki is made where it is edited; an order is opened where the service says."""
    visits = [
        recorded(
            exchange(1, f"/wiki?id=note_{word}&do=edit", response=page(f"note_{word}")),
            exchange(2, "/wiki", "POST", body=form(("id", f"note_{word}"), ("text", f"Of {word}")), response=page()),
            exchange(3, "/orders", "POST", body=form(("go", "1")), response=page(f'<a href="/orders/{order}">x</a>')),
            exchange(4, f"/orders/{order}", response=page(order)),
            exchange(5, "/pay", "POST", body=form(("order_id", order)), response=page()),
        )
        for word, order in (("4f3a91bc", "8123"), ("91bc02de", "9456"))
    ]
    first, edit, save, _, _, pay = requests(suite(tmp_path, *visits))
    assert [*first["set-variables"]] == ["new_id"]
    assert (edit["url"], save["body"]) == (
        "/wiki?id=note_${new_id}&do=edit",
        {"id": "note_${new_id}", "text": "Of ${new_id}"},
    )
    assert pay["body"] == {"order_id": "${order_id}"}


def test_a_uuid_that_a_script_makes_for_several_requests_is_new_in_each_iteration(tmp_path):
    def visit(device: str) -> Recorded:
        sent = body(json.dumps({"device": device}))
        return recorded(exchange(1, "/sessions", "POST", body=sent), exchange(2, "/sessions/end", "POST", body=sent))

    document = suite(tmp_path, *(visit(f"0b0f4d8e-3a5c-4f0e-9a51-6c1d2e3f4a5{digit}") for digit in "bc"))
    first, *sent = requests(document)
    assert first["set-variables"] == {"new_device": "${__UUID()}"}
    assert [one["body"] for one in sent] == [{"device": "${new_device}"}] * 2
