"""Measures the rates of docs/explanation/findings.md: `python -m tests.verdict.findings 0-200`."""

import sys
from collections import Counter

from tests.verdict.findings.services import CLEAN, FAULTY, run_of
from toril.verdict.findings import findings_of

if __name__ == "__main__":
    seeds = range(*map(int, sys.argv[1].split("-")))
    for name, (own, service) in {**{name: ("", one) for name, one in CLEAN.items()}, **FAULTY}.items():
        found = Counter(one.code for seed in seeds for one in findings_of(*run_of(service, seed)))
        others = ", ".join(f"{code} × {count}" for code, count in sorted(found.items()) if code != own)
        sys.stdout.write(f"| {name} | {f'{own} {found[own] / len(seeds):.1%}' if own else ''} | {others or 'none'} |\n")
        sys.stdout.flush()
