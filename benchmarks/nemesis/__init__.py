"""The failure bench: breaks a real shard under load, again and again, and holds what it acknowledged against it."""
