"""docs/reference/stacks.md: the settings of the hub and of a region, from the models that read them."""

from infra.settings.schema import Row, stack_rows

INTRODUCTION = """\
# Settings of the stacks

`pulumi config set KEY VALUE --stack STACK` sets a setting. A path needs `--path`:

```sh
pulumi config set budget.monthlyUsd 50 --path --stack hub
pulumi config set 'schedules[0].suite' shop --path --stack us-east-1
```

[Set up AWS](../how-to/set-up-aws.md) shows the commands in order. `make docs` generates this page.
"""
TITLES = {"hub": "The hub", "region": "A region"}


def pages() -> dict[str, str]:
    """The page, by its path below docs/reference."""
    tables = [f"\n## {TITLES[kind]}\n\n{_table(rows)}" for kind, rows in stack_rows().items()]
    return {"stacks.md": INTRODUCTION + "".join(tables)}


def _table(rows: list[Row]) -> str:
    lines = ["| setting | type and default | meaning |", "|---|---|---|"]
    lines += [f"| `{one.path}` | {one.type}{_default(one.default)} | {one.description} |" for one in rows]
    return "\n".join(lines) + "\n"


def _default(text: str | None) -> str:
    if text is None:
        return "; *required*"
    return f"; default `{text}`" if text else ""
