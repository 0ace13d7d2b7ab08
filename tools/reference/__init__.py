"""The generated pages of docs/reference: each module has `pages()`, from a path below that folder to its text."""
