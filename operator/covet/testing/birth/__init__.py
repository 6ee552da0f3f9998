"""A model of a shard's birth, for a search of every order of events."""
