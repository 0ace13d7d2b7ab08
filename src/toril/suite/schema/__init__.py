"""The JSON Schema of suites (draft-07) for editors, from the tables by which toril reads a suite.

A suite is accepted by both or refused by both, except for what `BEYOND` lists.
"""

import json
from functools import cache

from toril.suite.schema import ours, taurus
from toril.suite.values import Schema

DIALECT = "http://json-schema.org/draft-07/schema#"
BEYOND = (
    "rules between keys, such as a throughput without hold-for",
    "names of scenarios, executions and labels, and files",
    "the syntax of criteria",
    "the value of a reference such as ${USERS}",
    "limits of a number, a duration or a size that is a text, such as 65KiB",
    "keys, blocks and scripts that the engine of a scenario does not support",
    "scenarios that no execution uses, and requests beside a script",
    "keys with a prefix of the merge (~ ^ $), suites of several files or documents, and overrides",
    "names of executors, missing scenarios and misspelt keys in a suite with modules of its own",
    "misspelt keys of Taurus that differ by more than one letter from the right ones",
)


@cache
def suite_schema() -> Schema:
    """Returns the JSON Schema of a suite."""
    definitions = ours.definitions() | taurus.definitions()
    return {
        "$schema": DIALECT,
        "title": "toril suite",
        "description": "A load test: a Taurus file with toril's own settings under `toril`.",
        "$comment": f"toril also checks: {'; '.join(BEYOND)}.",
        **definitions.pop("suite"),
        "definitions": definitions,
    }


def schema_text() -> str:
    """Returns the schema as a file."""
    return json.dumps(suite_schema(), indent=1, ensure_ascii=False) + "\n"
