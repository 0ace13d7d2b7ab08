"""docs/reference/codes.md: every code with its meaning and fix, from the texts that `toril explain` prints."""

from itertools import groupby

from toril import explain

HEAD = """# Codes

<!-- written by `make docs` from src/toril/explain/codes -->

Errors, warnings, notes, findings and the reasons of a verdict have a code that never changes. The terminal prints it
in brackets, such as `[too-few-samples]`. `toril explain CODE` prints cause and fix. Programs read codes in
`verdict.json`, in the formats json, junit, html and github, and in the answers of the [API](../how-to/use-the-api.md).

## Precedence of reasons

A verdict is *passed*, *failed* or *inconclusive*, and has at least one reason:

1. `saturated`, `late-start`, `unsure-clock` and `late-rate` make the run inconclusive. They do not excuse a
   breach of a criterion on failures, response codes, generators or CloudWatch values that are too high.
2. A breach fails the run if it stands even when every missing sample had the most favourable value.
3. Any other reason with the outcome inconclusive makes the run inconclusive.
4. Everything else passes.

Some runs pass although they prove little: a [closed model](../explanation/accuracy.md) hides the worst moments. A note
changes no outcome; `note_codes` in `verdict.json` has the code of each.
"""


def pages() -> dict[str, str]:
    """Returns the page by its path below docs/reference."""
    parts = [HEAD]
    for area, members in groupby(explain.codes(), key=lambda code: code.area):
        parts.append(f"## {area}\n")
        for code in members:
            outcome = f"Outcome: {code.outcome}.\n\n" if code.outcome else ""
            parts.append(f"### `{code.name}`\n\n{outcome}{code.text}\n")
    return {"codes.md": "\n".join(parts)}
