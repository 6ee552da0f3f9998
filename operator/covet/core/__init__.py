"""Floor 0: the words everyone uses (names, errors, clock, the agent's wire types)."""
