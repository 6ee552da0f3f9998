"""Debian's Prometheus as a local process, on loopback and in a folder of its own."""

import asyncio
import contextlib
import math
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

from tests.e2e.process.shard import is_free

ADDRESS = "127.0.0.1"
LIMIT = 60.0
"""Seconds that it may take to be ready."""


Job = dict[str, Any]
"""What Prometheus calls a scrape config."""


def job(name: str, addresses: list[str]) -> Job:
    """Return a job that scrapes addresses over plain HTTP; its series say themselves whose they are."""
    return {"job_name": name, "honor_labels": True, "static_configs": [{"targets": addresses}]}


class Prometheus:
    """A server that scrapes once a second.

    Args:
        folder: for its settings, its data and its log.
        port: to listen on, at loopback.
        jobs: what it scrapes.
        rules: files of rules.
    """

    def __init__(self, folder: Path, port: int, jobs: list[Job], rules: list[Path]) -> None:
        self._folder = folder
        self._url = f"http://{ADDRESS}:{port}"
        self._process: asyncio.subprocess.Process | None = None
        self._argv = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={ADDRESS}:{port}",
            "--log.level=warn",
        ]
        document = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": jobs,
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(document))

    async def __aenter__(self) -> Self:
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + LIMIT
        while not await self._ready():
            assert self._process.returncode is None, (self._folder / "prometheus.log").read_text()
            assert time.monotonic() < deadline, "Prometheus does not become ready"
            await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(20):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an instant query."""
        found = await self._get("/api/v1/query", {"query": expression})
        return list(found["result"])

    async def await_value(self, expression: str, wanted: float, seconds: float) -> None:
        """Wait until every series of an instant query has a value, and there is one."""
        deadline = time.monotonic() + seconds
        while True:
            found = [float(series["value"][1]) for series in await self.query(expression)]
            if found and all(value == wanted for value in found):
                return
            assert time.monotonic() < deadline, f"{expression} is {found}, not {wanted}"
            await asyncio.sleep(0.25)

    async def without_data(self, expressions: list[str], chosen: Mapping[str, str], seconds: float) -> list[str]:
        """Wait until all queries bring a number at the same look; return those that still bring none.

        Args:
            expressions: queries of dashboards.
            chosen: what takes the place of their variables, e.g. of `$shard`.
            seconds: to wait at most.
        """
        deadline = time.monotonic() + seconds
        while True:
            left = [expression for expression in expressions if not await self._has_data(expression, chosen)]
            if not left or time.monotonic() > deadline:
                return left
            await asyncio.sleep(0.5)

    async def _has_data(self, expression: str, chosen: Mapping[str, str]) -> bool:
        found = await self.query(re.sub(r"\$\w+", lambda name: chosen[name[0]], expression))
        return not all(math.isnan(float(series["value"][1])) for series in found)

    async def rules(self) -> list[dict[str, Any]]:
        """Return every rule with its health and its last error."""
        found = await self._get("/api/v1/rules", {})
        return [rule for group in found["groups"] for rule in group["rules"]]

    async def _get(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        bound = aiohttp.ClientTimeout(15)
        async with (
            aiohttp.ClientSession(timeout=bound) as session,
            session.get(self._url + path, params=parameters) as answer,
        ):
            said = await answer.json()
        assert "success" == said["status"], said
        data: dict[str, Any] = said["data"]
        return data

    async def _ready(self) -> bool:
        bound = aiohttp.ClientTimeout(2)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with aiohttp.ClientSession(timeout=bound) as session, session.get(self._url + "/-/ready") as answer:
                return answer.status == 200
        return False


def free_port(low: int, address: str = ADDRESS) -> int:
    """Return the first port from `low` on that is free at an address."""
    return next(port for port in range(low, low + 500) if is_free(address, port))
