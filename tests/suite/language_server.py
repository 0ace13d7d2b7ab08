"""The YAML language server, as an editor starts it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parents[2] / ".tools/editor/node_modules/yaml-language-server/bin/yaml-language-server"
CLIENT = {
    "workspace": {"configuration": True},
    "textDocument": {"hover": {"contentFormat": ["plaintext"]}, "completion": {}, "publishDiagnostics": {}},
}
Message = dict[str, Any]


class Editor:
    """Texts in one folder, with what the server says of them."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        assert process.stdin
        assert process.stdout
        self.into, self.out, self.folder, self.asked = process.stdin, process.stdout, folder, 0
        self._ask("initialize", {"processId": os.getpid(), "rootUri": None, "capabilities": CLIENT})
        self._send(method="initialized", params={})

    def problems(self, text: str) -> dict[int, str]:
        """Returns the server's messages by the lines of a text, from 0."""
        params = self._opened(text)
        return {found["range"]["start"]["line"]: found["message"] for found in params["diagnostics"]}

    def completions(self, text: str) -> list[str]:
        """Returns what the server proposes at the mark `|`."""
        found = self._at_mark("completion", text)
        return [item["label"] for item in (found["items"] if isinstance(found, dict) else found)]

    def hover(self, text: str) -> str:
        """Returns what the server shows of the key at the mark `|`."""
        return str(self._at_mark("hover", text)["contents"]["value"]).replace("\\", "")  # Markdown's escapes

    def _at_mark(self, what: str, text: str) -> Any:
        before, _, after = text.partition("|")
        uri = self._opened(before + after)["uri"]
        position = {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}
        return self._ask(f"textDocument/{what}", {"textDocument": {"uri": uri}, "position": position})

    def _opened(self, text: str) -> Message:
        self.asked += 1
        uri = (self.folder / f"{self.asked}.yml").as_uri()
        opened = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._send(method="textDocument/didOpen", params={"textDocument": opened})
        params: Message = self._until(lambda one: one.get("params", {}).get("uri") == uri)["params"]
        return params

    def _ask(self, method: str, params: Message) -> Any:
        self.asked += 1
        number = self.asked
        self._send(id=number, method=method, params=params)
        return self._until(lambda one: one.get("id") == number and "method" not in one)["result"]

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.into.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.into.flush()

    def _until(self, is_it: Callable[[Message], bool]) -> Message:
        while True:
            length = 0
            while line := self.out.readline().strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            assert length, "the language server has ended"
            message: Message = json.loads(self.out.read(length))
            if "method" in message and "id" in message:  # the server's own question
                items = message.get("params", {}).get("items", [])
                self._send(id=message["id"], result=[None for _ in items])
            if is_it(message):
                return message


@contextmanager
def editing(folder: Path) -> Iterator[Editor]:
    """Starts the language server for texts in a folder."""
    command = ["node", str(PROGRAM), "--stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Editor(process, folder)
        finally:
            process.kill()
