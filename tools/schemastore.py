"""Prints the entry of suites for the catalogue of SchemaStore, by which editors know the schema without a line.

python -m tools.schemastore
"""

import json
import sys

from toril import explain
from toril.suite.schema import suite_schema

FILES = ["**/loadtests/*/suite.yml", "**/loadtests/*/suite.yaml", "**/loadtests/*/suite.json"]


def entry() -> dict[str, object]:
    """Returns the entry, in the form of SchemaStore's catalogue."""
    schema = suite_schema()
    url = f"{explain.SITE}/reference/schemas/suite.schema.json"
    return {"name": schema["title"], "description": schema["description"], "fileMatch": FILES, "url": url}


def main() -> int:
    if not explain.SITE:
        print("toril has no site yet. Run `make owner NAME=…` first.", file=sys.stderr)
        return 1
    print(json.dumps(entry(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
