"""What a cold start of the console imports: no library that only some pages need."""

import subprocess
import sys

import pytest

from toril.console.app import API, PAGES

HEAVY = {"numpy", "rich", "typer", "boto3", "mcp", "httpx", "uvicorn", "authlib", "joserfc"}


@pytest.mark.live
def test_a_cold_start_imports_no_library_of_a_few_pages() -> None:
    modules = ["toril.console.app", *(f"toril.console.pages.{name}" for name in PAGES)]
    modules += [f"toril.console.api.{name}" for name in (*API, "mcp")]
    script = f"import sys, {', '.join(modules)}; print(*{HEAVY!r}.intersection(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
