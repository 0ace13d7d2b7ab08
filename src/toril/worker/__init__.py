"""One worker: runs its share of the load under bzt and records every sample; the only home of bzt."""
