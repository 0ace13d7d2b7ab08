"""`/api/v1`: each module has a `router`, whose functions call the same functions as the command line."""
