"""`python -m toril` is the `toril` command."""

from toril.cli import main

main()
