"""`certs` shows what a cluster is certified by, and warns in time."""

import dataclasses
import datetime as dt
import json
import textwrap
from typing import Any

import pytest

from covet.api.spec import VolumeFate
from covet.kube import resources
from covet.manifests import certificates, crosscertificates, outerauthorities, secrets
from tests.unit.cli import surroundings
from tests.unit.cli.fakes import NOW
from tests.unit.cli.surroundings import REF, Caller, Surroundings
from tests.unit.manifests import outers


async def test_every_certificate_with_its_end(caller: Caller) -> None:
    """Operator, instances, and what clients trust; nothing of a key."""
    done = await caller.call("certs", "shop")
    expected = """
        OBJECT                    SUBJECT               ISSUER                NOT AFTER         DAYS LEFT
        Secret/shop-operator-tls  covet-operator        covet authority shop  2027-02-11 08:00  80
        Secret/shop-s0-a-tls      shop-s0-a             covet authority shop  2027-02-11 08:00  80
        Secret/shop-s0-b-tls      shop-s0-b             covet authority shop  2027-02-11 08:00  80
        Secret/shop-s0-c-tls      shop-s0-c             covet authority shop  2027-02-11 08:00  80
        Secret/shop-s1-a-tls      shop-s1-a             covet authority shop  2027-02-11 08:00  80
        Secret/shop-s1-b-tls      shop-s1-b             covet authority shop  2027-02-11 08:00  80
        Secret/shop-s1-c-tls      shop-s1-c             covet authority shop  2027-02-11 08:00  80
        ConfigMap/shop-trust      covet authority shop  covet authority shop  2036-11-10 08:00  3640
        """
    assert (0, textwrap.dedent(expected).lstrip("\n"), "") == (done.code, done.out, done.err)


def issue(around: Surroundings, instance: str, days_ago: float, *, by_another: bool = False) -> None:
    """Give an instance a certificate that was made some days ago."""
    moment = NOW - dt.timedelta(days=days_ago)
    authority = certificates.make_authority("shop", moment)
    issued = certificates.issue_instance(authority, instance, ["localhost"], moment)
    manifest = secrets.instance_certificate(REF, "s0", instance, issued)
    if by_another:
        other = certificates.make_authority("other", moment)
        manifest["data"] |= secrets.coded({"ca.crt": other.certificate})
    around.put(manifest)


@pytest.mark.parametrize(
    ("days_ago", "left", "problem"),
    [
        (60, 30, None),
        (75, 15, "it should have been renewed: does the operator run?"),
        (90, 0, "it has ended"),
        (-1, 91, "it is not valid yet: a clock is wrong"),
    ],
)
async def test_what_ends_soon(
    caller: Caller, around: Surroundings, days_ago: int, left: int, problem: str | None
) -> None:
    """By the share of its life that is left: lifetimes differ."""
    issue(around, "shop-s0-a", days_ago)
    found = json.loads((await caller.call("certs", "shop", "-o", "json")).out)["certificates"]
    chosen = next(one for one in found if one["object"] == "Secret/shop-s0-a-tls")
    assert (left, problem) == (chosen["daysLeft"], chosen["problem"])


async def test_what_is_wrong_stands_below(caller: Caller, around: Surroundings) -> None:
    """Another authority's, one that cannot be read, one that is missing."""
    issue(around, "shop-s0-a", 10, by_another=True)
    surroundings.change(around, "Secret", "shop-s0-b-tls", spoil)
    around.delete(resources.SECRET, "default", "shop-s0-c-tls")
    done = await caller.call("certs", "shop")
    assert (
        "\n- Secret/shop-s0-a-tls: no certificate in its ca.crt issued it.\n"
        "- Secret/shop-s0-b-tls: tls.crt holds no certificate that can be read.\n"
        "- Secret/shop-s0-c-tls is not there: the operator makes it in its next round.\n"
    ) in done.out


def spoil(body: dict[str, Any]) -> None:
    """Make a certificate unreadable."""
    body["data"]["tls.crt"] = "bm8gY2VydGlmaWNhdGU="


async def test_an_authority_that_ends(caller: Caller, around: Surroundings) -> None:
    """Whatever it issued ends with it, so it is told months before."""
    authority = certificates.make_authority("shop", NOW - dt.timedelta(days=3600))
    around.put(surroundings.trust(authority.certificate))
    done = await caller.call("certs", "shop")
    assert "ConfigMap/shop-trust: it ends soon, and whatever it issued ends with it." in done.out


async def test_one_authority_that_follows_another(caller: Caller, around: Surroundings) -> None:
    """Each has a line, and below stands for whom the change waits."""
    authority = certificates.make_authority("shop", NOW - dt.timedelta(days=10))
    following = certificates.make_authority("shop", NOW, following=True)
    manifest = secrets.authority(REF, authority, VolumeFate.KEEP)
    manifest["data"] |= secrets.coded({"next.crt": following.certificate, "next.key": following.key})
    around.put(manifest)
    said = {"phase": "Announced", "ends": "2036-11-10T08:00:00Z", "message": "It waits for shop-s0-b."}
    surroundings.change(around, "CovetCluster", "shop", lambda body: body["status"].update(authority=said))
    done = await caller.call("certs", "shop")
    assert done.out.endswith("\nAnnounced: It waits for shop-s0-b.\n")
    found = json.loads((await caller.call("certs", "shop", "-o", "json")).out)
    assert said == found["authority"]
    objects = [one["object"] for one in found["certificates"]]
    assert ["Secret/shop-ca", "Secret/shop-ca:next.crt"] == [name for name in objects if "shop-ca" in name]


async def test_the_way_to_an_authority_of_somebody_else(caller: Caller, around: Surroundings) -> None:
    """Each certificate that a server shows besides its own has a line, and below stands who verifies by them."""
    moment = NOW - dt.timedelta(days=80)
    authority = certificates.make_authority("shop", moment)
    company = outerauthorities.read(outers.root(moment).below("Databases", moment).values(), NOW)
    above = crosscertificates.sign(company, authority.certificate, ["localhost"], moment, certificates.Lifetimes())
    issued = certificates.issue_instance(authority, "shop-s0-a", ["localhost"], NOW)
    issued = dataclasses.replace(issued, certificate=issued.certificate + above)
    around.put(secrets.instance_certificate(REF, "s0", "shop-s0-a", issued))
    outer = {"secret": "clients", "subject": "CN=Databases", "ends": "2027-09-04T08:00:00Z"}
    said = {"phase": "Steady", "ends": "2036-11-10T08:00:00Z", "signedBy": outer}
    surroundings.change(around, "CovetCluster", "shop", lambda body: body["status"].update(authority=said))
    done = await caller.call("certs", "shop")
    rows = [line.split("  ") for line in done.out.splitlines() if "shop-s0-a-tls[" in line]
    found = [[part.strip() for part in row if part.strip()][:3] for row in rows]
    assert [
        ["Secret/shop-s0-a-tls[1]", "covet authority shop", "Databases"],
        ["Secret/shop-s0-a-tls[2]", "Databases", "Example Root"],
    ] == found[:2]
    assert (
        "\nClients of CN=Databases (Secret/clients) verify the servers as well, until 2027-09-04T08:00:00Z.\n"
    ) in done.out
    assert "Secret/shop-s0-a-tls[1]: it ends soon, and whatever it issued ends with it." in done.out


async def test_no_key_is_shown(caller: Caller, around: Surroundings) -> None:
    """In no form of the output."""
    stored = around.get(resources.SECRET, "default", "shop-s0-a-tls")
    assert stored is not None
    key = secrets.values_of(stored)["tls.key"].splitlines()[1]
    for form in ("table", "json"):
        done = await caller.call("certs", "shop", "-o", form)
        assert [] == [word for word in (key, stored["data"]["tls.key"], "PRIVATE") if word in done.out + done.err]


async def test_a_missing_right_is_named(caller: Caller, around: Surroundings) -> None:
    """Not everybody may list Secrets, nor should."""
    around.denied.add(("list", "secrets"))
    done = await caller.call("certs", "shop")
    assert 4 == done.code
    assert 'resources: ["secrets"]\n    verbs: ["list"]' in done.err
