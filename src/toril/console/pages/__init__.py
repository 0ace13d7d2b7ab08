"""The pages: each module has a `router`, whose functions turn a request into a view and a template."""
