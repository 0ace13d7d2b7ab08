"""docs/reference/stacks.md: the settings of the hub and of a region, from the models that read them."""

from infra.settings.schema import Row, stack_rows

INTRODUCTION = """\
# Settings of the stacks

`pulumi config set KEY VALUE --stack STACK` sets a setting. A path needs `--path`:

```sh
pulumi config set budget.monthlyUsd 50 --path --stack hub
pulumi config set 'schedules[0].suite' shop --path --stack us-east-1
```

[Set up AWS](../how-to/set-up-aws.md) shows the commands in order. Settings in `flavours` replace the default: name all
variants that the region should have.

Stacks named `hub` and `us-east-1` belong to the AWS environment `main`, `prod.hub` and `prod.us-east-1` to `prod`. Each
AWS environment has one hub, in one account, and one region with `home: true`. `make docs` generates this page.
"""
TITLES = {"hub": "The hub", "region": "A region"}


def pages() -> dict[str, str]:
    """The page, by its path below docs/reference."""
    tables = [f"\n## {TITLES[kind]}\n\n{_table(rows)}" for kind, rows in stack_rows().items()]
    return {"stacks.md": INTRODUCTION + "".join(tables)}


def _table(rows: list[Row]) -> str:
    """Returns a table with one row for settings that have the same name and meaning in different groups."""
    paths: dict[tuple[str, str], list[str]] = {}
    for one in rows:
        meaning = f"{one.type}{_default(one.default)} | {one.description}"
        paths.setdefault((one.path.rpartition(".")[2], meaning), []).append(f"`{one.path}`")
    lines = ["| setting | type and default | meaning |", "|---|---|---|"]
    lines += [f"| {', '.join(names)} | {meaning} |" for (_, meaning), names in paths.items()]
    return "\n".join(lines) + "\n"


def _default(text: str | None) -> str:
    if text is None:
        return "; *required*"
    return f"; default `{text}`" if text else ""
