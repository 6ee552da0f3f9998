"""A company keeps its authority with cert-manager, on a real Kubernetes: its clients get in while it is renewed."""

import asyncio
import datetime as dt
import json
import ssl
import time
from collections.abc import Callable

import asyncpg
import pytest

from covet.core import names
from covet.manifests import secrets
from tests.e2e.cluster import applications, plugin
from tests.e2e.cluster.applications import Applications, Values
from tests.e2e.cluster.shops import Shop
from tests.unit.manifests import outers
from tests.unit.manifests.outers import Company

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]

ARRIVAL_SECONDS = 300.0
"""The kubelet takes about a minute to bring a Secret into pods; a busy machine more."""
LOAD_SECONDS = 60.0
TRIES = 12
"""Connections to a Service in a row, so that each of three servers is met."""


def test_clients_of_a_company_get_in_while_its_authority_is_renewed(
    shop: Shop, record_property: Callable[[str, object], None]
) -> None:
    """They trust its root alone; those who trust the cluster's authority notice nothing; no server starts anew."""
    now = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    root = outers.root(now)
    clients = Applications(shop)
    own, pods, (shard,) = clients.values["ca.crt"], uids(shop), shop.status()["shards"]
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(clients.may({**clients.values, "ca.crt": root.pem}))
    spec = shop.get("covetcluster", "shop")["spec"]
    shop.declare(**{**spec, "certificates": {"authoritySecret": "databases"}})
    assert "spec.certificates.authoritySecret: databases" in shop.await_reason("Ready", "AuthoritySecretMissing")
    seconds = asyncio.run(renew(shop, clients, root, now))
    record_property("connections", clients.opened)
    record_property("seconds until the renewed authority is shown", seconds)
    assert [] == clients.failed
    assert own == applications.secret(shop)["ca.crt"]
    assert (pods, shard["term"]) == (uids(shop), shop.status()["shards"][0]["term"])
    assert "CN=Databases 2" == shop.status()["authority"]["signedBy"]["subject"]
    found = json.loads(plugin.run(shop, "certs", "shop", "-o", "json"))
    assert [] == [one for one in found["certificates"] if one["problem"]]


async def renew(shop: Shop, clients: Applications, root: Company, now: dt.datetime) -> float:
    """Let a company's authority sign, and renew it under load; return how long it took until all servers show it."""
    session = await clients.connect(clients.values, clients.primary)
    await session.execute(applications.TABLE)

    def theirs() -> Values:
        return {**clients.values, "ca.crt": root.pem}

    async with clients.coming(2, lambda: clients.values):
        first = root.below("Databases", now)
        await asyncio.to_thread(put, shop, first)
        await shown(shop, clients, first)
        await asyncio.to_thread(shop.await_ready)
        async with clients.coming(2, theirs):
            await clients.await_visits(20, LOAD_SECONDS)
            began = time.monotonic()
            second = root.below("Databases 2", now)
            await asyncio.to_thread(put, shop, second)
            await shown(shop, clients, second)
            seconds = time.monotonic() - began
            await clients.await_visits(50, LOAD_SECONDS)
    # A session that was opened before goes on.
    await session.execute(applications.VISIT)
    await session.close()
    return seconds


def put(shop: Shop, company: Company) -> None:
    """Write the Secret as cert-manager does."""
    shop.covet.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "databases",
                "namespace": shop.namespace,
                "labels": {"controller.cert-manager.io/fao": "true"},
                "annotations": {
                    "cert-manager.io/certificate-name": "databases",
                    "cert-manager.io/common-name": "Databases",
                    "cert-manager.io/issuer-kind": "ClusterIssuer",
                    "cert-manager.io/issuer-name": "company",
                },
            },
            "type": "kubernetes.io/tls",
            "data": secrets.coded(company.values()),
        }
    )


async def shown(shop: Shop, clients: Applications, company: Company) -> None:
    """Wait until every server shows a way up through a company's present authority."""
    trust = ssl.create_default_context(cadata=company.pem)
    trust.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # this authority itself, not the root above it
    trust.check_hostname = False
    addresses = [
        str(shop.get("service", service)["spec"]["clusterIP"])
        for service in (names.read_write_service(shop.name, "s0"), names.read_only_service(shop.name, "s0"))
    ]
    async with asyncio.timeout(ARRIVAL_SECONDS):
        met = 0
        while met < TRIES:
            met = met + 1 if await is_shown(clients.values, addresses[met % 2], trust) else 0
            await asyncio.sleep(0.5)


async def is_shown(values: Values, address: str, trust: ssl.SSLContext) -> bool:
    """Return whether whoever answers at an address is verified."""
    try:
        session = await asyncpg.connect(
            host=address,
            port=names.SQL_PORT,
            user=values["username"],
            password=values["password"],
            database=values["database"],
            ssl=trust,
            timeout=applications.PATIENCE,
        )
    except ssl.SSLCertVerificationError:
        return False
    await session.close()
    return True


def uids(shop: Shop) -> set[str]:
    """Return the uids of all pods: one that is made anew has another."""
    return {pod["metadata"]["uid"] for pod in shop.items("pods")}
