"""How the adapter reaches the API server of tests: as it reaches a real one, but for the authority on the way."""

import datetime as dt
import functools

from kubernetes.aio.client import configuration

from covet.manifests import certificates


def configured(url: str) -> configuration.Configuration:
    """Return the configuration that leads to an API server without TLS, as `client.load_configuration` makes it.

    It names an authority, as every real one does: without one the client reads all those of the machine, which
    takes longer than most tests.
    """
    loaded = configuration.Configuration(host=url, ca_cert_data=_authority())
    loaded.client_session_kwargs = {"trust_env": False}
    return loaded


@functools.cache
def _authority() -> str:
    return certificates.make_authority("tests", dt.datetime.now(dt.UTC)).certificate
