"""A GraphQL service: one address, ids that mutations return, errors with status 200, and a persisted query by GET."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.applications import PASSWORD, USER, Application, Asked, Refused, Reply, page, served

PERSISTED = "query Viewer { viewer { name } }"  # clients send its hash alone
HASH = hashlib.sha256(PERSISTED.encode()).hexdigest()
LAMP = "5f0c1a7e-93d4-4c55-8a86-0d8f3f4be1aa"  # of the deployment
CONTENT = """<form id="login"><label>E-mail <input id="user"></label>
<label>Password <input id="password" type="password"></label><button>Log in</button></form>
<p id="who"></p><button id="add">Add a lamp</button> <button id="order">Order</button><p id="state"></p>"""
SCRIPT = """
const at = (id) => document.getElementById(id);
let token = '', item = '', cart = '';
const headers = () => ({'Content-Type': 'application/json', ...(token && {'Authorization': `Bearer ${token}`})});
const ask = async (query, variables = {}) => {
  const operationName = query.match(/(?:query|mutation) (\\w+)/)[1];
  const body = JSON.stringify({operationName, query, variables});
  return (await (await fetch('/graphql', {method: 'POST', headers: headers(), body})).json()).data;
};
at('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const query = 'mutation Login($email: String!, $password: String!) '
    + '{ login(email: $email, password: $password) { token } }';
  token = (await ask(query, {email: at('user').value, password: at('password').value})).login.token;
  const extensions = JSON.stringify({persistedQuery: {version: 1, sha256Hash: '%s'}});
  const query2 = new URLSearchParams({operationName: 'Viewer', variables: '{}', extensions});
  const viewer = await (await fetch(`/graphql?${query2}`, {headers: headers()})).json();
  const found = await ask('query Items($first: Int!) { items(first: $first) { id name price } }', {first: 10});
  await ask('query Advice { advice { text } }');
  item = found.items[0].id;
  at('who').textContent = viewer.data.viewer.name;
});
at('add').addEventListener('click', async () => {
  cart = (await ask('mutation CreateCart { createCart { id } }')).createCart.id;
  const query = 'mutation AddItem($cart: ID!, $item: ID!, $count: Int!) '
    + '{ addItem(cart: $cart, item: $item, count: $count) { id total } }';
  const line = (await ask(query, {cart, item, count: 2})).addItem;
  await ask('mutation Wrap($line: ID!) { wrap(line: $line) { id wrapped } }', {line: line.id});
  at('state').textContent = `Total ${line.total}`;
});
at('order').addEventListener('click', async () => {
  const order = (await ask('mutation Order($cart: ID!) { order(cart: $cart) { number state } }', {cart})).order;
  const query = 'query OrderState($number: Int!) { order(number: $number) { state } }';
  const found = await ask(query, {number: order.number});
  at('state').textContent = `Order ${order.number} is ${found.order.state}`;
});
""".replace("%s", HASH)


class Service:
    def __init__(self, application: Application) -> None:
        self._application = application
        self._tokens: set[str] = set()
        self._carts: set[str] = set()
        self._lines: set[str] = set()
        self._orders: set[int] = set()

    def respond(self, asked: Asked) -> Reply:
        match asked.method, asked.parts:
            case "GET", []:
                return Reply(body=page("Lamps", CONTENT, SCRIPT))
            case "GET", ["graphql"]:
                known = json.loads(asked.query["extensions"])["persistedQuery"]
                if known["sha256Hash"] != HASH:
                    raise Refused(200, "PersistedQueryNotFound")
                return self._answer(asked, asked.query["operationName"], {})
            case "POST", ["graphql"]:
                sent = asked.json
                return self._answer(asked, sent["query"].split("(")[0].split("{")[0].strip(), sent["variables"])
        raise Refused(404, "no such page")

    def _answer(self, asked: Asked, operation: str, given: dict[str, Any]) -> Reply:
        if operation == "mutation Login":
            if (given["email"], given["password"]) != (USER, PASSWORD):
                raise Refused(200, "wrong password")
            token = self._application.fresh()
            self._tokens.add(token)
            return _data(login={"token": token})
        if asked.bearer not in self._tokens:
            raise Refused(200, "not logged in")
        match operation, given:
            case "Viewer", _:
                return _data(viewer={"name": "Ada"})
            case "query Items", _:
                return _data(items=[{"id": LAMP, "name": "Lamp", "price": 45}])
            case "query Advice", _:  # an error that belongs to the recording
                return Reply(body={"data": {"advice": None}, "errors": [{"message": "no advice yet"}]})
            case "mutation CreateCart", _:
                return _data(createCart={"id": self._made(self._carts)})
            case "mutation AddItem", {"cart": cart, "item": item, "count": 2} if cart in self._carts and item == LAMP:
                return _data(addItem={"id": self._made(self._lines), "total": 90})
            case "mutation Wrap", {"line": line} if line in self._lines:
                return _data(wrap={"id": line, "wrapped": True})
            case "mutation Order", {"cart": cart} if cart in self._carts:
                self._carts.remove(cart)
                number = 70_001 + len(self._orders)
                self._orders.add(number)
                return _data(order={"number": number, "state": "OPEN"})
            case "query OrderState", {"number": number} if number in self._orders:
                return _data(order={"state": "OPEN"})
        raise Refused(200, f"{operation}: unknown operation or id")

    def _made(self, ids: set[str]) -> str:
        made = self._application.fresh(secret=False)[:24]
        ids.add(made)
        return made


def _data(**data: Any) -> Reply:
    return Reply(body={"data": data})


@contextmanager
def serving(**options: Any) -> Iterator[Application]:
    application = Application(options=options)
    with served(application, Service(application).respond) as application.url:
        yield application
