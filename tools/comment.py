"""Posts a file as a comment on a pull request, or updates that comment.

python -m tools.comment preview.md --name stacks:preview --pull-request 7

The repository and the token come from GITHUB_REPOSITORY and GITHUB_TOKEN, as in `toril github comment`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from toril.clock import SystemClock
from toril.github import Client, api_url, post

LONGEST = 65_000  # characters; GitHub accepts 65,536, including a marker at the end


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="Markdown file to post.")
    parser.add_argument(
        "--name",
        required=True,
        help="Name that identifies the comment. Include a colon: no suite's name has one.",
    )
    parser.add_argument("--pull-request", type=int, required=True, help="Number of the pull request.")
    options = parser.parse_args()
    text = options.file.read_text(errors="replace")
    if len(text) > LONGEST:
        raise SystemExit(
            f"{options.file}: The file has {len(text):,} characters. Shorten it: a comment has at most {LONGEST:,}."
        )
    client = Client(
        api_url(os.environ.get("GITHUB_API_URL") or "https://api.github.com"), os.environ["GITHUB_TOKEN"], SystemClock()
    )
    posted = post(client, os.environ["GITHUB_REPOSITORY"], options.pull_request, options.name, text)
    print(f"Comment on #{options.pull_request} {posted.done}: {posted.url}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
