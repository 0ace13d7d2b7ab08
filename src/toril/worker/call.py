"""Calls a function of a suite's script, in a process that its worker has started for it, and keeps the result."""

import inspect
import json
import os
import runpy
import sys
from pathlib import Path


def main(script: str, function: str, result: str, *given: str) -> None:
    """Writes the result of `function` as JSON to the path `result`. `given`: the path of its argument, if any."""
    sys.path.insert(0, str(Path(script).resolve().parent))
    called = runpy.run_path(script, run_name=f"toril_{function}").get(function)
    if called is None:
        sys.exit(f"the script has no function {function}()")
    taken = given[: len(inspect.signature(called).parameters)]  # teardown() may have no parameter
    value = called(*(json.loads(Path(path).read_text(encoding="utf-8")) for path in taken))
    whole = Path(f"{result}.part")
    whole.write_text(json.dumps(value, allow_nan=False), encoding="utf-8")
    os.replace(whole, result)  # noqa: PTH105 - atomic


if __name__ == "__main__":
    main(*sys.argv[1:])
