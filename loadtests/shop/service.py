"""A small shop to test: products, a cart, a checkout, a login, and a page for browsers. Uses only the standard library.

python service.py                      prints its address; at the end, the number of answered requests
SLOW=400 ERRORS=5 python service.py    makes checkouts 400 ms slower, and answers 5 % of all requests with 503

SLOWER=10 python service.py            makes all requests 10 % slower
"""

import argparse
import contextlib
import json
import os
import random
import secrets
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

KINDS = ("lamp", "chair", "table", "mug", "rug", "clock", "shelf", "plant")
PRODUCTS = 1000
WORK_MS = {  # medians; a real shop takes longer
    "products": 12,
    "search": 25,
    "product": 8,
    "cart": 10,
    "checkout": 60,
    "login": 15,
}
WORK_SPREAD = 0.35  # standard deviation of the logarithm: 1 % of requests take more than twice the median
SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL);
CREATE TABLE carts (id INTEGER PRIMARY KEY, product INTEGER NOT NULL REFERENCES products, quantity INTEGER NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, cart INTEGER NOT NULL REFERENCES carts, total_cents INTEGER NOT NULL);
CREATE INDEX products_by_name ON products (name);
"""

STOREFRONT = """<!doctype html><html lang="en"><title>The demo shop</title><h1>The demo shop</h1>
<form><label>What are you looking for? <input id="q"></label> <button id="find">Find</button></form>
<ul id="found"></ul><p id="cart" hidden><span></span> <button id="buy">Buy it</button></p><p id="order" hidden></p>
<script>
const at = (id) => document.getElementById(id);
const send = async (path, body) => (await fetch(path, {method: 'POST', body: JSON.stringify(body)})).json();
async function show(path) {
  const products = await (await fetch(path)).json();
  at('found').replaceChildren(...products.map((one) => {
    const item = document.createElement('li'), button = document.createElement('button');
    item.append(one.name + ', ' + one.price_cents / 100 + ' ', button);
    button.textContent = 'Put it into the cart';
    button.onclick = () => choose(one);
    return item;
  }));
  at('found').className = path.startsWith('/search') ? 'hits' : '';
}
async function choose(product) {
  const {cart} = await send('/cart', {product: product.id, quantity: 1});
  at('cart').firstElementChild.textContent = product.name;
  at('cart').hidden = false;
  at('buy').onclick = async () => {
    at('order').textContent = 'Order ' + (await send('/checkout', {cart})).order;
    at('order').hidden = false;
  };
}
document.forms[0].onsubmit = (event) => {
  event.preventDefault();
  show('/search?q=' + encodeURIComponent(at('q').value));
};
show('/products');
</script></html>"""

Answer = tuple[int, Any]


class Shop(ThreadingHTTPServer):
    """One thread per connection, one database connection per thread."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], database: Path, slow_ms: float, errors_percent: float, slower_percent: float
    ) -> None:
        self.database = database
        self.slow_ms = slow_ms
        self.errors_percent = errors_percent
        self.factor = 1 + slower_percent / 100
        self.answered: Counter[str] = Counter()  # requests by page, including those with errors
        self.counting = threading.Lock()
        self.customers: dict[str, str] = {}  # by the token of their login
        with sqlite3.connect(database) as connection:
            connection.executescript(SCHEMA)
            connection.executemany(
                "INSERT INTO products VALUES (?, ?, ?)",
                [(n, f"{KINDS[n % len(KINDS)]} {n}", 500 + 7 * n) for n in range(1, PRODUCTS + 1)],
            )
        connection.close()
        super().__init__(address, Handler)


class Handler(BaseHTTPRequestHandler):
    server: Shop
    protocol_version = "HTTP/1.1"  # keeps connections open
    disable_nagle_algorithm = True
    wbufsize = -1  # sends head and body together

    def setup(self) -> None:
        super().setup()
        self.db = sqlite3.connect(self.server.database, timeout=10)
        self.db.execute("PRAGMA synchronous = NORMAL")

    def finish(self) -> None:
        self.db.close()
        super().finish()

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if random.random() * 100 < self.server.errors_percent:
            code, found = 503, {"error": "the shop is closed for a moment"}
        else:
            try:
                code, found = self.route(body)
            except (ValueError, KeyError, TypeError):
                code, found = 400, {"error": "invalid request"}
        page = isinstance(found, str)
        data = (found if page else json.dumps(found)).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8" if page else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with self.server.counting:
            self.server.answered[urlsplit(self.path).path.strip("/").split("/")[0]] += 1
        self.wfile.write(data)

    def route(self, body: bytes) -> Answer:
        url = urlsplit(self.path)
        page, *_ = path = url.path.strip("/").split("/")
        time.sleep(self.server.factor * WORK_MS.get(page, 0) / 1000 * random.lognormvariate(0, WORK_SPREAD))
        match self.command, path:
            case "GET", [""]:
                return 200, STOREFRONT
            case "GET", ["products"]:
                page = int(parse_qs(url.query).get("page", ["0"])[0])
                return 200, self.products("ORDER BY id LIMIT 20 OFFSET ?", 20 * page)
            case "GET", ["search"]:
                name = parse_qs(url.query)["q"][0]
                return 200, self.products(
                    "WHERE name >= ? AND name < ? ORDER BY price_cents LIMIT 20", name, name + "~"
                )
            case "GET", ["product", number]:
                found = self.products("WHERE id = ?", int(number))
                return (200, found[0]) if found else (404, {"error": "no such product"})
            case "POST", ["cart"]:
                wanted = json.loads(body)
                return 201, {
                    "cart": self.write(
                        "INSERT INTO carts (product, quantity) VALUES (?, ?)", wanted["product"], wanted["quantity"]
                    )
                }
            case "POST", ["checkout"]:
                return self.checkout(json.loads(body)["cart"])
            case "POST", ["login"]:
                return self.login(**json.loads(body))
            case "GET", ["account"]:
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                customer = self.server.customers.get(token)
                return (200, {"user": customer}) if customer else (401, {"error": "log in first"})
        return 404, {"error": "no such page"}

    def products(self, rest: str, *values: Any) -> list[dict[str, Any]]:
        rows = self.db.execute(f"SELECT id, name, price_cents FROM products {rest}", values)  # noqa: S608 - `rest` is ours
        return [{"id": number, "name": name, "price_cents": price} for number, name, price in rows]

    def checkout(self, cart: int) -> Answer:
        time.sleep(self.server.slow_ms / 1000)
        found = self.db.execute(
            "SELECT price_cents * quantity FROM carts JOIN products ON products.id = product WHERE carts.id = ?",
            (cart,),
        ).fetchone()
        if found is None:
            return 404, {"error": "no such cart"}
        return 201, {"order": self.write("INSERT INTO orders (cart, total_cents) VALUES (?, ?)", cart, found[0])}

    def login(self, user: str, password: str) -> Answer:
        """Accepts every user name. The password is the name followed by `-pw`."""
        if password != f"{user}-pw":
            return 403, {"error": "wrong user name or password"}
        token = secrets.token_hex(16)
        self.server.customers[token] = user
        return 200, {"token": token}

    def write(self, statement: str, *values: Any) -> int | None:
        with self.db:
            return self.db.execute(statement, values).lastrowid

    def log_message(self, *_: Any) -> None:
        """Logs nothing: a line per request would be the slowest part of the shop."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="Port; 0 (the default) chooses a free one.")
    parser.add_argument(
        "--slow", type=float, default=float(os.environ.get("SLOW") or 0), help="Milliseconds to add to each checkout."
    )
    parser.add_argument(
        "--slower", type=float, default=float(os.environ.get("SLOWER") or 0), help="Per cent to add to each time."
    )
    parser.add_argument(
        "--errors", type=float, default=float(os.environ.get("ERRORS") or 0), help="Percentage of 503 answers."
    )
    parser.add_argument("--until-stdin-closes", action="store_true", help="End when stdin closes.")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        tempfile.TemporaryDirectory(prefix="shop-") as folder,
        Shop(
            ("127.0.0.1", options.port), Path(folder, "shop.db"), options.slow, options.errors, options.slower
        ) as shop,
        contextlib.suppress(KeyboardInterrupt),
    ):
        if options.until_stdin_closes:
            threading.Thread(target=end_with_stdin, args=(shop,), daemon=True).start()
        print(f"http://127.0.0.1:{shop.server_address[1]}", flush=True)
        shop.serve_forever(poll_interval=0.1)
    with shop.counting:
        print(
            f"answered {shop.answered.total()} requests: {json.dumps(dict(sorted(shop.answered.items())))}", flush=True
        )


def end_with_stdin(shop: Shop) -> None:
    sys.stdin.read()
    shop.shutdown()


if __name__ == "__main__":
    main()
