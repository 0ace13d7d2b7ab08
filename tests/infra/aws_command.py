"""The part of `aws` that the manual uses: one operation with options, `--query` and `--output text`."""

import json
import os
import sys
from datetime import datetime
from typing import Any

import boto3
import jmespath


def main(service: str, operation: str, *options: str) -> None:
    asked = dict(zip((one.removeprefix("--") for one in options[::2]), options[1::2], strict=True))
    query, output = asked.pop("query", "@"), asked.pop("output", "json")
    named = {"".join(map(str.capitalize, key.split("-"))): value for key, value in asked.items()}
    values = {key: int(value) if value.isdecimal() else value for key, value in named.items()}
    client: Any = boto3.client(service, region_name=os.environ["AWS_REGION"])  # type: ignore[call-overload]
    answer = json.loads(json.dumps(getattr(client, operation.replace("-", "_"))(**values), default=_iso))
    found = jmespath.search(query, {key: one for key, one in answer.items() if key != "ResponseMetadata"})
    if output == "text":
        sys.stdout.write("\t".join(map(str, found if isinstance(found, list) else [found])) + "\n")
    else:
        sys.stdout.write(json.dumps(found, indent=4) + "\n")


def _iso(time: datetime) -> str:
    return time.isoformat()


if __name__ == "__main__":
    main(*sys.argv[1:])
