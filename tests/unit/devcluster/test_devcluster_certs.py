"""Certificates that the servers of the cluster accept from each other."""

import base64
import ipaddress
import pathlib
import stat

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509 import oid

from tests.e2e.devcluster import certs


def read(pair: certs.KeyPair) -> x509.Certificate:
    """The certificate of the pair."""
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def test_user_and_groups_are_the_subject(tmp_path: pathlib.Path) -> None:
    """Kubernetes takes the user from the common name and the groups from the organizations."""
    pair = certs.Authority.create(tmp_path, "ca").issue("node", "system:node:node-1", groups=["system:nodes", "x"])
    subject = read(pair).subject
    assert ["system:node:node-1"] == [a.value for a in subject.get_attributes_for_oid(oid.NameOID.COMMON_NAME)]
    organizations = subject.get_attributes_for_oid(oid.NameOID.ORGANIZATION_NAME)
    assert ["system:nodes", "x"] == [attribute.value for attribute in organizations]


def test_server_names_its_addresses(tmp_path: pathlib.Path) -> None:
    """A client that checks names accepts the server under each of its addresses and names."""
    pair = certs.Authority.create(tmp_path, "ca").issue("api", "api", addresses=["10.0.0.1"], names=["kubernetes"])
    alternatives = read(pair).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [ipaddress.ip_address("10.0.0.1")] == alternatives.get_values_for_type(x509.IPAddress)
    assert ["kubernetes"] == alternatives.get_values_for_type(x509.DNSName)


def test_authority_read_back_is_the_same(tmp_path: pathlib.Path) -> None:
    """What is signed after a restart is verified by the authority of before, and by no other."""
    first = certs.Authority.create(tmp_path, "ca")
    pair = certs.Authority.read(tmp_path, "ca").issue("later", "later")
    read(pair).verify_directly_issued_by(first.certificate)
    other = certs.Authority.create(tmp_path / "other", "ca")
    with pytest.raises(InvalidSignature):
        read(pair).verify_directly_issued_by(other.certificate)


def test_keys_are_for_root_alone(tmp_path: pathlib.Path) -> None:
    """No other user of the machine can act as the administrator."""
    pair = certs.Authority.create(tmp_path, "ca").issue("admin", "admin")
    assert 0o600 == stat.S_IMODE(pair.key.stat().st_mode)


def test_kubeconfig_can_be_copied_away(tmp_path: pathlib.Path) -> None:
    """It refers to no file: certificates and key are inside."""
    authority = certs.Authority.create(tmp_path, "ca")
    config = certs.kubeconfig("https://x", authority.pair, authority.issue("a", "a"), "covet-dev", "a")
    assert "covet-dev" == config["current-context"]
    users = config["users"]
    assert isinstance(users, list)
    key = base64.b64decode(users[0]["user"]["client-key-data"])
    assert key.startswith(b"-----BEGIN PRIVATE KEY-----")
