"""A suite leaves out what browsers load for people only, and lists it."""

import pytest

from tests.authoring.suites import SHOP, body, exchange, recorded
from toril.authoring.filters import kept
from toril.authoring.options import ImportOptions, Keep

PAGE = exchange(1, "/", kind="document")


def paths(recording, **options):
    """The addresses that stay, without the shop's own host."""
    found = kept(recording, ImportOptions(**options))
    return [one.url.removeprefix(SHOP) for one in found.exchanges]


def left_out(recording, **options):
    return {one.what: one.count for one in kept(recording, ImportOptions(**options)).left_out}


NOISE = recorded(
    PAGE,
    exchange(2, "/app.js", kind="script"),
    exchange(3, "/logo", kind="image"),
    exchange(4, "https://cdn.other.net/fonts.css"),
    exchange(5, "https://stats.other.net/visit", "POST", body=body("{}")),
    exchange(6, "/beat", "POST", kind="ping", body=body("{}")),
    exchange(7, "/api/cart", "OPTIONS", headers=(("Access-Control-Request-Method", "POST"),)),
    exchange(8, "https://api.example.com/cart", kind="fetch"),
)


def test_static_files_third_parties_beacons_and_preflights_are_left_out_and_counted():
    assert paths(NOISE) == ["/", "https://api.example.com/cart"]
    assert left_out(NOISE) == {
        "static files": 2,
        "requests to third parties": 2,
        "beacons": 1,
        "preflights": 1,
    }
    hosts = [f"{number}.other.net" for number in range(9)]
    partners = recorded(PAGE, *(exchange(number, f"https://{host}/") for number, host in enumerate(hosts, 2)))
    assert [one.examples for one in kept(partners, ImportOptions()).left_out] == [tuple(hosts)]


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({"kept": frozenset({Keep.STATIC})}, ["/app.js", "/logo"]),
        ({"kept": frozenset({Keep.THIRD_PARTIES})}, ["https://stats.other.net/visit"]),
        ({"hosts": ("stats.other.net",)}, ["https://stats.other.net/visit"]),
    ],
)
def test_options_keep_them(options, more):
    assert [one for one in paths(NOISE, **options) if one not in paths(NOISE)] == more


def test_a_log_keeps_no_address_with_a_token_of_a_session_that_is_over():
    tokens = [f"9tY4bQ7zLm2XcV8nKp{number:02}R" for number in range(50)]
    hexadecimal = "9f8a07d1c2b3e4f5a69788796a5b4c3d"
    urls = [f"/verify/{token}" for token in tokens] + [f"/callback?code={tokens[0]}", f"/reset/{hexadecimal}"]
    log = recorded(*(exchange(number, url) for number, url in enumerate(["/items/7", *urls])), kind="access-log")
    assert paths(log) == ["/items/7"]
    assert left_out(log) == {"addresses with tokens": 52}
    shown = str(kept(log, ImportOptions()))
    assert not any(token in shown for token in (*tokens, hexadecimal))


def test_a_host_that_brings_a_value_is_no_third_party():
    code = "4Fq81xkzPw02ncLbV7"
    login = exchange(2, "https://login.other.net/approve", "POST", response_headers=(("Location", f"/in?code={code}"),))
    assert paths(recorded(PAGE, login, exchange(3, f"/in?code={code}"))) == ["/", login.url, f"/in?code={code}"]


def test_a_host_that_only_another_third_party_needs_is_one_and_so_is_a_frame():
    code = "4Fq81xkzPw02ncLbV7"
    page = exchange(1, "/", kind="document", response=body('<iframe src="https://video.example.org/7">', "text/html"))
    redirect = ("Location", f"https://ads.example.net/sync?user={code}")
    found = recorded(
        page,
        exchange(2, "https://video.example.org/7", kind="document", headers=(("Sec-Fetch-Dest", "iframe"),)),
        exchange(3, "https://pixel.example.org/", response_headers=(redirect,)),
        exchange(4, redirect[1]),
    )
    assert paths(found) == ["/"]


def test_an_upload_address_that_a_response_brings_stays():
    address = "https://bucket.other.net/photo?signature=abc"
    brings = exchange(2, "/uploads", "POST", response=body(f'{{"url": "{address}"}}'))
    upload = exchange(3, address, "PUT", body=body(b"photo", "image/jpeg"))
    assert paths(recorded(PAGE, brings, upload)) == ["/", "/uploads", address]


def test_a_request_with_an_expired_token_is_left_out_if_it_is_repeated():
    refused, refresh = exchange(2, "/cart", status=401), exchange(3, "/refresh", "POST")
    assert paths(recorded(PAGE, refused, refresh, exchange(4, "/cart"))) == ["/", "/refresh", "/cart"]
    assert paths(recorded(PAGE, refused, refresh)) == ["/", "/cart", "/refresh"]


def test_the_first_request_of_a_persisted_query_is_left_out():
    unknown = exchange(2, "/graphql?hash=1", response=body('{"errors": [{"message": "PersistedQueryNotFound"}]}'))
    recording = recorded(PAGE, unknown, exchange(3, "/graphql", "POST", body=body('{"query": "{ items }"}')))
    assert paths(recording) == ["/", "/graphql"]


def test_only_reads_leaves_out_what_changes_data():
    assert paths(recorded(PAGE, exchange(2, "/cart", "POST")), only_reads=True) == ["/"]


def counts(*exchanges):
    return [(one.number, one.count) for one in kept(recorded(*exchanges), ImportOptions()).exchanges]


def test_reads_with_the_same_response_are_joined_and_others_stay():
    empty, full = body("[]"), body("[1]")
    same = exchange(1, "/cart", response=empty), exchange(2, "/cart", response=empty)
    assert counts(*same) == [(1, 2)]
    assert counts(*same, exchange(3, "/add", "POST"), exchange(4, "/add", "POST")) == [(1, 2), (3, 1), (4, 1)]
    assert counts(same[0], exchange(3, "/add", "POST"), exchange(4, "/cart", response=full)) == [(1, 1), (3, 1), (4, 1)]


def test_of_polls_the_last_one_stays():
    waiting = [exchange(number, "/status", response=body('{"done": false}')) for number in (1, 2)]
    assert counts(*waiting, exchange(3, "/status", response=body('{"done": true}'))) == [(3, 3)]


def test_reads_of_several_steps_and_after_changes_stay_and_so_do_equal_writes():
    cart = [exchange(n, "/cart", step=f"Step {n}", response=body(str(n))) for n in range(1, 5)]
    assert counts(*cart) == [(1, 1), (2, 1), (3, 1), (4, 1)]
    changed = [
        one
        for n in (1, 3, 5)
        for one in (exchange(n, "/cart", response=body(str(n))), exchange(n + 1, "/add", "POST", body=body("{}")))
    ]
    assert counts(*changed) == [(n, 1) for n in range(1, 7)]


def test_what_is_joined_is_listed_with_its_step():
    same = [exchange(n, "/cart", step="Look", response=body("[]")) for n in (1, 2)]
    (found,) = kept(recorded(*same), ImportOptions()).left_out
    assert (found.count, found.examples) == (1, ("GET shop.example.com/cart (Look)",))


def test_headers_that_engines_set_are_dropped():
    sent = {"Accept": "application/json", "X-Version": "2", "Authorization": "Bearer x", "Origin": SHOP}
    noise = {"User-Agent": "x", "Sec-Fetch-Mode": "cors", "Accept-Language": "en", ":path": "/", "Referer": SHOP}
    one = exchange(1, "/cart", "POST", headers=tuple({**sent, **noise}.items()), body=body("{}"))
    (found,) = kept(recorded(one), ImportOptions()).exchanges
    assert dict(found.headers) == sent


def test_each_request_has_its_own_key_of_idempotency():
    one = exchange(1, "/cart", "POST", headers=(("Idempotency-Key", "5f0c1a7e93d4"),))
    (found,) = kept(recorded(one), ImportOptions()).exchanges
    assert found.headers == (("Idempotency-Key", "${__UUID()}"),)
