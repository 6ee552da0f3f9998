"""The user's parameters on a real server: a bad one is reported and costs nothing."""

import asyncio

from covet.core.agentapi import Serving
from tests.e2e.process.shard import Shard
from tests.e2e.process.test_closing import Hammer


async def test_a_bad_parameter_costs_neither_a_reload_nor_a_restart(one: Shard) -> None:
    """With a typo in the spec the server takes up the others, starts again, and the status says what is wrong."""
    await one.publish(parameters={"wrok_mem": "8MB", "work_mem": "9MB"})
    await one.wait(one.leader, lambda s: "wrok_mem" in (s.parameter_problem or ""))
    await shown(one, "work_mem", "9MB")
    one.leader.kill_everything()
    one.leader.start()
    await one.wait_serving()
    assert "9MB" == one.leader.superuser("SHOW work_mem")
    await one.publish(parameters={"work_mem": "10MB"})
    await one.wait(one.leader, lambda s: s.parameter_problem is None)
    await shown(one, "work_mem", "10MB")


async def test_parameters_that_keep_the_server_from_starting_are_given_up(one: Shard) -> None:
    """The server could read them, and cannot start with them: it comes back with those of before."""
    await one.publish(parameters={"shared_buffers": "4TB", "work_mem": "9MB"})
    await one.wait(one.leader, lambda s: "shared_buffers" in s.pending_restart)
    one.leader.kill_everything()
    one.leader.start()
    status = await one.wait(one.leader, lambda s: s.serving is Serving.READ_WRITE)
    assert "does not start" in (status.parameter_problem or "")
    assert "128MB" == one.leader.superuser("SHOW shared_buffers")


async def test_a_setting_that_replicas_need_is_raised_and_not_lowered() -> None:
    """Raised, it takes effect with a start; lowered again, the server goes on with the higher value and says why."""
    async with Shard(1) as shard:
        await shard.birth()
        await shard.publish(parameters={"max_connections": "230"})
        await shard.wait(shard.leader, lambda s: s.pending_restart == ("max_connections",))
        shard.leader.kill_everything()
        shard.leader.start()
        await shard.wait_serving()
        assert "230" == shard.leader.superuser("SHOW max_connections")
        await shard.publish(parameters={"max_connections": "210", "work_mem": "9MB"})
        status = await shard.wait(shard.leader, lambda s: s.parameter_problem is not None)
        assert "cannot be lowered from 230 to 210" in (status.parameter_problem or "")
        await shown(shard, "work_mem", "9MB")
        shard.leader.kill_everything()
        shard.leader.start()
        await shard.wait_serving()
        assert "230" == shard.leader.superuser("SHOW max_connections")
        assert () == (await shard.status(shard.leader)).pending_restart


async def test_a_raised_setting_is_taken_up_replicas_first_then_by_the_former_primary() -> None:
    """In the order in which the operator restarts, no replica ever has less than its primary, and all stream on."""
    async with Shard(3) as shard:
        await shard.birth()
        first, others = shard.leader, shard.followers
        await shard.publish(parameters={"max_connections": "230"})
        for agent in shard.agents:
            await shard.wait(agent, lambda s: s.pending_restart == ("max_connections",))
        for agent in others:
            await asyncio.to_thread(agent.terminate)
            agent.start()
            await shard.wait(agent, lambda s: s.streaming and s.serving is Serving.READ_ONLY)
            assert "230" == agent.superuser("SHOW max_connections")
        await shard.switch_over(others[0])
        await shard.wait(first, lambda s: s.streaming and s.serving is Serving.READ_ONLY)
        await asyncio.to_thread(first.terminate)
        first.start()
        await shard.execute("CREATE TABLE t AS SELECT 1 AS a")
        for agent in (first, others[1]):
            await shard.wait(agent, lambda s: s.streaming and s.serving is Serving.READ_ONLY and not s.pending_restart)
            assert "230" == agent.superuser("SHOW max_connections")


async def test_what_a_user_sets_for_all_sessions_spares_the_agents_own(one: Shard) -> None:
    """Timeouts of milliseconds end the user's statements, not the agent's, and the shard serves on."""
    harsh = {"statement_timeout": "5ms", "lock_timeout": "1ms", "idle_session_timeout": "100ms"}
    await one.publish(parameters=harsh)
    await shown(one, "statement_timeout", "5ms")
    await asyncio.sleep(2.0)
    await one.put_database()
    status = await one.status(one.leader)
    assert (Serving.READ_WRITE, None) == (status.serving, status.parameter_problem)
    assert "app" == status.database
    assert b"A probe of the server failed" not in await asyncio.to_thread(one.leader.log.read_bytes)


async def test_a_leader_that_stops_under_load_answers_nobody_once_it_is_gone(three: Shard) -> None:
    """Told to end while clients never stop, it shuts them out, ends in order, and comes back."""
    async with Hammer(three, three.leader) as hammer:
        await asyncio.sleep(0.5)
        assert 0 == await asyncio.to_thread(three.leader.terminate)
        assert () == three.leader.server_processes()
        answered = len(hammer.answers)
        assert answered > 0
        await asyncio.sleep(0.5)
        assert answered == len(hammer.answers)
        three.leader.start()
        await three.wait_serving()
        await asyncio.sleep(0.5)
        assert answered < len(hammer.answers)


async def test_opening_leaves_no_frightening_line_in_the_log() -> None:
    """The dials by which a server is proven open or closed fail on purpose, and are not told as errors."""
    async with Shard(1) as shard:
        await shard.birth()
        log = await asyncio.to_thread(shard.leader.log.read_text)
        assert "Open to clients." in log
        assert "covet_probe" not in log


async def shown(shard: Shard, name: str, value: str) -> None:
    """Wait until new sessions see a setting's value."""
    async with asyncio.timeout(10.0):
        while shard.leader.superuser(f"SHOW {name}") != value:  # noqa: ASYNC110  a setting has no event
            await asyncio.sleep(0.1)
