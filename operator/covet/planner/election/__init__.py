"""Who may lead a shard: the pure core of failover (docs/failover.md is its specification).

Standard library only, no I/O, no clock and no randomness: `machine.step(member, event, now)`
returns the next member and the effects that an executor carries out.
"""
