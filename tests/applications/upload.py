"""Uploads: a multipart form whose size and digest are checked, a signed address out of a response, and a status poll.

Options: `ready_s`, the time until an upload has been processed.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from email.policy import HTTP
from typing import Any

from tests.applications import Application, Asked, Refused, Reply, page, redirect, served

CONTENT = """<form id="form" method="post" action="/documents" enctype="multipart/form-data">
<input type="hidden" name="csrf" value="%s"><input type="hidden" name="size"><input type="hidden" name="sha256">
<label>Title <input name="title"></label><label>Document <input type="file" name="document"></label>
<button>Send</button></form>
<p><label>Picture <input type="file" id="picture"></label> <button id="put">Store</button></p>
<p id="state"></p>"""
SCRIPT = """
const at = (id) => document.getElementById(id);
const digest = async (file) => {
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
  return [...bytes].map((one) => one.toString(16).padStart(2, '0')).join('');
};
document.querySelector('[name=document]').addEventListener('change', async (event) => {
  const [file] = event.target.files;
  document.querySelector('[name=size]').value = file.size;
  document.querySelector('[name=sha256]').value = await digest(file);
  at('state').textContent = 'Checked';
});
at('put').addEventListener('click', async () => {
  const [file] = at('picture').files;
  const sent = JSON.stringify({name: file.name, size: file.size, sha256: await digest(file)});
  const headers = {'Content-Type': 'application/json'};
  const made = await (await fetch('/api/uploads', {method: 'POST', headers, body: sent})).json();
  await fetch(made.url, {method: 'PUT', headers: {'Content-Type': 'application/octet-stream'}, body: file});
  let found = {};
  for (; found.state !== 'ready'; await new Promise((done) => setTimeout(done, 100))) {
    found = await (await fetch(`/api/uploads/${made.id}`)).json();
  }
  at('state').textContent = `Stored ${found.size} bytes`;
});
"""


class Uploads:
    def __init__(self, application: Application) -> None:
        self._application = application
        self._forms: set[str] = set()  # unused CSRF tokens
        self._documents: dict[str, str] = {}  # title by id
        self._announced: dict[str, dict[str, Any]] = {}  # by id
        self._stored: dict[str, float] = {}  # when, by id

    def respond(self, asked: Asked) -> Reply:
        match asked.method, asked.parts:
            case "GET", []:
                token = self._application.fresh()
                self._forms.add(token)
                return Reply(body=page("Documents", CONTENT.replace("%s", token), SCRIPT))
            case "POST", ["documents"]:
                return self._document(asked)
            case "GET", ["documents", number] if number in self._documents:
                return Reply(body=page("Received", f"<p>{self._documents[number]}</p>"))
            case "POST", ["api", "uploads"]:
                number, signature = self._application.fresh(secret=False)[:12], self._application.fresh()
                self._announced[number] = {**asked.json, "signature": signature}
                address = f"/store/{number}?expires=1800&signature={signature}"
                return Reply(body={"id": number, "url": address}, status=201)
            case "PUT", ["store", number] if number in self._announced:
                announced = self._announced[number]
                if asked.query.get("signature") != announced["signature"]:
                    raise Refused(403, "wrong signature")
                _check(asked.body, str(announced["size"]), announced["sha256"])
                self._stored[number] = time.monotonic()
                return Reply(body={"stored": True})
            case "GET", ["api", "uploads", number] if number in self._stored:
                ready = time.monotonic() - self._stored[number] >= self._application.options["ready_s"]
                state = "ready" if ready else "processing"
                return Reply(body={"id": number, "state": state, "size": self._announced[number]["size"]})
        raise Refused(404, "no such page or upload")

    def _document(self, asked: Asked) -> Reply:
        head = b"Content-Type: " + asked.headers["Content-Type"].encode() + b"\r\n\r\n"
        parts = {
            part.get_param("name", header="Content-Disposition"): part
            for part in message_from_bytes(head + asked.body, policy=HTTP).iter_parts()
        }
        token, size, digest, title = (
            _content(parts[self._application.named(name)]).decode() for name in ("csrf", "size", "sha256", "title")
        )
        if token not in self._forms:
            raise Refused(403, "unknown or used CSRF token")
        self._forms.remove(token)
        document = parts["document"]
        if not document.get_filename():
            raise Refused(422, "no file")
        _check(_content(document), size, digest)
        number = str(501 + len(self._documents))
        self._documents[number] = title
        return redirect(f"/documents/{number}")


def _content(part: Message) -> bytes:
    found = part.get_payload(decode=True)
    assert isinstance(found, bytes)
    return found


def _check(data: bytes, size: str, digest: str) -> None:
    if (str(len(data)), hashlib.sha256(data).hexdigest()) != (size, digest):
        raise Refused(422, f"{len(data)} bytes that are not the announced {size}")


@contextmanager
def serving(**options: Any) -> Iterator[Application]:
    application = Application(options={"ready_s": 0.5, **options})
    with served(application, Uploads(application).respond) as application.url:
        yield application
