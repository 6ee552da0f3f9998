"""A person's way to the API server is found where kubectl finds it, and what is wrong with it is said in a sentence."""

import os
import pathlib
from typing import Any

import pytest
import yaml
from kubernetes.aio.client import configuration

from covet.core.errors import SpecError
from covet.kube import person, resources
from covet.testing.apiserver import ApiServer

CERTIFICATE = "bm90IGEgY2VydGlmaWNhdGU="


def kubeconfig(path: pathlib.Path, url: str, name: str = "east", **context: str) -> pathlib.Path:
    """Write a kubeconfig with one context."""
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **context}}],
        "clusters": [{"name": name, "cluster": {"server": url}}],
        "users": [{"name": name, "user": {"token": "t"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """No kubeconfig but those of the test."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


async def test_a_file_is_named(server: ApiServer, tmp_path: pathlib.Path) -> None:
    """The namespace is the context's, and the server answers."""
    path = kubeconfig(tmp_path / "config", server.url, namespace="prod")
    async with person.connect(str(path), None, 2.0) as reach:
        assert "prod" == reach.namespace
        assert None is await reach.kube.get(resources.CLUSTER, "prod", "shop")


async def test_the_variable_names_several(
    server: ApiServer, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are merged as kubectl does, missing ones are passed over, and a context is chosen by name."""
    east = kubeconfig(tmp_path / "east", "http://127.0.0.1:9", "east")
    west = kubeconfig(tmp_path / "west", server.url, "west", namespace="w")
    monkeypatch.setenv("KUBECONFIG", f"{east}:{tmp_path / 'none'}:{west}")
    async with person.connect(None, "west", 2.0) as reach:
        assert "w" == reach.namespace
        assert None is await reach.kube.get(resources.CLUSTER, "w", "shop")


async def test_the_home_folder_is_the_default(server: ApiServer, tmp_path: pathlib.Path) -> None:
    """Where neither option nor variable says anything; without a namespace it is `default`."""
    (tmp_path / "home" / ".kube").mkdir(parents=True)
    kubeconfig(tmp_path / "home" / ".kube" / "config", server.url)
    async with person.connect(None, None, 2.0) as reach:
        assert "default" == reach.namespace


async def test_keys_that_were_written_out_are_gone_afterwards(tmp_path: pathlib.Path) -> None:
    """A key in the kubeconfig becomes a file for the library; no such file outlives the connection."""
    path = kubeconfig(tmp_path / "config", "https://127.0.0.1:9")
    document = yaml.safe_load(path.read_text())
    document["users"][0]["user"] = {"client-certificate-data": CERTIFICATE, "client-key-data": CERTIFICATE}
    path.write_text(yaml.safe_dump(document))
    with person._private_folder() as folder:
        there = pathlib.Path(folder)
        loaded = configuration.Configuration()
        assert "default" == await person._load(loaded, str(path), None, folder)
        assert {there} == {pathlib.Path(name or "").parent for name in (loaded.cert_file, loaded.key_file)}
    assert not os.path.exists(folder)  # noqa: ASYNC240, PTH110 -- one look at a local folder


@pytest.mark.parametrize(
    ("text", "context", "words"),
    [
        ("{", None, "cannot be used"),
        ("- a\n- b\n", None, "cannot be used"),
        ("", None, "cannot be used"),
        (None, "south", "Expected object with name south"),
    ],
)
async def test_a_file_that_cannot_be_used(
    tmp_path: pathlib.Path, text: str | None, context: str | None, words: str
) -> None:
    """Whatever is wrong with it: one error, the file's name, and a command that lists the contexts."""
    path = kubeconfig(tmp_path / "config", "http://127.0.0.1:9")
    if text is not None:
        path.write_text(text)
    with pytest.raises(SpecError, match=words) as caught:
        async with person.connect(str(path), context, 2.0):
            pass
    assert str(path) in caught.value.message
    assert "kubectl config get-contexts" in caught.value.message


async def test_no_file_at_all() -> None:
    """The place that was looked at is named, and how to name another."""
    with pytest.raises(SpecError, match=r"There is no kubeconfig at ~/\.kube/config: name one with --kubeconfig"):
        async with person.connect(None, None, 2.0):
            pass


async def test_a_pod_s_account_is_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a pod no file is needed; an account that cannot be read is said to be the trouble."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(SpecError, match="The pod's service account cannot be used"):
        async with person.connect(None, None, 2.0):
            pass
