"""Requests have the names of their routes."""

import json

import pytest

from tests.authoring.suites import body, exchange, form, recorded
from toril.authoring.routes import named
from toril.suite.engines import TIMINGS


def names(*exchanges, **more):
    return [one.name for one in named(recorded(*exchanges, **more)).exchanges]


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("/v1/items/17", "/v1/items/{id}"),
        ("/items/5f0c1a7e-93d4-4c55-8a86-0d8f3f4be1aa", "/items/{id}"),
        ("/items/507f1f77bcf86cd799439011/edit", "/items/{id}/edit"),
        ("/users/17/orders/8123", "/users/{user_id}/orders/{order_id}"),
        ("/invoices/8123.pdf", "/invoices/{id}.pdf"),
        ("/orders/${order}", "/orders/{id}"),
        ("/users/17/orders/${__urlencode(${order})}", "/users/{user_id}/orders/{order_id}"),
        ("/cart;jsessionid=8F2A", "/cart"),
        ("/help/shipping-and-returns", "/help/shipping-and-returns"),
    ],
)
def test_ids_have_names(path, route):
    assert names(exchange(1, path)) == [f"GET {route}"]


def test_the_same_route_of_another_host_has_the_host_in_its_name():
    assert names(exchange(1, "/items"), exchange(2, "https://api.example.com/items"), exchange(3, "/items")) == [
        "GET /items",
        "GET api.example.com/items",
        "GET /items",
    ]


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ({"operationName": "Items", "query": "query Items { items { id } }"}, "POST /graphql (Items)"),
        ({"query": "mutation { addItem(id: 3) { id } }"}, "POST /graphql (addItem)"),
        ({"query": "{ first: items { id } }"}, "POST /graphql (items)"),
        ({"operationName": "Items", "extensions": {"persistedQuery": {"version": 1}}}, "POST /graphql (Items)"),
        ({"query": "lamp"}, "POST /graphql"),
    ],
)
def test_operations_of_graphql_have_their_names(sent, name):
    assert names(exchange(1, "/graphql", "POST", body=body(json.dumps(sent)))) == [name]


def test_names_and_routes_of_the_source_stay():
    own = exchange(1, "/v1/items/17", route="/items/{itemId}"), exchange(2, "/v1/items", name="List items")
    assert names(*own, kind="openapi") == ["GET /v1/items/{itemId}", "List items"]
    assert names(*(exchange(n, "/items", name="Request") for n in (1, 2))) == ["Request", "Request"]
    assert names(*(exchange(n, f"/{n}-s", name="Request") for n in (1, 2))) == ["GET /1-s", "GET /2-s"]


def test_a_version_is_no_id():
    assert names(exchange(1, "/1.1/items/2.0")) == ["GET /1.1/items/2.0"]


def test_a_random_segment_is_an_id():
    assert names(exchange(1, "/pixel/f007da28Q2FQ26Q26a)Z7TT2Q2FQ26h0EUhQ2FZ2KBQ2F")) == ["GET /pixel/{id}"]


def test_no_name_ends_like_the_timing_of_a_page():
    kind = TIMINGS[0].strip(" ()")
    (name,) = names(exchange(1, "/items", name=f"GET /items ({kind})"))
    assert not name.endswith(TIMINGS)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            "/index.php?title=Main_Page",
            "/index.php?title=Talk:Main&action=edit",
            ["title=Main_Page", "title=Talk:Main&action=edit"],
        ),
        (
            "/?rest_route=%2Fv2%2Fposts%2F7",
            "/?rest_route=/v2/users",
            ["rest_route=/v2/posts/{id}", "rest_route=/v2/users"],
        ),
        ("/items?page=1", "/items?page=2", ["", ""]),  # ids and numbers tell nothing
        ("/items?token=abc", "/items?token=xyz", ["", ""]),
    ],
)
def test_equal_names_are_told_apart_by_the_words_of_a_parameter(first, second, expected):
    found = names(exchange(1, first), exchange(2, second), exchange(3, "/other"))
    assert [name.partition("?")[2] for name in found] == [*expected, ""]


def test_posts_to_one_address_are_told_apart_by_their_action():
    sent = [form(("action", action), ("user", "ada")) for action in ("heartbeat", "save")]
    assert names(*(exchange(n, "/ajax.php", "POST", body=one) for n, one in enumerate(sent, 1))) == [
        "POST /ajax.php?action=heartbeat",
        "POST /ajax.php?action=save",
    ]
