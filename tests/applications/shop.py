"""A shop whose server renders each page: a CSRF field for each form, redirects after POST, and a double-submit cookie.

Its pages forbid foreign scripts and all styles by a Content-Security-Policy.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.applications import PASSWORD, USER, Application, Asked, Refused, Reply, page, redirect, served

ITEMS = {"lamp-12": "Lamp", "sofa-7": "Sofa"}
FIRST_ORDER = 8123
SCRIPT = """
document.getElementById('like')?.addEventListener('click', async () => {
  const token = decodeURIComponent(document.cookie.match(/XSRF-TOKEN=([^;]*)/)[1]);
  const headers = {'Content-Type': 'application/json', 'X-XSRF-TOKEN': token};
  const answer = await fetch('/api/favourites', {method: 'POST', headers, body: JSON.stringify({item: 'lamp-12'})});
  document.getElementById('liked').textContent = `${(await answer.json()).count} liked`;
});
"""


@dataclass
class Session:
    xsrf: str
    user: str = ""
    forms: set[str] = field(default_factory=set)  # unused CSRF tokens
    cart: list[str] = field(default_factory=list)
    liked: set[str] = field(default_factory=set)


class Shop:
    def __init__(self, application: Application) -> None:
        self._application = application
        self._sessions: dict[str, Session] = {}
        self._orders: dict[str, list[str]] = {}

    def respond(self, asked: Asked) -> Reply:
        session = self._sessions.get(asked.cookies.get("session", ""))
        match asked.method, asked.parts:
            case "GET", []:
                return self._page("Shop", '<p><a href="/login">Log in</a></p>')
            case "GET", ["login"] if session and session.user:
                return redirect("/account")
            case "GET", ["login"]:
                key, session = self._started()
                fields = '<label>E-mail <input name="email"></label>'
                fields += '<label>Password <input name="password" type="password"></label>'
                login = self._page("Log in", self._form(session, "/login", "Log in", fields))
                return Reply(body=login.body, headers=(*login.headers, ("Set-Cookie", _cookie(key))))
        if session is None:
            raise Refused(403, "no session")
        if asked.method == "POST" and asked.parts != ["api", "favourites"]:
            token = asked.form.get(self._application.named("csrf"))
            if token not in session.forms:
                raise Refused(403, "unknown or used CSRF token")
            session.forms.remove(token)
        if asked.parts == ["login"]:
            if (asked.form["email"], asked.form["password"]) != (USER, PASSWORD):
                raise Refused(403, "wrong password")
            key, session = self._started(user=USER)
            xsrf = f"XSRF-TOKEN={quote(session.xsrf, safe='')}; Path=/; SameSite=Lax"
            return redirect("/account", _cookie(key), xsrf)
        if not session.user:
            return redirect("/login")
        return self._shopping(asked, session)

    def _shopping(self, asked: Asked, session: Session) -> Reply:
        match asked.method, asked.parts:
            case "GET", ["account"]:
                forms = (
                    self._form(session, "/cart", f"Add {name}", f'<input type="hidden" name="item" value="{item}">')
                    for item, name in ITEMS.items()
                )
                like = '<button id="like">Like the lamp</button><p id="liked"></p>'
                return self._page(f"Welcome {session.user}", "".join(forms) + like)
            case "POST", ["api", "favourites"]:
                if asked.headers.get("X-XSRF-TOKEN") != session.xsrf or "XSRF-TOKEN" not in asked.cookies:
                    raise Refused(419, "header and cookie differ")
                session.liked.add(asked.json["item"])
                return Reply(body={"count": len(session.liked)}, status=201)
            case "POST", ["cart"]:
                session.cart.append(ITEMS[asked.form["item"]])
                return redirect("/cart")
            case "GET", ["cart"]:
                lines = "".join(f"<li>{name}</li>" for name in session.cart)
                note = '<label>Note <input name="note"></label>'
                return self._page("Cart", f"<ul>{lines}</ul>{self._form(session, '/orders', 'Order', note)}")
            case "POST", ["orders"] if session.cart:
                number = str(FIRST_ORDER + len(self._orders))
                self._orders[number], session.cart = session.cart, []
                return redirect(f"/orders/{number}")
            case "GET", ["orders", number] if number in self._orders:
                return self._page(f"Order {number}", f'<a href="/orders/{number}/invoice">Invoice</a>')
            case "GET", ["orders", number, "invoice"] if number in self._orders:
                return self._page(f"Invoice of order {number}", f"<p>{', '.join(self._orders[number])}</p>")
        raise Refused(404, "no such page")

    def _started(self, user: str = "") -> tuple[str, Session]:
        xsrf = base64.b64encode(self._application.fresh().encode()[:28]).decode()  # ends with =, a cookie encodes it
        self._application.secrets.append(xsrf)
        key = self._application.fresh()
        self._sessions[key] = Session(xsrf=xsrf, user=user)
        return key, self._sessions[key]

    def _form(self, session: Session, action: str, button: str, fields: str) -> str:
        token = self._application.fresh()
        session.forms.add(token)
        hidden = f'<input type="hidden" name="{self._application.named("csrf")}" value="{token}">'
        return f'<form method="post" action="{action}">{hidden}{fields}<button>{button}</button></form>'

    def _page(self, title: str, content: str) -> Reply:
        nonce = self._application.fresh(secret=False)
        policy = f"default-src 'none'; script-src 'nonce-{nonce}'; connect-src 'self'; form-action 'self'"
        return Reply(body=page(title, content, SCRIPT, nonce), headers=(("Content-Security-Policy", policy),))


def _cookie(key: str) -> str:
    return f"session={key}; Path=/; HttpOnly; SameSite=Lax"


@contextmanager
def serving(**options: Any) -> Iterator[Application]:
    application = Application(options=options)
    with served(application, Shop(application).respond) as application.url:
        yield application
