"""An administration as Django's: it answers a refused log-in and a refused form by 200, with the form and a message.

A page without a session leads to the log-in. Options in force: `taken` refuses each name of a group as known, and
`expired` knows no session.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.applications import PASSWORD, USER, Application, Asked, Refused, Reply, page, redirect, served

ENTER = '<input type="text" name="username"><input type="password" name="password">'
NAME = '<input type="text" name="name" maxlength="150"{more}><input type="submit" name="_save" value="Save">'


class Admin:
    def __init__(self, application: Application) -> None:
        self._application = application
        self._sessions: set[str] = set()
        self._tokens: set[str] = set()
        self.groups: list[str] = []

    def respond(self, asked: Asked) -> Reply:
        token = asked.form.get(self._application.named("csrfmiddlewaretoken"), "") if asked.method == "POST" else ""
        if asked.method == "POST" and token not in self._tokens:
            raise Refused(403, "CSRF verification failed")
        inside = asked.cookies.get("sessionid") in self._sessions and not self._application.options.get("expired")
        match asked.method, asked.parts:
            case "GET", ["admin", "login"]:
                return self._page("Log in | Site admin", ENTER)
            case "POST", ["admin", "login"] if (asked.form["username"], asked.form["password"]) == (USER, PASSWORD):
                key = self._application.fresh()
                self._sessions.add(key)
                return redirect("/admin/", f"sessionid={key}; Path=/; HttpOnly")
            case "POST", ["admin", "login"]:
                return self._page("Log in | Site admin", f'<p class="errornote">Wrong password</p>{ENTER}')
            case _, ["admin", *_] if not inside:
                return redirect("/admin/login/")
            case "GET", ["admin"]:
                return self._page("Site administration", '<button name="logout">Log out</button>')
            case "GET", ["admin", "group", "add"]:
                return self._page("Add group | Site admin", NAME.format(more=""))
            case "POST", ["admin", "group", "add"] if self._application.options.get("taken"):
                error = '<ul class="errorlist"><li>Group with this Name already exists.</li></ul>'
                return self._page("Add group | Site admin", error + NAME.format(more=' aria-invalid="true"'))
            case "POST", ["admin", "group", "add"]:
                self.groups.append(asked.form["name"])
                return redirect("/admin/group/")
            case "GET", ["admin", "group"]:
                rows = "".join(f"<li>{name}</li>" for name in self.groups)
                return self._page("Select group to change | Site admin", f'<ul>{rows}</ul><select name="action">')
        raise Refused(404, "no such page")

    def _page(self, title: str, content: str) -> Reply:
        token = self._application.fresh()
        self._tokens.add(token)
        hidden = f'<input type="hidden" name="{self._application.named("csrfmiddlewaretoken")}" value="{token}">'
        return Reply(body=page(title, f'<form method="post">{hidden}{content}</form>'))


@contextmanager
def serving(**options: Any) -> Iterator[Application]:
    application = Application(options=options)
    with served(application, Admin(application).respond) as application.url:
        yield application
