"""Runs one Pulumi program: in this process for `run`, in an interpreter of its own for language.py as a script."""

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

FAILED = "the program failed; what was wrong is above"
Program = Callable[[], Any]


def run(settings: Mapping[str, Any], program: Program) -> str | None:
    """Run the program for the engine that `settings` name; None, or why it failed, of which the engine knows more."""
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
    # A program that fails leaves futures behind that nobody will look at; Pulumi's own host is silent about them, too.
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
    """An engine that has ended needs no news."""
    try:
        pulumi.log.error(what)
    except grpc.RpcError as failure:
        if failure.code() is not grpc.StatusCode.UNAVAILABLE:
            raise


def _nothing(answer: Any) -> None:
    """What a program answers is nobody's business."""


def main() -> int:
    """Settings come as JSON on standard input."""
    settings = json.load(sys.stdin)
    sys.argv = [settings["program"], *settings["arguments"]]
    failure = run(settings, lambda: runpy.run_path(settings["program"], run_name="__main__"))
    return 0 if failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
