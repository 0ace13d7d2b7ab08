"""The shape of a load: rates over time, the interleaving of workers, and the states of a capacity search."""
