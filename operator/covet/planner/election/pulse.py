"""A leader's heartbeats: sending them, and what their echoes prove."""

import dataclasses

from covet.planner.election import lease, watch
from covet.planner.election.effects import Send
from covet.planner.election.hearing import Out
from covet.planner.election.messages import Beat, Echo
from covet.planner.election.timers import FOREVER
from covet.planner.election.watch import Report, Role, Watch


def beat(state: Watch, now: int, out: Out) -> Watch:
    """Send the heartbeats that are due, only while the server beside us answered lately."""
    view, timers = state.view, state.config.timers
    if view.role not in watch.LEADING or now < state.pulse.beat_at:
        return state
    # A promotion has no server to probe: its own progress flag speaks for it.
    if view.role is not Role.PROMOTING and now - state.probed_at > timers.recent:
        return state
    message = Beat(state.config.me, view.term, view.seq, now, view.flags)
    out.extend(Send(peer, message) for peer in view.peers if peer != state.config.me)
    due = (
        max(state.pulse.beat_at + timers.beat, now + 1)
        if now - state.pulse.beat_at < timers.beat
        else now + timers.beat
    )
    return dataclasses.replace(state, pulse=dataclasses.replace(state.pulse, beat_at=due))


def echo(state: Watch, message: Echo) -> Watch:
    """Take an echo: a proof of following, or word of a higher promise."""
    view, pulse = state.view, state.pulse
    if view.role not in watch.LEADING or message.term != view.term:
        return state
    sender = message.sender
    if message.promise > view.term:
        strays = {**pulse.strays, sender: message.promise}
        following = pulse.following - {sender}
        return dataclasses.replace(state, pulse=dataclasses.replace(pulse, strays=strays, following=following))
    pulse = watch.Pulse(
        pulse.beat_at,
        {**pulse.echoed, sender: max(message.nonce, pulse.echoed.get(sender, message.nonce))},
        pulse.strays,
        {**pulse.confirmed, sender: max(message.seq, pulse.confirmed.get(sender, 0))},
        pulse.following | {sender} if message.following else pulse.following - {sender},
    )
    return dataclasses.replace(state, pulse=pulse)


def report(state: Watch) -> Report:
    """Return what the agent half of a leader needs; the lease holds only under every rule in question."""
    pulse, timers = state.pulse, state.config.timers
    end = min((lease.end(rule, pulse.echoed, timers) for rule in state.view.rules), default=FOREVER)
    return Report(end, pulse.strays, pulse.confirmed, pulse.following)
