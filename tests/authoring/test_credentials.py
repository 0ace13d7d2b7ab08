"""No credential of a recording lands in a file or a name: it becomes a variable, or nothing is written."""

import base64
import html
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.authoring import recordings
from tests.authoring.suites import SHOP, body, exchange, files_of, form, recorded, requests, suite
from tests.tiers import examples
from toril.authoring.correlation import Correlation, correlated
from toril.authoring.credentials import referenced, refuse_secrets
from toril.authoring.importing import suite_of
from toril.authoring.options import ImportOptions
from toril.authoring.pages import HtmlPage
from toril.authoring.recorded import FilePart, Payload
from toril.errors import OptionError

# ── Any secret


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


ESCAPINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "address": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "html": html.escape,
    "json": lambda text: json.dumps(text)[1:-1],
    "base64": base64_of,
}
SECRET = st.text(st.sampled_from("abcxyzABCXYZ0189+/=&%!-_.~?\"'<>é "), min_size=12, max_size=40).filter(
    lambda text: (
        text == text.strip() and re.search("[a-zA-Z]", text) and re.search("[0-9]", text) and len(set(text)) > 5
    )
) | st.from_regex(r"[a-z]{3}[0-9]{3}[!_%][a-z]{2}", fullmatch=True)

HOLDERS: dict[str, Callable[[str], dict[str, Any]]] = {  # what makes a value a credential
    "bearer": lambda s: {"headers": (("Authorization", f"Bearer {s}"),)},
    "basic": lambda s: {"headers": (("Authorization", f"Basic {base64_of(f'ada:{s}')}"),)},
    "key": lambda s: {"headers": (("X-Api-Key", s),)},
    "cookie": lambda s: {"headers": (("Cookie", f"session={quote(s, safe='')}; theme=dark"),)},
    "query": lambda s: {"url": f"{SHOP}/items?access_token={quote(s, safe='')}"},
    "path": lambda s: {"url": f"{SHOP}/items;jsessionid={quote(s, safe='')}"},
    "address": lambda s: {"url": f"https://ada:{quote(s, safe='')}@shop.example.com/items"},
    "json": lambda s: {"method": "POST", "body": body(json.dumps({"user": "ada", "password": s}))},
    "nested": lambda s: {"method": "POST", "body": body(json.dumps({"data": json.dumps({"password": s})}))},
    "form": lambda s: {"method": "POST", "body": form(("user", "ada"), ("password", s))},
    "multipart": lambda s: {"method": "POST", "body": form(("csrf_token", s), type="multipart/form-data")},
    "xml": lambda s: {"method": "POST", "body": body(f"<a><password>{html.escape(s)}</password></a>", "text/xml")},
    "set-cookie": lambda s: {"response_headers": (("Set-Cookie", f"session={quote(s, safe='')}; Path=/"),)},
    "response": lambda s: {"response": body(json.dumps({"access_token": s}))},
    "redirect": lambda s: {"response_headers": (("Location", f"/in#access_token={quote(s, safe='')}"),)},
    "field": lambda s: {"response": body(f'<input type="hidden" name="token" value="{html.escape(s)}">', "text/html")},
}
ECHOES: dict[str, Callable[[str], dict[str, Any]]] = {  # where else it may be
    "step": lambda s: {"step": f"Hello {s}"},
    "name": lambda s: {"name": f"Items of {s}"},
    "path": lambda s: {"url": f"{SHOP}/of/{quote(s, safe='')}"},
    "query": lambda s: {"url": f"{SHOP}/items?note={quote(s, safe='')}"},
    "header": lambda s: {"headers": (("X-Note", s),)},
    "field": lambda s: {"method": "POST", "body": form(("note", s), ("about", f"it is {s}!"))},
    "json": lambda s: {"method": "POST", "body": body(json.dumps({"notes": [s, {"about": f"({s})"}]}))},
    "text": lambda s: {"method": "POST", "body": body(f"note: {s}", "text/plain")},
    "title": lambda s: {"response": body(f"<title>{html.escape(s)}</title>", "text/html")},
    "upload": lambda s: {"method": "POST", "body": upload(f"{s}.txt")},
}


def upload(name):
    return Payload(type="multipart/form-data", uploads=(FilePart(field="file", name=name, data=b"x"),))


@st.composite
def plants(draw):
    """A recording with a secret, and the secret."""
    secret = draw(SECRET)
    one = exchange(1, "/items", **{"step": "first", "kind": "document"})
    some = [replace(one, **HOLDERS[draw(st.sampled_from(sorted(HOLDERS)))](secret))]
    for number in range(draw(st.integers(0, 3))):
        shown = ESCAPINGS[draw(st.sampled_from(sorted(ESCAPINGS)))](secret)
        echo = ECHOES[draw(st.sampled_from(sorted(ECHOES)))](shown)
        some.append(replace(one, number=number + 2, **echo))
    draw(st.randoms(use_true_random=False)).shuffle(some)
    return recorded(*(replace(one, number=number) for number, one in enumerate(some, 1))), secret


@given(plants())
@examples(100)
def test_any_planted_secret_is_in_no_written_file_and_no_name(tmp_path_factory, plant):
    recording, secret = plant
    folder = tmp_path_factory.mktemp("suite")
    try:
        files = files_of(folder, recording)
    except OptionError as error:
        assert error.code == "secret-left"
        assert secret not in str(error)
        assert not [path for path in folder.rglob("*") if path.is_file()]
        return
    for path, data in files.items():
        for escaped in ESCAPINGS.values():
            assert escaped(secret) not in f"{path}\n{data.decode()}", recording


@pytest.mark.parametrize("holder", sorted(HOLDERS))
def test_a_credential_at_a_usual_place_is_replaced_and_does_not_stop_the_import(tmp_path, holder):
    one = exchange(1, "/items", kind="document", step="first")
    files = files_of(tmp_path, recorded(replace(one, **HOLDERS[holder]("k3y+of/ada=="))))
    assert "k3y" not in "".join(data.decode() for data in files.values())


@pytest.mark.parametrize("recording", [recordings.login, recordings.api])
def test_no_secret_of_a_journey_is_written(tmp_path, recording):
    files = files_of(tmp_path, recording(), recording("second"))
    for secret in (*recordings.secrets(), *recordings.secrets("second")):
        assert not [path for path, data in files.items() if secret in data.decode()]


# ── Their variables

RANDOM = "9tY4bQ7zLm2XcV8nKp3R"


def names(*exchanges):
    return dict(referenced(recorded(*exchanges), Correlation())[1].names)


def sent(*exchanges):
    return referenced(recorded(*exchanges), Correlation())[0].exchanges


def test_variables_have_the_names_of_host_and_place():
    login = exchange(1, "/login", "POST", body=form(("email", "ada@example.com"), ("password", "hunter2!")))
    key = exchange(2, "https://api.example.com/items", headers=(("X-Api-Key", "k3y-of-ada-0815"),))
    assert list(names(login, key)) == ["SHOP_USER", "SHOP_PASSWORD", "API_KEY"]
    (found, _) = sent(login, key)
    assert found.body.fields == (("email", "${SHOP_USER}"), ("password", "${SHOP_PASSWORD}"))


def test_the_same_value_has_the_same_name_and_another_one_a_number():
    headers = [(("Authorization", f"Bearer {token}"),) for token in ("t0ken-of-ada", "t0ken-of-bob", "t0ken-of-ada")]
    found = sent(*(exchange(number, "/", headers=one) for number, one in enumerate(headers)))
    references = [dict(one.headers)["Authorization"] for one in found]
    assert references == ["Bearer ${SHOP_TOKEN}", "Bearer ${SHOP_TOKEN_2}", "Bearer ${SHOP_TOKEN}"]


def test_a_reference_of_the_author_is_no_credential(tmp_path):
    login = exchange(1, "/in", "POST", body=body('{"user": "${USERNAME}", "password": "${PASSWORD}"}'))
    mine = exchange(2, "/of/${USERNAME}", headers=(("X-Auth-Token", "Basic ${CREDENTIALS}"),))
    document = suite(tmp_path, recorded(login, mine, kind="postman"))
    assert [one["url"] for one in requests(document)] == ["/in", "/of/${USERNAME}"]
    assert set(document["settings"]["env"]) == {"SHOP_URL", "USERNAME", "PASSWORD", "CREDENTIALS"}


def test_names_and_addresses_in_cookies_stop_no_import(tmp_path):
    token = "481649dedec06b3434f5c2618942e33c"
    cookies = f"mp_{token}_x=1; refresh_session={quote(SHOP, safe='')}"
    one = exchange(1, f"/items?token={token}", headers=(("Cookie", cookies),))
    other = exchange(2, "/", response_headers=(("Set-Cookie", "a=1"),))
    assert token not in files_of(tmp_path, recorded(one, other))["README.md"].decode()


def test_random_examples_of_a_description_stay(tmp_path):
    sent = exchange(1, "/items", "POST", body=body('{"account": "9tY4bQ7zLm2XcV8nKp3R"}'))
    assert "9tY4bQ7zLm2XcV8nKp3R" in str(suite(tmp_path, recorded(sent, kind="openapi")))


def test_variables_of_the_source_and_of_hosts_keep_their_names():
    own = exchange(1, "/", headers=(("X-Key", "${SHOP_TOKEN}"),))
    other = exchange(2, f"/?url={RANDOM}", headers=(("Authorization", "Bearer t0ken-of-ada"),))
    found = referenced(recorded(own, other, kind="postman"), Correlation())[1].names
    assert list(found) == ["SHOP_TOKEN", "SHOP_SECRET", "SHOP_TOKEN_2"]


def test_the_user_of_an_address_becomes_a_header(tmp_path):
    (found,) = requests(suite(tmp_path, recorded(exchange(1, "https://ada:hunter2!@shop.example.com/"))))
    assert (found["url"], found["headers"]) == ("/", {"Authorization": "Basic ${SHOP_BASIC}"})


def test_requests_of_one_recording_alone_are_named_without_credentials(tmp_path):
    first, second = exchange(1, "/", kind="document"), exchange(2, "https://ada:hunter2!@shop.example.com/only")
    files = files_of(tmp_path, recorded(first), recorded(first, second))
    assert "/only" in files["README.md"].decode()
    assert "hunter2" not in files["README.md"].decode()


def test_cookies_are_a_credential_only_if_no_response_sets_one():
    late = exchange(1, "/", headers=(("Cookie", "session=8f2a; theme=dark"),))
    login = exchange(0, "/login", response_headers=(("Set-Cookie", "session=8f2a"),))
    assert dict(sent(late)[0].headers) == {"Cookie": "${SHOP_COOKIE}"}
    assert dict(sent(login, late)[1].headers) == {}
    assert referenced(recorded(login, late), Correlation())[1].cookies == ("theme",)


def test_a_random_text_that_no_response_brought_is_a_credential():
    (found,) = sent(exchange(1, f"/items?share={RANDOM}"))
    assert found.url == f"{SHOP}/items?share=${{SHOP_SHARE}}"
    brings = exchange(1, "/", response=body(f'{{"share": "{RANDOM}"}}'))
    assert sent(brings, exchange(2, f"/items?share={RANDOM}"))[1].url.endswith(RANDOM)


@pytest.mark.parametrize(
    "query",
    [
        f"state={RANDOM}",
        "id=5f0c1a7e-93d4-4c55-8a86-0d8f3f4be1aa",
        "q=a red lamp for the desk of my office",
        "page=how-to-return-a-lamp-within-2026",
        "since=2026-11-28T05:36:04.123Z",
    ],
)
def test_other_long_texts_stay(query):
    address = f"/items?{quote(query, safe='=')}"
    assert sent(exchange(1, address))[0].url == f"{SHOP}{address}"


def test_what_scripts_of_a_page_make_stays_and_is_listed(tmp_path):
    request = exchange(
        1,
        f"/authorize?limit=3&state={RANDOM}",
        "POST",
        headers=(("Content-MD5", "XrY7u+Ae7tCTyyK7j1rNww=="), ("X-Request-Id", "5f0c1a7e-93d4-4c55-8a86-0d8f3f4be1aa")),
    )
    readme = files_of(tmp_path, recorded(request))["README.md"].decode()
    assert "each user sends as recorded: `state`, `Content-MD5`, `X-Request-Id`." in readme
    assert "export" not in readme


def test_an_e_mail_address_beside_a_password_is_a_user():
    fields = form(("id", "ada@example.com"), ("pass", "correct horse"), type="multipart/form-data")
    (found,) = sent(exchange(1, "/login", "POST", body=fields))
    assert dict(found.body.fields)["id"] == "${SHOP_USER}"


def test_an_encoded_secret_in_a_path_leaves_a_readable_name():
    (found,) = sent(exchange(1, f"/files/{RANDOM}%2Bz", "PATCH", name=f"PATCH /files/{RANDOM}%2Bz"))
    assert found.name == "PATCH /files/{id}"


@pytest.mark.parametrize("path", ["/token/refresh", "/cookies/set", "/password/reset", "/orders/8123/keys"])
def test_words_of_paths_stay(path):
    assert sent(exchange(1, path))[0].url == f"{SHOP}{path}"


def test_a_value_that_an_address_encodes_is_to_be_set_as_it_is_sent():
    one = exchange(1, "/items?api_key=a%2Bb%2Fc0815")
    assert sent(one)[0].url == f"{SHOP}/items?api_key=${{SHOP_API_KEY}}"
    assert "percent-encoded" in names(one)["SHOP_API_KEY"]


def test_a_number_of_json_stays_a_number():
    (found,) = sent(exchange(1, "/", "POST", body=body('{"otp": 482913, "lines": [1]}')))
    assert found.body.text == '{"otp": ${SHOP_OTP}, "lines": [1]}'


def test_a_suite_refers_to_each_variable_once(tmp_path):
    document = suite(tmp_path, recordings.api())
    assert document["settings"]["env"] == {
        "API_URL": recordings.API,
        "API_USER": "${API_USER}",
        "API_PASSWORD": "${API_PASSWORD}",
    }
    assert requests(document)[0]["body"] == {"user": "${API_USER}", "password": "${API_PASSWORD}"}


# ── The last gate


def refused(name, text, *hidden):
    try:
        refuse_secrets({PurePosixPath(name): text.encode()}, hidden)
    except OptionError as error:
        assert error.code == "secret-left"
        assert not [one for one in hidden if one in str(error)]
        return True
    return False


@pytest.mark.parametrize("escaped", sorted(ESCAPINGS))
def test_a_long_secret_is_found_anywhere(escaped):
    assert refused("README.md", f"see {ESCAPINGS[escaped]('correct horse/battery')}!", "correct horse/battery")
    assert refused("correct horse battery.csv", "", "correct horse battery")


def test_a_short_secret_has_to_stand_alone():
    assert refused("suite.yml", "a: [{url: /in/hunter2}]", "hunter2")
    assert refused("suite.yml", "a: 'hunter2'", "hunter2")
    assert refused("users.csv", "name,word\nada,hunter2\n", "hunter2")
    assert refused("recording.json", '{"label": "GET /in?word=hunter2"}', "hunter2")
    assert refused("README.md", "| GET ada:hunter2@shop/ |", "hunter2")
    assert not refused("suite.yml", "hunter22: {xhunter2: 7}", "hunter2")


def test_a_script_with_a_credential_stops_the_import_before_a_file_is_written(tmp_path):
    def more(_):
        return {PurePosixPath("journey.py"): f'fill("{recordings.PASSWORD}")'.encode()}

    with pytest.raises(OptionError) as raised:
        suite_of(recordings.login(), None, ImportOptions(), tmp_path, more=more)
    assert raised.value.code == "secret-left"
    assert not list(tmp_path.iterdir())


# ── Places that only people know

LOGIN = '<form method="post"><input name="u"><input type="password" name="zz"></form>'


@pytest.mark.parametrize(
    "name",
    [
        *("kennwort", "mot_de_passe", "contraseña", "senha", "mdp", "wachtwoord", "pin"),
        *("password1", "user[password_confirmation]", "user_pass", "newPasswordRepeat"),
    ],
)
def test_all_names_of_passwords_are_known(name):
    login = exchange(1, "/in", "POST", body=form(("zugang", "ada.lovelace"), (name, "swordfish")))
    user, password = sent(login)[0].body.fields
    assert password == (name, "${SHOP_PASSWORD}")
    assert user == ("zugang", "${SHOP_USER}") or "[" in name  # another object's field


def test_a_field_that_hides_what_people_type_is_a_password_whatever_its_name():
    page = exchange(1, "/in", response=body(LOGIN, "text/html"))
    login = exchange(2, "/in", "POST", body=form(("u", "ada.lovelace"), ("zz", "swordfish")))
    assert sent(page, login)[1].body.fields == (("u", "${SHOP_USER}"), ("zz", "${SHOP_PASSWORD}"))


def test_a_password_of_letters_is_replaced_in_equal_fields_and_hidden_in_names_of_steps(tmp_path):
    login = exchange(
        1, "/in", "POST", step="As swordfish", body=form(("password", "swordfish"), ("again", "swordfish"))
    )
    files = files_of(tmp_path, recorded(login, exchange(2, "/swordfishes", step="next")))
    found = re.findall(r"swordfish\w*", "".join(data.decode() for data in files.values()))
    assert set(found) == {"swordfishes"}


@pytest.mark.parametrize(
    "path", ["/reset/k3yOfAda0815", "/reset/hX7-qLmz93Kd02", "/hooks/T024BE7LH", "/verify-email/c0ffee00aa"]
)
def test_the_token_of_a_link_is_a_credential(path):
    assert "${SHOP_" in sent(exchange(1, path))[0].url


@pytest.mark.parametrize("number", ["$.card.number", "$.card_number", "$.cvv", "$.iban", "$.mfa_code"])
def test_numbers_of_cards_and_codes_are_credentials(number):
    document: Any = "4111 1111 1111 1111"
    for key in reversed(number.split(".")[1:]):
        document = {key: document}
    assert "4111" not in sent(exchange(1, "/", "POST", body=body(json.dumps(document))))[0].body.text


# ── Texts that an engine would evaluate

FOREIGN = "a${__P(user.home)}b"


@pytest.mark.parametrize(
    "one",
    [
        exchange(1, "/", "POST", body=form(("q", FOREIGN))),
        exchange(1, "/", "POST", body=body(json.dumps({"q": FOREIGN}))),
        exchange(1, "/", "POST", body=body(f"q: {FOREIGN}", "text/plain")),
        exchange(1, "/", headers=(("X-Note", FOREIGN),)),
        exchange(1, f"/of/{FOREIGN}"),
        exchange(1, "/", "POST", body=form(("password", "x${HOME}z"))),
        exchange(1, "/", step=FOREIGN, name=FOREIGN, kind="document"),
    ],
)
def test_a_recorded_text_that_looks_like_a_reference_is_not_evaluated(tmp_path, one):
    text = files_of(tmp_path, recorded(one))["suite.yml"].decode()
    assert "__P" not in text or "${__P" not in text
    assert "${HOME}" not in text


def test_a_key_that_looks_like_a_reference_stops_the_import(tmp_path):
    with pytest.raises(OptionError) as raised:
        files_of(tmp_path, recorded(exchange(1, "/", "POST", body=body(json.dumps({FOREIGN: 1})))))
    assert raised.value.code == "foreign-reference"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "one",
    [
        *(exchange(1, f"http://{host}.evil.example/") for host in ("$NPM_TOKEN", "${NPM_TOKEN}", "$", "a${STAGE}")),
        exchange(1, "/?${HOME}=1"),
        exchange(1, "/", "POST", body=body(json.dumps({"${HOME}": 1}))),
    ],
)
def test_a_recorded_host_or_key_is_no_reference_to_the_environment(tmp_path, one):
    with pytest.raises(OptionError) as raised:
        files_of(tmp_path, recorded(one))
    assert raised.value.code == "foreign-reference"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


OWN = "${SHOP_PASSWORD}"  # a name that toril gives


@pytest.mark.parametrize(
    "one",
    [
        exchange(2, f"/?{OWN}=1"),
        exchange(2, "/", "POST", body=body(json.dumps({"a": [{f"\ufffd{OWN}": ""}]}, ensure_ascii=False))),
        exchange(2, "/", "POST", body=form((OWN, "1"))),
        exchange(2, "/", "POST", body=form((OWN, "1"), type="multipart/form-data")),
        exchange(2, "/", "POST", body=body("a", f"text/{OWN}")),
        exchange(2, "/", "POST", body=Payload(type="multipart/form-data", uploads=(FilePart(field=OWN, name="a"),))),
    ],
)
def test_no_name_of_a_field_in_a_recording_becomes_a_variable_of_toril_s_own(tmp_path, one):
    login = exchange(1, "/in", "POST", body=form(("user", "ada"), ("password", "swordfish0815")))
    with pytest.raises(OptionError) as raised:
        files_of(tmp_path, recorded(login, one))
    assert raised.value.code == "foreign-reference"


@pytest.mark.parametrize("host", ["aws-endpoint.example", "ld.example", "toril-notify.example"])
def test_no_host_of_a_source_sets_a_variable_of_workers_or_their_tools(tmp_path, host):
    document = suite(tmp_path, recorded(exchange(1, f"http://{host}/")))
    assert document["settings"]["env"] == {"SITE_URL": f"http://{host}"}


def test_no_name_of_a_step_is_a_reference(tmp_path):
    assert "${A}" not in files_of(tmp_path, recorded(exchange(1, "/", step="$${A}")))["suite.yml"].decode()


@pytest.mark.parametrize(
    "one", [exchange(1, "/?${STAGE}=1"), exchange(1, "/", "POST", body=body(json.dumps({"${STAGE}": 1})))]
)
def test_a_name_of_a_field_that_an_author_refers_to_is_listed(tmp_path, one):
    assert suite(tmp_path, recorded(one, kind="postman"))["settings"]["env"]["STAGE"] == "${STAGE}"


@pytest.mark.parametrize(
    "host", ["http://${NPM_TOKEN}.example", "http://${AWS_ACCESS_KEY_ID}", "http://$STAGE.example"]
)
def test_the_host_of_an_author_refers_to_no_credential_and_only_by_braces(tmp_path, host):
    with pytest.raises(OptionError) as raised:
        files_of(tmp_path, recorded(exchange(1, f"{host}/"), kind="postman"))
    assert raised.value.code == "foreign-reference"


def test_the_host_of_an_author_may_refer_to_a_variable(tmp_path):
    written = suite(tmp_path, recorded(exchange(1, "http://${STAGE}.example/"), kind="postman"))
    assert "http://${STAGE}.example" in written["settings"]["env"].values()


# ── Hostile sizes


def test_a_long_address_is_cut_where_people_read_it(tmp_path):
    assert files_of(tmp_path, recorded(exchange(1, "/" + "ab/" * 5_000, response=body("{}"))))


def test_a_value_that_is_sent_often_is_compared_with_its_sources_alone():
    begun = time.monotonic()
    correlated(recorded(exchange(1, "/", "POST", body=form(*(("q", "http://http:") for _ in range(10_000))))))
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("text", ["<a ", "<a href='", "<!--", "<![CDATA[", "<"])
def test_markup_without_an_end_is_read_in_linear_time(text):
    begun = time.monotonic()
    page = HtmlPage("<title>Lamps</title>" + text * 50_000)
    assert (page.title, time.monotonic() - begun < 5) == ("Lamps", True)


def test_texts_of_strangers_make_no_link_or_cell_in_the_readme_and_commands_stay(tmp_path):
    evil = recorded(
        exchange(1, "/a", headers=(("Authorization", "Basic YTpi"),)),
        origin="x|y [here](http://evil) <img src=x> \x1b[31m",
    )
    text = files_of(tmp_path, evil)["README.md"].decode()
    assert "x\\|y [here]\\(http://evil) &lt;img src=x>" in text
    assert "\x1b" not in text
    assert "export SHOP_BASIC=$(printf %s 'user:password' | base64 | tr -d '\\n') #" in text


def test_a_comment_of_the_readme_runs_nothing_in_a_shell_that_takes_comments_for_commands(tmp_path):
    evil = exchange(1, "/in/$(id)", headers=(("Cookie", "a$(id)`id`=1; b&id|id>x=2"),))
    text = files_of(tmp_path, recorded(evil))["README.md"].decode()
    (line,) = [one for one in text.splitlines() if one.startswith("export ")]
    assert not re.search(r"[$`;&|<>()]", line)


def test_the_field_right_before_a_password_is_a_user_name_by_its_last_word(tmp_path):
    fields = ("title", "Special:UserLogin"), ("wpName", "Ada"), ("wpPassword", "correct horse"), ("force", "")
    document = suite(tmp_path, recorded(exchange(1, "/login", "POST", body=form(*fields))))
    assert [*requests(document)[0]["body"].values()] == ["Special:UserLogin", "${SHOP_USER}", "${SHOP_PASSWORD}", ""]


def test_the_page_says_which_field_is_asked_before_the_password_and_which_one_is_a_button():
    text = (
        "<form><input type=hidden name=id value=start><input type=hidden name=do value=login><input name=u>"
        "<input name=p type=password><input type=checkbox name=login_stay value=1>"
        '<input type=submit name=login value="Log in »"></form>'
    )
    fields = ("id", "start"), ("do", "login"), ("u", "ada"), ("p", "swordfish"), ("login", "Log in »")
    page, login = exchange(1, "/in", response=body(text, "text/html")), exchange(2, "/in", "POST", body=form(*fields))
    assert [value for _, value in sent(page, login)[1].body.fields] == [
        "start", "login", "${SHOP_USER}", "${SHOP_PASSWORD}", "Log in »"
    ]  # fmt: skip


def test_a_token_that_no_response_has_is_not_asked_for_and_the_page_before_is_named(tmp_path):
    page = exchange(1, "/edit", kind="document", response=body("<title>Edit</title>", "text/html"))
    sent = exchange(2, "/save", "POST", headers=(("X-WP-Nonce", "7340875493"),), body=body("{}"))
    done = suite_of(recorded(page, sent), None, ImportOptions(), tmp_path)
    (note,) = [one.message for one in done.created.notes if one.code == "token-without-source"]
    assert "GET /edit" in note
    written = (tmp_path / done.created.suite / "suite.yml").read_text()
    assert "7340875493" not in written
    assert yaml.safe_load(written)["settings"]["env"] == {
        "SHOP_URL": SHOP,
        "SHOP_WP_NONCE": "not-in-the-recording",
    }


def test_a_recorded_failure_has_a_note(tmp_path):
    done = suite_of(recorded(exchange(1, "/save", "POST", status=400)), None, ImportOptions(), tmp_path)
    assert [one.code for one in done.created.notes if "400" in one.message] == ["recorded-failures"]
