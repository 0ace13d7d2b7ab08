"""One run, from the first worker launched to the last file folded: a pure protocol, and what drives it over a store."""
