"""Two ways to break the election core: a deterministic simulation of it, and a model check."""
