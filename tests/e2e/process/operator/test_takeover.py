"""How long clusters are without an operator: from the end of one process to the first act of the next."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from covet.testing import operating
from tests.e2e.process.operator.sites import Site, until

LIMIT = 10.0
"""Seconds from the end of one to the first act of the other."""


async def first_act(site: Site, name: str) -> float:
    """Declare a cluster and return the seconds until somebody reports on it."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    site.declare(name)
    await until(lambda: bool(site.status(name)), 30)
    return loop.time() - began


@pytest.mark.parametrize("orderly", [True, False])
async def test_a_successor_works_within_ten_seconds(site: Site, tmp_path: Path, orderly: bool) -> None:
    """A process that ends in order or is killed leaves its clusters alone for at most ten seconds."""
    site.define()
    config = tmp_path / "first.json"
    operating.write_kubeconfig(config, site.server.url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "covet", "--kubeconfig", str(config), "--identity", "one", "--health-port", "0",
        env={
            **os.environ,
            "COVET_NAMESPACE": "system",
            "COVET_POSTGRES_IMAGES": json.dumps({"15": "image:15"}),
        },
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await until(lambda: site.holder() == "one")
        await first_act(site, "before")
        await site.start("two")
        await asyncio.sleep(1.0)
        loop = asyncio.get_running_loop()
        ended = loop.time()
        if orderly:
            process.terminate()
            await asyncio.wait_for(process.wait(), 15)
        else:
            process.kill()
        await first_act(site, "after")
        assert loop.time() - ended <= LIMIT
        assert "two" == site.holder()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
