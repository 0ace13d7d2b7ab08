"""Runs one Pulumi program: in this process by `run`, or as a script in a new interpreter for language.py."""

import asyncio
import contextvars
import json
import logging
import runpy
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import pulumi
from pulumi import runtime

FAILED = "The program failed. See the error above."
Program = Callable[[], Any]


def run(settings: Mapping[str, Any], program: Program) -> str | None:
    """Runs the program for the engine in `settings`. Returns None, or a short error; the engine has the details."""
    return contextvars.copy_context().run(_run, settings, program)  # Pulumi keeps its own settings in the context


def _run(settings: Mapping[str, Any], program: Program) -> str | None:
    runtime.reset_options(
        project=settings["project"],
        stack=settings["stack"],
        organization=settings["organization"],
        parallel=settings["parallel"],
        preview=settings["dry_run"],
        engine_address=settings["engine"],
        monitor_address=settings["monitor"],
    )
    runtime.set_all_config(settings["config"], settings["secret_keys"])
    # A failed program leaves futures without a reader; Pulumi's own host also ignores them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        with asyncio.Runner() as runner:
            runner.run(runtime.run_in_stack(lambda: _nothing(program())))
    except pulumi.RunError as failure:
        _tell(str(failure))
    except grpc.RpcError as failure:
        if failure.code() is not grpc.StatusCode.UNAVAILABLE:
            _tell(f"{failure.code()}: {failure.details()}")
    except Exception:
        _tell(traceback.format_exc())
    else:
        return None
    return FAILED


def _tell(what: str) -> None:
    """Logs a message to the engine, unless the engine has ended."""
    try:
        pulumi.log.error(what)
    except grpc.RpcError as failure:
        if failure.code() is not grpc.StatusCode.UNAVAILABLE:
            raise


def _nothing(answer: Any) -> None:
    """Ignores a program's result."""


def main() -> int:
    """Reads the settings as JSON from standard input, and runs the program."""
    settings = json.load(sys.stdin)
    sys.argv = [settings["program"], *settings["arguments"]]
    failure = run(settings, lambda: runpy.run_path(settings["program"], run_name="__main__"))
    return 0 if failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
