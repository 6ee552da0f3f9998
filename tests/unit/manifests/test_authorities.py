"""What the Secret of the authority holds on the way from one to the next."""

import pytest
from cryptography import x509

from covet.manifests import authorities, certificates
from covet.manifests.certificates import Authority
from tests.unit.manifests import samples


def values() -> dict[str, str]:
    """Return what the Secret holds when all is quiet."""
    made = samples.authority()
    return {"tls.crt": made.certificate, "tls.key": made.key}


def after(before: dict[str, str], changed: dict[str, str | None]) -> dict[str, str]:
    """Return what the Secret holds after a write."""
    return {key: text for key, text in {**before, **changed}.items() if text is not None}


def following() -> Authority:
    """Return the authority that comes next."""
    return certificates.make_authority("shop", samples.NOW, following=True)


def test_the_steps_lead_from_one_authority_to_the_next() -> None:
    """Each is trusted before it signs and after it did; the former one's key is kept nowhere."""
    quiet, made = values(), following()
    announced = after(quiet, authorities.announced(made))
    assert made == authorities.following(announced)
    assert quiet["tls.crt"] + made.certificate == authorities.bundle(announced)
    signing = after(announced, authorities.switched(announced))
    assert {"tls.crt": made.certificate, "tls.key": made.key, "former.crt": quiet["tls.crt"]} == signing
    assert made.certificate + quiet["tls.crt"] == authorities.bundle(signing)
    assert quiet["tls.crt"] == authorities.former(signing)
    alone = after(signing, authorities.dropped())
    assert made.certificate == authorities.bundle(alone)
    assert (None, None) == (authorities.former(alone), authorities.following(alone))


@pytest.mark.parametrize(
    "spoiled",
    [
        {"next.key": ""},
        {"next.key": "rubbish"},
        {"next.crt": "rubbish"},
        {"next.key": samples.authority().key},
    ],
)
def test_half_of_a_next_authority_is_none(spoiled: dict[str, str]) -> None:
    """What could not sign is not trusted, and never takes over."""
    half = after(values(), authorities.announced(following())) | spoiled
    assert authorities.following(half) is None
    assert values()["tls.crt"] == authorities.bundle(half)
    with pytest.raises(ValueError, match=r"next\.crt"):
        authorities.switched(half)


def test_a_former_authority_that_cannot_be_read_is_none() -> None:
    """Rubbish is not handed to those who trust."""
    assert values()["tls.crt"] == authorities.bundle(values() | {"former.crt": "rubbish"})


def test_certificates_stand_apart_in_the_bundle() -> None:
    """A Secret that was put back by hand may lack the last end of line."""
    cut = {"tls.crt": values()["tls.crt"].strip(), **authorities.announced(following())}
    assert 2 == len(x509.load_pem_x509_certificates(authorities.bundle(after({}, cut)).encode()))
    assert "" == authorities.bundle({})
