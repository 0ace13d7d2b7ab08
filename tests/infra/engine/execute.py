"""Runs one Pulumi program in this interpreter, for language.py: settings as JSON on standard input."""

import asyncio
import json
import logging
import runpy
import sys
import traceback

import pulumi
from pulumi import runtime


def main() -> int:
    settings = json.load(sys.stdin)
    runtime.set_all_config(settings["config"], settings["secret_keys"])
    runtime.configure(
        runtime.Settings(
            monitor=settings["monitor"],
            engine=settings["engine"],
            project=settings["project"],
            root_directory=settings["root"],
            stack=settings["stack"],
            organization=settings["organization"],
            parallel=settings["parallel"],
            dry_run=settings["dry_run"],
        )
    )

    def program() -> None:
        runpy.run_path(settings["program"], run_name="__main__")

    sys.argv = [settings["program"], *settings["arguments"]]
    # A program that fails leaves futures behind that nobody will look at; Pulumi's own host is silent about them, too.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        with asyncio.Runner() as runner:
            runner.run(runtime.run_in_stack(program))
    except pulumi.RunError as failure:
        pulumi.log.error(str(failure))
        return 1
    except Exception:
        pulumi.log.error(traceback.format_exc())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
