"""An access log becomes its most frequent addresses by label, with rates."""

import gzip
import json

import pytest

from tests.authoring.readers.reading import left_out, recorded, refusal
from toril.authoring.options import Keep
from toril.authoring.recorded import LogRates

START = 1_790_000_000  # 2026-09-21 14:13:20 UTC
AGENT = "Mozilla/5.0"


def line(path: str, second: int = 0, status: int = 200, method: str = "GET", agent: str = AGENT) -> str:
    minute, rest = divmod(20 + second, 60)
    time = f"21/Sep/2026:16:{13 + minute:02}:{rest:02} +0200"
    return f'192.0.2.7 - ada [{time}] "{method} {path} HTTP/1.1" {status} 512 "-" "{agent}"'


FORMATS = {
    "common": '192.0.2.7 - - [21/Sep/2026:16:13:20 +0200] "GET /items/7?page=2 HTTP/1.1" 200 -',
    "combined": line("/items/7?page=2"),
    "with host": "shop.example.com:443 " + line("/items/7?page=2"),
    "alb": (
        "https 2026-09-21T14:13:20.186641Z app/lb/50dc 192.0.2.7:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "
        '"GET https://shop.example.com:443/items/7?page=2 HTTP/1.1" "Mozilla/5.0" ECDHE TLSv1.2 arn:x "Root=1"'
    ),
    "classic elb": (
        "2026-09-21T14:13:20.186641Z my-elb 192.0.2.7:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 0 57 "
        '"GET https://shop.example.com:443/items/7?page=2 HTTP/1.1" "Mozilla/5.0" - -'
    ),
    "nginx as json": json.dumps(
        {"time": "2026-09-21T16:13:20+02:00", "request": "GET /items/7?page=2 HTTP/1.1", "status": "200"}
    ),
    "caddy": json.dumps(
        {
            "ts": START + 0.5,
            "status": 200,
            "request": {"method": "GET", "host": "shop.example.com", "uri": "/items/7?page=2"},
        }
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_the_same_requests(name):
    found = recorded("\n".join([FORMATS[name]] * 3))
    (one,) = found.exchanges
    host = "https://shop.example.com" if name in ("with host", "alb", "classic elb", "caddy") else "${BASE_URL}"
    assert (one.url, one.step, one.route, one.count) == (f"{host}/items/7?page=2", "GET /items/{id}", "/items/{id}", 3)
    assert found.rates == {"GET /items/{id}": LogRates(step_s=1, counts=(3,))}
    assert found.kind == "access-log"
    assert "192.0.2.7" not in str(found)


def test_labels_have_rates_in_time_and_rare_ones_are_joined():
    text = [line(f"/items/{number % 7}", second) for second in range(0, 240, 2) for number in range(2)]
    text += [line("/search?q=lamp&utm=1", second) for second in range(0, 240, 4)]
    text += [line(f"/rare/page-{number}") for number in range(5)]
    found = recorded(gzip.compress("\n".join(text).encode()))
    assert list(found.rates) == ["GET /items/{id}", "GET /search", "other"]
    items = found.rates["GET /items/{id}"]
    assert (items.step_s, len(items.counts), sum(items.counts), items.counts[0]) == (2, 120, 240, 2)
    assert sum(found.rates["other"].counts) == 5
    counts = [one.count for one in found.exchanges if one.step == "GET /items/{id}"]
    assert counts == sorted(counts, reverse=True)
    assert sum(one.count for one in found.exchanges) == len(text)


def test_parameters_that_are_rare_or_secret_are_dropped():
    text = [line(f"/search?q=lamp&token=abc{number}" + ("&debug=1" if number == 0 else "")) for number in range(20)]
    (found,) = recorded("\n".join(text)).exchanges
    assert (found.url, found.count) == ("${BASE_URL}/search?q=lamp", 20)
    assert recorded("\n".join(text), hosts=("a.example",)).exchanges[0].url == "https://a.example/search?q=lamp"


def test_what_users_did_not_read_is_left_out():
    text = [
        line("/"),
        line("/cart", method="POST"),
        line("/", agent="Googlebot/2.1"),
        line("/app.js"),
        line("/", status=502),
    ]
    found = recorded("\n".join(text))
    assert [one.url for one in found.exchanges] == ["${BASE_URL}/"]
    assert left_out(found) == {"requests that change data": 1, "bots": 1, "static files": 1, "failed requests": 1}
    assert len(recorded("\n".join(text), kept=frozenset({Keep.STATIC})).exchanges) == 2


def test_a_few_unreadable_lines_are_noted_and_many_refused():
    text = [line("/")] * 99
    assert [note.code for note in recorded("\n".join([*text, '... "\\x16\\x03" 400'])).notes] == ["unreadable-lines"]
    assert refusal("\n".join([*text, *["???"] * 9])) == "unknown-format"


def test_a_log_of_several_hosts_is_of_the_chosen_one_or_the_most_frequent():
    text = [f"a.example {line('/1')}", f"b.example:443 {line('/2')}", f"b.example:443 {line('/3')}"]
    found = recorded("\n".join(text))
    assert [one.url for one in found.exchanges] == ["https://b.example/2", "https://b.example/3"]
    assert left_out(found) == {"requests to a.example": 1}
    assert [one.url for one in recorded("\n".join(text), hosts=("a.example",)).exchanges] == ["https://a.example/1"]
    whole = [line(path) for path in ("http://A.example/1", "http://b.example/2", "http://b.example/3")]
    found = recorded("\n".join(whole), hosts=("a.example",))
    assert [one.url for one in found.exchanges] == ["http://a.example/1"]
    assert left_out(found) == {"requests to http://b.example": 2}


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ([], []),
        ([line("/login-problems"), line("/blogin/")], []),
        ([line("/old", status=301)], []),
        ([line("/account", status=401)], ["signed-in"]),
        ([line("/admin/login/", method="POST", status=302), line("/admin/", status=302)], ["signed-in"]),
        ([line("/wp-login.php")], ["signed-in"]),
    ],
)
def test_a_log_of_signed_in_users_is_noted(more, found):
    noted = recorded("\n".join([line("/admin/"), *more]))
    assert [note.code for note in noted.notes] == found
    if more and "302" in more[-1]:
        assert noted.redirects == 0.5
