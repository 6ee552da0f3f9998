"""What the server and promise.json need next, from what the member has become: level, not edge.

One effect on the server is under way at a time. `Stop` overtakes every other, and `Fence`
overtakes `Follow`; the answers of overtaken effects bear old tickets and are ignored.
"""

import dataclasses

from covet.planner.election import candidacy, changing, following, leading, recruiting, state, watch
from covet.planner.election.effects import Fence, Follow, Note, Persist, Promote, Rejoin, Send, Start, Stop
from covet.planner.election.events import Done
from covet.planner.election.state import Agent, Member, Out, Server, Work
from covet.planner.election.watch import Role


def settle(agent: Agent, out: Out) -> Agent:
    """Ask for the next effect, if there is one to ask for."""
    if agent.sworn != agent.saved and not agent.writing:
        out.append(Persist(agent.sworn))
        agent = dataclasses.replace(agent, writing=True)
    if agent.confirming is not None:
        agent = following.settle(agent, out)
    task = agent.task
    if _must_stop(agent):
        if task is not None and task.work is Work.STOP:
            return agent
        agent = state.begin(agent, Work.STOP)
        out.append(Stop(agent.tickets))
        return agent
    if _wants_fence(agent):
        if task is not None and task.work is not Work.FOLLOW:
            return agent
        agent = state.begin(agent, Work.FENCE, agent.term)
        out.append(Fence(agent.tickets, agent.term))
        return agent
    return agent if task is not None else _next(agent, out)


def _must_stop(agent: Agent) -> bool:
    """Nobody but a leader runs a server that may write, not even one that is being promoted."""
    working = agent.task is not None and agent.task.work in {Work.PROMOTE, Work.HAND_OFF}
    if agent.role in watch.LEADING or not (agent.server is Server.PRIMARY or working):
        return False
    return agent.config.guards.stop_answers or agent.role is not Role.RECRUITED or agent.answer is not None


def _wants_fence(agent: Agent) -> bool:
    """A promise under way waits for the fence, and the fence for the disk."""
    if agent.saved.promise < agent.sworn.promise and agent.config.guards.durable_promise:
        return False
    if agent.role is Role.CANDIDATE:
        return agent.candidacy is not None and agent.config.me not in agent.candidacy.answers
    if agent.role is not Role.RECRUITED:
        return False
    return agent.follows != 0 or (agent.recruiter != "" and agent.answer is None)


def _next(agent: Agent, out: Out) -> Agent:
    target = agent.target
    if agent.server is Server.DOWN and not agent.sworn.rewinding:
        if agent.rests_until is not None and agent.role in watch.QUIET and not (target and target.rewind):
            return agent
        agent = state.begin(agent, Work.START)
        out.append(Start(agent.tickets))
        return agent
    if agent.role is Role.FOLLOWER and target is not None and agent.server is Server.STANDBY:
        if agent.follows != target.term and agent.saved.promise == target.term:
            agent = state.begin(agent, Work.FOLLOW, target.term)
            out.append(Follow(agent.tickets, target.leader, target.term))
        return agent
    if agent.role is Role.REJOIN and target is not None and target.rewind:
        if not agent.sworn.rewinding:
            return settle(dataclasses.replace(agent, sworn=dataclasses.replace(agent.sworn, rewinding=True)), out)
        if agent.saved == agent.sworn:
            agent = state.begin(agent, Work.REJOIN, target.term)
            out.append(Rejoin(agent.tickets, target.leader, target.term))
        return agent
    return _promote(agent, out)


def _promote(agent: Agent, out: Out) -> Agent:
    """Promote once the mark "led t" is on the disk."""
    reign = agent.reign
    if reign is None or reign.promoted_at is not None or agent.server is not Server.STANDBY:
        return agent
    if agent.saved.led < reign.term and agent.config.guards.led_mark:
        return agent
    agent = state.begin(agent, Work.PROMOTE, reign.term)
    out.append(Promote(agent.tickets, reign.term, reign.rule))
    return agent


def done(member: Member, event: Done, now: int, out: Out) -> Member:
    """Take the answer of an effect; a ticket that nothing waits for is ignored."""
    agent = member.agent
    reign, confirming, task = agent.reign, agent.confirming, agent.task
    if reign is not None and event.ticket == reign.ticket:
        return dataclasses.replace(member, agent=changing.done(agent, reign, ok=event.ok, lsn=event.lsn))
    if confirming is not None and event.ticket == confirming.ticket:
        return dataclasses.replace(member, agent=following.flushed(agent, confirming, ok=event.ok))
    if task is None or event.ticket != task.ticket:
        return member
    agent = dataclasses.replace(agent, task=None)
    member = dataclasses.replace(member, agent=agent)
    if task.work is Work.FENCE:
        return _fenced(member, task, event, now, out)
    return dataclasses.replace(member, agent=_finish(member, task, event, now, out))


def _finish(member: Member, task: state.Task, event: Done, now: int, out: Out) -> Agent:
    agent = member.agent
    match task.work:
        case Work.START:
            return dataclasses.replace(agent, server=Server.STANDBY if event.ok else Server.DOWN, follows=0)
        case Work.STOP:
            return _stopped(member, event, now, out)
        case Work.PROMOTE:
            return _promoted(agent, event, now, out)
        case Work.FOLLOW:
            return _followed(agent, task, event, now, out)
        case Work.REJOIN:
            return _rejoined(agent, event, now)
        case _:
            return _handed_off(member, event, now, out)


def _fenced(member: Member, task: state.Task, event: Done, now: int, out: Out) -> Member:
    """The promise is durable and nothing is received any more: answer whoever waits."""
    agent = dataclasses.replace(member.agent, follows=0, reach=event.position or member.agent.reach)
    if task.term != agent.term:
        # A higher term was promised meanwhile: this fence says nothing about the disk of that promise.
        return dataclasses.replace(member, agent=agent)
    if agent.role is Role.CANDIDATE:
        mine = recruiting.answer(agent, member.watch, event.position, now)
        return dataclasses.replace(member, agent=candidacy.take(agent, mine, now, member.watch.jitter, out))
    if agent.role is Role.RECRUITED and agent.recruiter:
        answer = recruiting.answer(agent, member.watch, event.position, now)
        out.append(Send(agent.recruiter, answer))
        agent = dataclasses.replace(agent, answer=answer)
    return dataclasses.replace(member, agent=agent)


def _stopped(member: Member, event: Done, now: int, out: Out) -> Agent:
    agent = member.agent
    if not event.ok:
        return agent
    agent = dataclasses.replace(agent, server=Server.DOWN, follows=0)
    if agent.role in watch.FORGETFUL:
        agent = dataclasses.replace(agent, since=now)
    parting = agent.parting
    if parting is None or parting.sent_at is not None:
        return agent
    return leading.farewell(agent, parting, now, out, agent.sworn.promise)


def _promoted(agent: Agent, event: Done, now: int, out: Out) -> Agent:
    reign = agent.reign
    if reign is None:
        return agent
    if not event.ok:
        agent = dataclasses.replace(agent, server=Server.PRIMARY)  # whatever it is now, it is stopped
        return leading.resign(agent, "PromotionFailed", now, out)
    reign = dataclasses.replace(reign, promoted_at=now, progressed_at=now, replied_at=now)
    return dataclasses.replace(agent, server=Server.PRIMARY, reign=reign)


def _followed(agent: Agent, task: state.Task, event: Done, now: int, out: Out) -> Agent:
    if event.ok:
        return following.followed(agent, task.term, out)
    if agent.role is not Role.FOLLOWER or agent.target is None:
        return agent
    if event.reason != "Diverged":
        return dataclasses.replace(agent, target=None)  # the next heartbeat names the leader again
    out.append(Note("Diverged", f"Off the lineage of {agent.target.leader}: rejoining."))
    return state.enter(agent, Role.REJOIN, now)


def _rejoined(agent: Agent, event: Done, now: int) -> Agent:
    if not event.ok:
        return dataclasses.replace(agent, target=None)
    sworn = dataclasses.replace(agent.sworn, rewinding=False)
    role = Role.FOLLOWER if agent.role is Role.REJOIN else agent.role
    return state.enter(agent, role, now, sworn=sworn, server=Server.STANDBY, follows=0)


def _handed_off(member: Member, event: Done, now: int, out: Out) -> Agent:
    agent = member.agent
    if not event.ok and event.reason != "Stopped":
        leading.serve(agent, out)
        return dataclasses.replace(agent, parting=None)
    parting = agent.parting
    if parting is None:
        return agent
    if not event.ok:
        parting = dataclasses.replace(parting, successor="")
    rests = now + agent.config.timers.rest if event.ok else None
    agent = state.enter(agent, Role.RESIGNED, now, server=Server.DOWN, follows=0, rests_until=rests)
    strays = max(member.watch.pulse.strays.values(), default=0)
    return leading.farewell(agent, parting, now, out, max(strays, agent.sworn.promise))


def note_server_died(agent: Agent, now: int, out: Out) -> Agent:
    """A leader whose server died reaps what is left and resigns; others start theirs again."""
    if agent.role in watch.LEADING:
        promoting = agent.task is not None and agent.task.work is Work.PROMOTE
        agent = dataclasses.replace(agent, server=Server.PRIMARY) if promoting else agent
        if agent.server is Server.PRIMARY:
            return leading.resign(agent, "ServerDied", now, out)
        return dataclasses.replace(agent, server=Server.DOWN)
    if agent.server is Server.PRIMARY:
        return agent
    out.append(Note("ServerDied", "The server died; it is started again as a closed follower."))
    return dataclasses.replace(agent, server=Server.DOWN, follows=0)
