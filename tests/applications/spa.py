"""A single-page application: access tokens expire, a rotated refresh cookie works once, calls are parallel.

Options: `token_s`, the life of an access token. The journey waits until its first token has expired.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.applications import PASSWORD, USER, Application, Asked, Refused, Reply, page, served

API_KEY = "pk_live_9Xw2mQ7vTz4KcR8sLb1N"
PROJECT = "0b6f3c1e-52a7-4d0e-9c55-7f1f2c3d4e5a"  # of the deployment
CONTENT = """<link rel="stylesheet" href="/style.css"><form id="login"><label>E-mail <input id="user"></label>
<label>Password <input id="password" type="password"></label><button>Log in</button></form>
<main hidden><p id="who"></p><form id="add"><label>Title <input id="title"></label><button>Add</button></form>
<p id="task"></p><button id="reload">Reload</button> <button id="done">Done</button></main>
<script src="/app.js"></script>"""
SCRIPT = """
const at = (id) => document.getElementById(id);
let token = '', refreshing = null, task = null;
const take = (answer) => {
  token = answer.accessToken;
  document.body.dataset.expires = Date.now() + answer.expiresIn * 1000;
};
const refresh = () => refreshing ??= fetch('/api/refresh', {method: 'POST'})
  .then((answer) => answer.json()).then(take).finally(() => { refreshing = null; });
const call = async (method, path, content) => {
  const ask = () => fetch(path, {method, body: content && JSON.stringify(content), headers: {
    'Authorization': `Bearer ${token}`, 'X-Api-Key': '%s', ...(content && {'Content-Type': 'application/json'})}});
  let answer = await ask();
  if (answer.status === 401) { await refresh(); answer = await ask(); }
  return answer.json();
};
const show = (text) => { at('task').textContent = text; };
at('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const content = JSON.stringify({email: at('user').value, password: at('password').value});
  const headers = {'Content-Type': 'application/json'};
  take(await (await fetch('/api/login', {method: 'POST', headers, body: content})).json());
  const [me, projects] = await Promise.all(['me', 'projects', 'tasks'].map((name) => call('GET', `/api/${name}`)));
  document.body.dataset.project = projects.projects[0].id;
  at('who').textContent = me.name;
  document.querySelector('main').hidden = false;
  navigator.sendBeacon('/telemetry', 'logged in');
});
at('add').addEventListener('submit', async (event) => {
  event.preventDefault();
  const made = await call('POST', '/api/tasks', {title: at('title').value, project: document.body.dataset.project});
  task = made.id;
  await Promise.all([call('GET', `/api/tasks/${task}`), call('GET', `/api/tasks/${task}/comments`)]);
  show(`Added ${made.title}`);
});
at('reload').addEventListener('click', async () => {
  const [one] = await Promise.all([call('GET', `/api/tasks/${task}`), call('GET', '/api/tasks')]);
  show(`Reloaded ${one.title}`);
});
at('done').addEventListener('click', async () => {
  show(`Done: ${(await call('PATCH', `/api/tasks/${task}`, {done: true})).done}`);
});
""".replace("%s", API_KEY)


class Spa:
    def __init__(self, application: Application) -> None:
        self._application = application
        self._expires: dict[str, float] = {}  # by access token
        self._refresh: set[str] = set()  # unused tokens
        self._tasks: dict[str, dict[str, Any]] = {}

    def respond(self, asked: Asked) -> Reply:
        match asked.method, asked.parts:
            case "GET", []:
                return Reply(body=page("Tasks", CONTENT))
            case "GET", ["app.js"]:
                return Reply(body=SCRIPT, headers=(("Content-Type", "text/javascript"),))
            case "GET", ["style.css"]:
                return Reply(body="main { padding: 1rem }", headers=(("Content-Type", "text/css"),))
            case "POST", ["telemetry"]:
                return Reply(status=204)
            case "POST", ["api", "login"]:
                if asked.json != {"email": USER, "password": PASSWORD}:
                    raise Refused(403, "wrong password")
                return self._tokens()
            case "POST", ["api", "refresh"]:
                if asked.cookies.get("refresh") not in self._refresh:
                    raise Refused(403, "unknown or used refresh token")
                self._refresh.remove(asked.cookies["refresh"])
                return self._tokens()
        if self._expires.get(asked.bearer, 0) < time.monotonic():
            raise Refused(401, "unknown or expired access token")
        if asked.headers.get("X-Api-Key") != API_KEY:
            raise Refused(403, "wrong API key")
        return self._data(asked)

    def _tokens(self) -> Reply:
        token, refresh, life_s = self._application.fresh(), self._application.fresh(), self._application.options
        self._expires[token] = time.monotonic() + life_s["token_s"]
        self._refresh.add(refresh)
        cookie = ("Set-Cookie", f"refresh={refresh}; Path=/api; HttpOnly; SameSite=Strict")
        return Reply(body={"accessToken": token, "expiresIn": life_s["token_s"]}, headers=(cookie,))

    def _data(self, asked: Asked) -> Reply:
        match asked.method, asked.parts[1:]:
            case "GET", ["me"]:
                return Reply(body={"name": "Ada", "roles": ["editor"]})
            case "GET", ["projects"]:
                return Reply(body={"projects": [{"id": PROJECT, "name": "Home"}]})
            case "GET", ["tasks"]:
                return Reply(body={"tasks": list(self._tasks.values())[-3:]})
            case "POST", ["tasks"] if asked.json["project"] == PROJECT:
                number = str(uuid.UUID(self._application.fresh(secret=False)))
                self._tasks[number] = {"id": number, "title": asked.json["title"], "done": False}
                return Reply(body=self._tasks[number], status=201)
            case "GET", ["tasks", number] if number in self._tasks:
                return Reply(body=self._tasks[number])
            case "GET", ["tasks", number, "comments"] if number in self._tasks:
                return Reply(body={"comments": []})
            case "PATCH", ["tasks", number] if number in self._tasks:
                return Reply(body=self._tasks[number] | asked.json)
        raise Refused(404, "no such task")


@contextmanager
def serving(**options: Any) -> Iterator[Application]:
    application = Application(options={"token_s": 20, **options})
    application.secrets.append(API_KEY)
    with served(application, Spa(application).respond) as application.url:
        yield application
