"""What a recording carries from response to request, on journeys that toril has not seen before."""

import json
from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest
import requests
from apiritif.http import HTTPResponse
from hypothesis import given
from hypothesis import strategies as st

from tests.authoring import recordings
from tests.authoring.recordings import form, json_body, page, secret
from tests.tiers import examples
from toril.authoring.correlation import REPLAY, correlated, explained, unfolded
from toril.authoring.correlation.extractors import taken
from toril.authoring.recorded import Extract, Payload, Recorded, RecordedExchange
from toril.authoring.references import carried
from toril.authoring.shapes import shape_of

EXTRACT = Extract(variable="", how="regexp", expression="")
HOST = "https://app.example.com"
TOKEN, OTHER = secret("first", "token"), secret("first", "other")
UUID = "0b0f4d8e-3a5c-4f0e-9a51-6c1d2e3f4a5b"


def sent(number, request, answer=None, *, body=None, headers=(), gives=(), status=200, **more):
    """Returns an exchange; `request` is like `GET /items`, and an answer is JSON, or HTML if it is a text."""
    method, address = request.split(" ", 1)
    response = page("Page", answer) if isinstance(answer, str) else None if answer is None else json_body(answer)
    return RecordedExchange(
        number=number,
        method=method,
        url=address if "://" in address else HOST + address,
        headers=tuple(headers),
        body=body if body is None or isinstance(body, Payload) else json_body(body),
        status=status,
        response_headers=(*gives, *((("Content-Type", response.type),) if response else ())),
        response=response,
        **more,
    )


def redirected(number, request, location, final, *, gives=(), **more):
    """Returns an exchange that one redirect answers before the final answer."""
    whole = sent(number, request, final, **more)
    hop = replace(whole, status=302, response_headers=(*gives, ("Location", location)), response=None)
    return replace(whole, hops=(hop,))


def bearer(token):
    return [("Authorization", f"Bearer {token}")]


def recorded(*exchanges, origin="test.har"):
    return Recorded(exchanges=exchanges, origin=origin, kind="har")


def applied(*exchanges, second=None, **more):
    """Returns variable, source, expression and uses of each applied rule."""
    found = correlated(recorded(*exchanges), second, **more)
    return [
        (rule.extract.variable, rule.source, rule.extract.expression, [number for number, _ in rule.uses])
        for rule in found.rules
        if rule.applied
    ]


# --- Server-rendered shop


def test_each_form_gives_its_field_to_the_post_after_it_and_the_variable_is_the_same():
    found = correlated(recordings.login())
    assert [(one.extract.variable, one.source, one.uses[0][0]) for one in found.rules[:2]] == [
        ("csrf", 1, 2),
        ("csrf", 2, 4),
    ]
    assert {one.value for one in found.rules[:2]} == {secret("first", "csrf 1"), secret("first", "csrf 2")}


@pytest.mark.parametrize("name", ["untitled.md", "untitled1.md"])
def test_a_name_that_the_service_gives_to_what_a_request_makes_is_carried_into_the_addresses_below(name):
    made = {"type": "file", "name": name, "path": name, "state": "draft"}
    found = applied(
        sent(1, "POST /api/contents", made, body={"type": "file"}, status=201),
        sent(2, f"PUT /api/contents/{name}", made, body={"path": name, "content": "Text"}),
        sent(3, f"GET /api/contents/{name}?content=1", made),
        sent(4, "GET /api/contents/draft", {"items": []}),  # not the name of what was made
        sent(5, "POST /api/sessions", {}, body={"path": name}),
    )
    assert [(source, uses) for _, source, _, uses in found] == [(1, [2, 2, 3, 5])]


def test_a_word_of_an_address_is_the_clients_unless_a_request_has_made_what_it_names():
    item = {"name": "lamp", "slug": "lamp"}
    assert not applied(
        sent(1, "GET /items", [item]),
        sent(2, "POST /items", item, body={"name": "lamp"}),
        sent(3, "GET /items/lamp", item),
        sent(4, "GET /items/lamp/parts", [item]),
    )


def test_a_number_that_only_a_redirect_has_is_taken_out_of_the_redirect():
    found = correlated(recordings.login())
    assert found.redirects == (4,)
    order = found.rules[2]
    assert (order.extract.variable, order.source, order.extract.subject) == ("order_id", 4, "headers")
    assert [number for number, _ in order.uses] == [5, 6]
    whole = unfolded(recordings.login(), found)
    assert [(one.number, one.method, one.status) for one in whole.exchanges] == [
        (1, "GET", 200),
        (2, "POST", 200),
        (4, "POST", 303),
        (5, "GET", 200),
        (6, "GET", 200),
    ]
    assert whole.exchanges[3].url.endswith(f"/orders/{recordings.order('first')}")
    assert whole.exchanges[3].body is None


def test_a_request_that_was_sent_before_the_target_of_a_redirect_keeps_its_number():
    one = recorded(
        redirected(1, "POST /orders", "/orders/8123", "<p>Order</p>", body=form(item="lamp")),
        sent(2, "GET /news", {"news": []}),
        sent(4, "GET /orders/8123/invoice", ""),
    )
    found = correlated(one)
    assert found.redirects == (1,)
    numbers = [exchange.number for exchange in unfolded(one, found).exchanges]
    assert numbers == [1, 3, 2, 4]
    assert [[number for number, _ in rule.uses] for rule in found.rules] == [[3, 4]]


def test_a_redirect_stays_folded_if_its_last_page_has_the_value_too():
    link = 'Order 8123 <a href="/orders/8123/invoice">Invoice</a>'
    found = applied(
        redirected(1, "POST /orders", "/orders/8123", link, body=form(item="lamp")),
        sent(3, "GET /orders/8123/invoice", ""),
    )
    assert found == [("order_id", 1, "/orders/([^/\\s]+)", [3])]


def test_one_field_in_several_forms_is_selected_by_its_form():
    forms = "".join(
        recordings.csrf_form(action, token) for action, token in (("/search", OTHER), ("/cart/17/add", TOKEN))
    )
    found = applied(sent(1, "GET /", forms), sent(2, "POST /cart/17/add", "", body=form(csrf=TOKEN)))
    assert found == [("csrf", 1, 'form[action*="/add"] input[name=csrf]', [2])]


def test_one_of_several_equal_forms_is_counted():
    forms = "".join(recordings.csrf_form("/cart", token) for token in (OTHER, OTHER[::-1], TOKEN))
    found = applied(sent(1, "GET /", forms), sent(2, "POST /cart", "", body=form(csrf=TOKEN)))
    assert found == [("csrf", 1, '(?s)\\A(?>.*?"csrf" value="){3}([^"\\s]+)', [2])]


def test_a_response_with_fewer_equal_forms_than_recorded_takes_no_time():
    forms = [recordings.csrf_form("/cart", secret("first", f"form {number}")) for number in range(60)]
    chosen = form(csrf=secret("first", "form 59"))
    (rule,) = correlated(recorded(sent(1, "GET /", "".join(forms)), sent(2, "POST /cart", "", body=chosen))).rules
    assert taken(rule.extract, sent(1, "GET /", "".join(forms))) == rule.value
    assert taken(rule.extract, sent(1, "GET /", "".join(forms[1:]))) is None


def test_a_cookie_that_is_sent_back_as_header_is_a_rule_and_as_cookie_is_none():
    cookie = quote("aB3/dE5+gH7jK9mN1pQ3==", safe="")
    found = correlated(
        recorded(
            sent(1, "GET /", "", gives=[("Set-Cookie", "lang=en"), ("Set-Cookie", f"XSRF-TOKEN={cookie}; Path=/")]),
            sent(
                2,
                "POST /cart",
                {},
                body={"item": "lamp"},
                headers=[("Cookie", f"lang=en; XSRF-TOKEN={cookie}"), ("X-XSRF-TOKEN", "aB3/dE5+gH7jK9mN1pQ3==")],
            ),
        )
    )
    (rule,) = found.rules
    ((number, place),) = rule.uses
    assert (rule.applied, rule.extract.subject, number, place.where) == (True, "headers", 2, "header")
    assert rule.reference(place) == "${__urldecode(${xsrf_token})}"


def test_a_cookie_that_goes_back_in_a_header_as_it_is_needs_no_decoding():
    cookie = "aB3%2FdE5gH7jK9mN1p"
    (rule,) = correlated(
        recorded(
            sent(1, "GET /", "", gives=[("Set-Cookie", f"csrf={cookie}")]),
            sent(2, "POST /cart", {}, headers=[("X-CSRF", cookie)]),
        )
    ).rules
    assert rule.reference(rule.uses[0][1]) == "${csrf}"


def test_a_cookie_that_the_client_had_before_is_no_rule():
    cookie = [("Cookie", f"csrf={TOKEN}"), ("X-CSRF", TOKEN)]
    given = [("Set-Cookie", f"csrf={TOKEN}")]
    assert not applied(sent(1, "GET /", "", headers=cookie[:1], gives=given), sent(2, "POST /cart", {}, headers=cookie))


def test_the_address_of_a_form_and_a_short_nonce_of_a_script_are_carried():
    login = '<form method="post" action="/auth?session_code=s8K2mQ7vTz&amp;tab_id=l3mWc0q8Xk4">'
    nonce = '<script>var api = {"root": "/wp-json/", "nonce": "5b3f9a1c2e"};</script>'
    found = applied(
        sent(1, "GET /login", login),
        sent(2, "POST /auth?session_code=s8K2mQ7vTz&tab_id=l3mWc0q8Xk4", nonce, body=form(user="ada")),
        sent(3, "POST /wp-json/likes", {}, headers=[("X-WP-Nonce", "5b3f9a1c2e")]),
    )
    assert [(name, source) for name, source, _, _ in found] == [("session_code", 1), ("tab_id", 1), ("nonce", 2)]


def test_a_value_in_json_in_an_attribute_is_found():
    props = f'<div id="app" data-page="{{&quot;props&quot;:{{&quot;formToken&quot;:&quot;{TOKEN}&quot;}}}}"></div>'
    found = applied(sent(1, "GET /", props), sent(2, "POST /cart", {}, body={"formToken": TOKEN}))
    assert found == [("form_token", 1, ";formToken&quot;:&quot;([^&\\s]+)", [2])]


def test_names_of_versions_in_addresses_are_no_ids():
    assert not applied(
        sent(1, "POST /login", {"next": "/oauth2/v1beta/me"}, body={"user": "ada"}),
        sent(2, "GET /oauth2/v1beta/me", {}),
    )


# --- Single-page application


def test_a_refreshed_token_takes_the_name_over():
    found = applied(
        sent(1, "POST /login", {"token": TOKEN}, body={"user": "ada"}),
        sent(2, "GET /cart", {"lines": []}, headers=bearer(TOKEN)),
        sent(3, "POST /refresh", {"token": OTHER}, headers=bearer(TOKEN)),
        sent(4, "GET /orders", {"orders": []}, headers=bearer(OTHER)),
    )
    assert found == [("token", 1, "$.token", [2, 3]), ("token", 3, "$.token", [4])]


def test_a_token_that_is_still_used_keeps_its_name():
    found = applied(
        sent(1, "POST /login", {"token": TOKEN}, body={"user": "ada"}),
        sent(2, "POST /refresh", {"token": OTHER}, headers=bearer(TOKEN)),
        sent(3, "GET /orders", {"orders": []}, headers=bearer(OTHER)),
        sent(4, "GET /cart", {"lines": []}, headers=bearer(TOKEN)),
    )
    assert [(name, uses) for name, _, _, uses in found] == [("token", [2, 4]), ("token_2", [3])]


def test_an_id_comes_from_the_request_that_made_it_and_not_from_a_list_or_an_echo():
    found = applied(
        sent(1, "POST /orders", {"id": 8123}, body={"item": "lamp"}, status=201),
        sent(2, "GET /orders", {"orders": [{"id": 7000}, {"id": 8123}]}),
        sent(3, "GET /orders/8123", {"id": 8123, "state": "open"}),
        sent(4, "DELETE /orders/8123", status=204),
    )
    assert found == [("order_id", 1, "$.id", [3, 4])]


def test_a_small_number_differs_from_equal_ones_by_its_key():
    found = applied(
        sent(1, "GET /items", {"items": [{"id": 1}, {"id": 2}, {"id": 3}], "total": 3}),
        sent(2, "GET /items/3", {"id": 3, "name": "lamp"}),
        sent(3, "POST /orders", {"id": 3, "item": 3, "count": 3}, body={"item": 3, "count": 3}, status=201),
        sent(4, "GET /orders/3", {"id": 3, "item": 3}),
        sent(5, "GET /items?page=3", {"items": []}),
    )
    assert found == [("order_id", 3, "$.id", [4])]


def test_an_id_may_come_by_the_location_of_what_was_made():
    made = sent(1, "POST /orders", body={"item": "lamp"}, gives=[("Location", "/orders/8123")], status=201)
    assert applied(made, sent(2, "GET /orders/8123", {})) == [
        ("order_id", 1, "(?i)location: \\S*/orders/([^/?#;\\s]+)", [2])
    ]


def test_the_id_of_a_user_does_not_become_the_id_of_an_item():
    assert not applied(
        sent(1, "POST /login", {"id": 3, "name": "Ada"}, body={"user": "ada"}), sent(2, "GET /items/3", {"id": 3})
    )


def test_what_the_client_sends_first_is_no_rule():
    chosen = {"id": UUID, "cart": TOKEN}
    assert not applied(
        sent(1, "POST /carts", chosen, body=chosen), sent(2, f"GET /carts/{UUID}", chosen, headers=[("X-Cart", TOKEN)])
    )


def test_a_response_that_had_not_ended_is_no_source():
    first = sent(1, "POST /login", {"token": TOKEN}, body={"user": "ada"}, started_s=0.0, took_s=0.5)
    parallel = sent(2, "GET /cart", {}, headers=bearer(TOKEN), started_s=0.1, took_s=0.1)
    later = replace(parallel, started_s=0.6)
    assert not applied(first, parallel)
    assert applied(first, later)


def test_a_late_end_of_a_response_hides_no_random_value():
    first = sent(1, "POST /login", {"token": TOKEN}, body={"user": "ada"}, started_s=0.0, took_s=0.5)
    assert applied(first, sent(2, "GET /cart", {}, headers=bearer(TOKEN), started_s=0.4))


def test_an_id_that_a_list_has_only_after_a_change_is_carried_and_another_one_not():
    added = sent(1, "POST /cart/lines", body={"item": 7}, status=204)
    change = sent(3, f"PATCH /lines/{UUID}", {}, body={"count": 2})
    assert applied(added, sent(2, "GET /cart", {"lines": [{"id": UUID}]}), change)[0][:2] == ("line_id", 2)
    assert not applied(added, sent(2, "GET /items", {"lines": [{"id": UUID}]}), change)


def test_an_etag_goes_into_if_match():
    read = sent(1, "GET /cards/7", {}, gives=[("ETag", '"c1847bb7df"')])
    change = sent(2, "PUT /cards/7", {}, body={"title": "x"}, headers=[("If-Match", '"c1847bb7df"')])
    assert applied(read, change) == [("etag", 1, r"(?i)ETag: (?:[a-z]+ )?(\S+)", [2])]


@pytest.mark.parametrize("subject", ["body", "headers"])
def test_a_value_within_quotes_is_carried_without_them(subject):
    xml = Payload(data=f"<R><ETag>&quot;{TOKEN}&quot;</ETag></R>".encode(), type="application/xml")
    stored = sent(1, "POST /bucket", gives=[("ETag", f'W/"{TOKEN}"')] if subject == "headers" else [])
    stored = stored if subject == "headers" else replace(stored, response=xml)
    ((variable, source, found, _),) = applied(stored, sent(2, "POST /complete", {}, body={"etag": f'"{TOKEN}"'}))
    assert (variable, source) == ("etag", 1)
    assert taken(replace(EXTRACT, expression=found, subject=subject), stored) == TOKEN


def test_the_next_page_comes_out_of_a_link_header():
    first = sent(1, "GET /items", {}, gives=[("Link", f'<{HOST}/items?cursor={TOKEN}>; rel="next"')])
    assert applied(first, sent(2, f"GET /items?cursor={TOKEN}", {}))[0][:2] == ("cursor", 1)


def test_a_token_of_letters_alone_is_no_word():
    form_of = (
        '<form action="/sso" method="post"><input type="hidden" name="RelayState" value="qWhTBxoeLKsaPvJm"></form>'
    )
    sso = sent(2, "POST /sso", {}, body=form(RelayState="qWhTBxoeLKsaPvJm"))
    assert applied(sent(1, "GET /login", form_of), sso)[0][0] == "relay_state"


def test_an_id_of_edges_and_nodes_is_named_after_the_list():
    line = {"data": {"linesAdd": {"cart": {"lines": {"edges": [{"node": {"id": "Q2FydExpbmU6MTAwNQ=="}}]}}}}}
    added = sent(1, "POST /graphql", line, body={"query": "mutation { linesAdd { id } }"})
    query = 'mutation { lineUpdate(lineId: "Q2FydExpbmU6MTAwNQ==") { id } }'
    assert applied(added, sent(2, "POST /graphql", {}, body={"query": query}))[0][0] == "line_id"


@pytest.mark.parametrize(
    ("answer", "address"),
    [
        ({"total": 12, "page": 3}, "/items?size=12"),  # numbers by chance
        ({"country": "Germany", "locale": "en-US"}, "/items?where=Germany&lang=en-US"),  # words
        ({"from": "2026-01-01", "price": "19.99"}, "/items?since=2026-01-01&least=19.99"),
        ({"open": True, "count": 1000}, "/items?open=true&limit=1000"),
    ],
)
def test_what_both_sides_have_by_chance_is_no_rule(answer, address):
    assert not applied(sent(1, "POST /session", answer, body={"a": 1}), sent(2, f"GET {address}", {}))


def test_an_item_of_a_list_stays_as_it_is_and_is_listed():
    (rule,) = correlated(recordings.api()).rules[1:2]
    assert (rule.applied, rule.extract.expression) == (False, "$.items[0].id")


# --- Blogs, wikis and administrations


def test_the_id_of_a_draft_that_a_page_has_made_goes_into_routes_in_parameters_and_into_bodies():
    new = "<!--[if lt IE 8]><p>old</p><![endif]--><input type='hidden' name='post_ID' value='7'>"
    found = applied(
        sent(1, "GET /new", new, kind="document"),
        sent(2, "GET /index.php?rest_route=%2Fwp%2Fv2%2Fposts%2F7&_locale=user", {}),
        sent(3, "POST /index.php?rest_route=%2Fwp%2Fv2%2Fposts%2F7", {}, body={"id": 7, "title": "x", "size": 7}),
    )
    assert found == [("post_id", 1, "input[name=post_ID]", [2, 3, 3])]
    one = recorded(sent(1, "GET /new", new), sent(2, "POST /?rest_route=/wp/v2/posts/7", {}, body={"id": 7, "size": 7}))
    whole = carried(one.exchanges[1], correlated(one))
    assert whole.url.endswith("/?rest_route=%2Fwp%2Fv2%2Fposts%2F${post_id}")
    assert whole.body and json.loads(whole.body.data.replace(b"${post_id}", b"1")) == {"id": 1, "size": 7}


def test_the_key_of_a_made_object_is_its_id():
    found = applied(
        sent(1, "POST /admin/add/homepage/3", {"success": True, "pk": 58}, body=form(title="Story")),
        sent(2, "GET /admin/pages/58/edit/", ""),
    )
    assert found == [("homepage_id", 1, "$.pk", [2])]


def test_a_small_number_is_no_id_of_something_else_unless_it_differs_and_fits_in_both_recordings():
    def visit(session, page_id="1"):
        return recorded(
            sent(1, "POST /login", f'<input type="hidden" name="page_id" value="{page_id}">', body=form(a="b")),
            sent(2, "GET /edit", f'<p data-ping="/sessions/ping/page/5/{session}/"></p>', kind="document"),
            sent(3, f"POST /sessions/ping/page/5/{session}/", {}, body=form(next="")),
        )

    assert not applied(*visit("1").exchanges)
    assert [(source, uses) for _, source, _, uses in applied(*visit("2").exchanges, second=visit("3"))] == [(2, [3])]


def test_a_number_that_the_second_recording_contradicts_stays_beside_an_equal_one_that_fits():
    """The first issue of a tracker has the number of its state."""

    def visit(issue):
        return recorded(
            sent(1, "POST /issues", {"issue": {"id": issue}}, body=form(subject="Lamp")),
            sent(2, f"POST /issues/{issue}", "", body=form(status_id="1", notes="Repaired")),
        )

    (rule,) = correlated(visit(1), visit(2)).rules
    assert [place.where for _, place in rule.uses] == ["path"]


def test_a_time_with_microseconds_is_a_version_and_is_carried():
    at = "2026-12-01T02:58:43.152311+00:00"
    saved = sent(1, "POST /save", {"revision_created_at": at}, body=form(title="Story"))
    assert applied(saved, sent(2, "POST /publish", {}, body=form(loaded_revision_created_at=at)))[0][1] == 1


def test_a_token_of_digits_alone_is_carried():
    page_of = '<script>var api = {"nonce":"0340875493"};</script>'
    found = applied(sent(1, "GET /", page_of), sent(2, "POST /likes", {}, headers=[("X-WP-Nonce", "0340875493")]))
    assert found == [("nonce", 1, '"nonce":"([^"\\s]+)', [2])]


def test_a_token_of_a_form_is_carried_however_short_it_is():
    login = '<form method="post"><input type="hidden" name="wpEditToken" value="+\\"></form>'
    posted = form(wpEditToken="+\\", wpName="Ada")
    found = applied(sent(1, "GET /login", login), sent(2, "POST /login", "", body=posted))
    assert found == [("wp_edit_token", 1, "input[name=wpEditToken]", [2])]


def test_a_token_that_a_script_writes_with_an_escape_is_carried_up_to_that():
    script = f'<script>tokens.set({{"csrfToken":"{TOKEN}+\\\\"}});</script>'
    one = recorded(sent(1, "GET /edit", script), sent(2, "POST /api", {}, body=form(token=f"{TOKEN}+\\")))
    whole = carried(one.exchanges[1], correlated(one))
    assert whole.body and whole.body.fields == (("token", "${csrf_token}\\"),)


def test_of_equal_values_each_field_gets_its_own():
    times = ("wpStarttime", "wpEdittime")
    fields = "".join(f'<input type="hidden" name="{name}" value="20261201015146">' for name in times)
    one = recorded(
        sent(1, "GET /edit", fields), sent(2, "POST /edit", "", body=form(**dict.fromkeys(times, "20261201015146")))
    )
    whole = carried(one.exchanges[1], correlated(one))
    assert whole.body and whole.body.fields == (("wpStarttime", "${wp_starttime}"), ("wpEdittime", "${wp_edittime}"))


def test_a_constant_word_with_a_mark_is_no_value():
    link = '<a href="/index.php?title=Special:UserLogout">Log out</a>'
    assert not applied(
        sent(1, "POST /login", link, body=form(a="b")), sent(2, "POST /index.php?title=Special:UserLogout", "")
    )


def test_the_end_of_a_redirect_is_a_source_from_its_own_time_on():
    config = f'<script>{{"CSRF_TOKEN": "{TOKEN}"}}</script>'
    whole = redirected(1, "POST /add", "/pages/58/edit/", config, body=form(title="Story"), started_s=0.0, took_s=1.0)
    whole = replace(whole, hops=tuple(replace(one, took_s=0.7) for one in whole.hops))
    ping = sent(3, "POST /ping", {}, headers=[("X-Csrftoken", TOKEN)], started_s=1.05)
    assert applied(whole, ping) == [("csrf_token", 1, '"CSRF_TOKEN": "([^"\\s]+)', [3])]


def test_requests_of_one_address_are_paired_by_the_words_of_their_parameters():
    def visit(session, *order):
        asked = [
            sent(number, f"GET /index.php?rest_route=/wp/v2/{name}", {name: secret(session, name)})
            for number, name in enumerate(order, 2)
        ]
        used = sent(9, "POST /save", {}, body={"themes": secret(session, "themes")})
        return recorded(sent(1, "GET /", ""), *asked, used)

    found = correlated(visit("a", "users", "themes"), visit("b", "themes"))
    assert (found.rules[0].applied, found.unpaired) == (
        True,
        ("GET https://app.example.com /index.php (first recording)",),
    )


# --- GraphQL, uploads, OAuth


def test_ids_of_mutations_go_into_variables_and_queries_make_nothing():
    def asked(number, text, answer, **variables):
        return sent(number, "POST /graphql", {"data": answer}, body={"query": text, "variables": variables})

    found = applied(
        asked(1, "mutation { createCart { id } }", {"createCart": {"id": "c81"}}),
        asked(2, "mutation { createCart { id } }", {"createCart": {"id": "cart-8123"}}),
        asked(3, "query { items { id } }", {"items": [{"id": "item-17"}]}),
        asked(4, "mutation add { add }", {"add": {"count": 2}}, cartId="cart-8123", itemId="item-17"),
        asked(5, 'mutation { pay(cart: "cart-8123") { ok } }', {"pay": {"ok": True}}),
    )
    assert found == [("create_cart_id", 2, "$.data.createCart.id", [4, 5])]


def test_a_short_id_below_a_key_that_jsonpath_reserves_is_replaced():
    one = recorded(
        sent(1, "POST /carts", {"cartId": "c81x"}, body={"item": "lamp"}),
        sent(2, "POST /pay", {}, body={"where": {"cartId": "c81x"}}),
    )
    whole = carried(one.exchanges[1], correlated(one))
    assert whole.body is not None and json.loads(whole.body.data) == {"where": {"cartId": "${cart_id}"}}


def test_a_signed_address_is_carried_as_a_whole():
    signed = f"https://files.example.com/in/{UUID}?X-Amz-Expires=300&X-Amz-Signature={TOKEN}"
    (rule,) = correlated(
        recorded(
            sent(1, "POST /uploads", {"id": "u-8123", "uploadUrl": signed}, body={"name": "a.png"}),
            sent(2, f"PUT {signed}", body=Payload(data=b"\0\1", type="application/octet-stream")),
        )
    ).rules
    assert (rule.extract.expression, [place.where for _, place in rule.uses]) == ("$.uploadUrl", ["url"])
    assert rule.reference(rule.uses[0][1]) == "${upload_url}"


def test_oauth_takes_the_code_out_of_the_redirect_and_keeps_what_the_client_made():
    identity, code = "https://id.example.com", "4/0AX4XfWh-9rT2mQ7"
    state, challenge, verifier = (secret("first", name) for name in ("state", "challenge", "verifier"))
    back = f"{HOST}/callback?{urlencode({'code': code, 'state': state})}"
    asked = urlencode(
        {"client_id": "shop", "state": state, "code_challenge": challenge, "redirect_uri": f"{HOST}/callback"}
    )
    found = correlated(
        recorded(
            sent(1, f"GET {identity}/authorize?{asked}", recordings.csrf_form("/login", OTHER)),
            redirected(
                2, f"POST {identity}/login", back, "", body=form(csrf=OTHER, user="ada", password="secret word")
            ),
            sent(4, f"POST {identity}/token", {"access_token": TOKEN}, body=form(code=code, code_verifier=verifier)),
            sent(5, "GET /api/me", {"name": "ada"}, headers=bearer(TOKEN)),
        )
    )
    assert [(rule.extract.variable, rule.source) for rule in found.rules if rule.applied] == [
        ("csrf", 1),
        ("code", 2),
        ("access_token", 4),
    ]
    assert found.redirects == (2,)
    code_rule = found.rules[1]
    assert [(number, code_rule.reference(place)) for number, place in code_rule.uses] == [
        (3, "${code}"),
        (4, "${__urldecode(${code})}"),
    ]


# --- Two recordings


def test_what_is_equal_in_two_recordings_belongs_to_the_deployment():
    def visit(session):
        return recorded(
            sent(1, "GET /config", f'<meta name="api-key" content="{TOKEN}">'),
            sent(2, "GET /items", {"items": [{"ref": secret(session, "ref")}]}, headers=[("X-Api-Key", TOKEN)]),
            sent(3, "POST /cart", {}, body={"ref": secret(session, "ref")}),
        )

    alone, both = correlated(visit("first")), correlated(visit("first"), visit("second"))
    assert [rule.applied for rule in alone.rules] == [True, True]
    assert [rule.applied for rule in both.rules] == [False, True]


def test_a_value_that_changes_at_one_end_only_is_no_rule():
    def visit(first_of_list):
        return recorded(
            sent(1, "GET /items", {"items": [{"ref": first_of_list}, {"ref": OTHER}]}),
            sent(2, "POST /cart", {}, body={"ref": TOKEN}),
        )

    assert not applied(*visit(TOKEN).exchanges, second=visit(secret("second", "x")))
    # A replay sends what was recorded, so that a change at the source speaks for the rule.
    assert applied(*visit(TOKEN).exchanges, second=replace(visit(secret("second", "x")), origin=REPLAY))


def test_requests_that_one_recording_lacks_are_listed_and_skipped():
    def visit(session, *more):
        token = secret(session, "token")
        last = sent(9, "GET /cart", {}, headers=bearer(token))
        return recorded(sent(1, "POST /login", {"token": token}, body={"user": "ada"}), *more, last)

    found = correlated(visit("first"), visit("second", sent(2, "GET /news", {})))
    assert found.rules[0].applied
    assert found.unpaired == ("GET https://app.example.com /news (second recording)",)


def test_a_uuid_that_the_client_makes_differs_from_input():
    def visit(made, typed):
        return recorded(sent(1, "POST /orders", {}, body={"note": typed}, headers=[("Idempotency-Key", made)]))

    found = correlated(visit(UUID, "one lamp"), visit(UUID.replace("0b0f", "1c1f"), "two lamps"))
    assert [(number, place.path) for number, place in found.client_made] == [(1, "Idempotency-Key")]


# --- The list of rules


def test_rules_are_applied_or_dropped_by_number_and_keep_their_numbers():
    numbers = [rule.number for rule in correlated(recordings.api()).rules]
    found = correlated(recordings.api(), forced=[2], dropped=[1])
    assert [rule.number for rule in found.rules] == numbers == [1, 2, 3]
    assert [rule.applied for rule in found.rules] == [False, True, True]


def test_the_explanation_has_no_value():
    for one in (recordings.login(), recordings.api()):
        text = json.dumps(list(explained(one, correlated(one))))
        assert "POST /" in text
        assert not [value for value in recordings.secrets() if value in text]


def test_a_failed_assertion_prints_no_value():
    one = recordings.api()
    assert not [value for value in recordings.secrets() if value in repr((one, correlated(one)))]


@pytest.mark.parametrize("visit", [recordings.login, recordings.api])
def test_extractors_take_what_apiritifs_take(visit):
    one = visit()
    found = correlated(one)
    whole = {exchange.number: exchange for exchange in unfolded(one, found).exchanges}
    for rule in found.rules:
        assert apiritifs(rule.extract, whole[rule.source]) == taken(rule.extract, whole[rule.source]) == rule.value


def apiritifs(extract, exchange):
    raw = requests.Response()
    raw.status_code, raw.request = exchange.status, requests.PreparedRequest()
    raw._content = exchange.response.data if exchange.response else b""
    raw.headers.update(exchange.response_headers)
    response = HTTPResponse(raw)
    if extract.how == "jsonpath":
        return str(response.extract_jsonpath(extract.expression))
    if extract.how == "css":
        return response.extract_cssselect(extract.expression, attribute=extract.attribute)
    headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
    response.text = headers if extract.subject == "headers" else response.text
    return response.extract_regex(extract.expression)[1]


@given(st.text(max_size=200), st.sampled_from(["text/html", "application/json", "application/xml", "", "text/plain"]))
@examples(50)
def test_any_text_as_address_header_and_body_is_read(text, kind):
    """Recordings are foreign: no value raises an error."""
    body = Payload(data=text.encode("utf-8", "replace"), type=kind)
    answer = {"response": body, "response_headers": (("Location", text), ("Set-Cookie", text), ("X-A", text))}
    whole = replace(sent(1, "POST /a", headers=[("Cookie", text), ("X-B", text)], body=body), url=text, **answer)
    one = replace(whole, hops=(replace(whole, status=302),))
    correlated(recorded(one, replace(one, number=3)), recorded(replace(one, url=text[::-1])))
    shape_of(text, kind, cut=True)
