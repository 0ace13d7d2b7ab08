"""A worker: runs its share of the load under bzt and records every sample. Only this package imports bzt."""
