"""What the first command changes on a machine, and what it leaves as it was."""

import os
import pathlib
import subprocess

import pytest

from tools import bootstrap


def put_program(folder: pathlib.Path, name: str, *lines: str) -> str:
    """Write a shell script that stands for a program of the machine, and return its path."""
    path = folder / name
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return str(path)


class FailedError(Exception):
    """An installation that fails, for these tests."""


def test_no_service_starts_while_packages_are_installed(tmp_path: pathlib.Path) -> None:
    """Debian's scripts are told 101, whatever they want to start, and are asked no more afterwards."""
    policy = tmp_path / "policy-rc.d"
    with bootstrap.services_stay_off(policy):
        answer = subprocess.run([policy, "containerd", "start"], check=False).returncode
    assert (101, False) == (answer, policy.exists())


def test_a_failed_installation_leaves_services_as_they_were(tmp_path: pathlib.Path) -> None:
    """A machine whose installation failed can start services again."""
    policy = tmp_path / "policy-rc.d"
    with pytest.raises(FailedError), bootstrap.services_stay_off(policy):
        raise FailedError
    assert not policy.exists()


def test_a_policy_of_the_machine_decides_as_before(tmp_path: pathlib.Path) -> None:
    """Where somebody decides already which services start, not a byte of that changes."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    with bootstrap.services_stay_off(policy):
        during = policy.read_text()
    assert ("#!/bin/sh\nexit 0\n", "#!/bin/sh\nexit 0\n") == (during, policy.read_text())


def test_a_policy_that_leads_elsewhere_stays(tmp_path: pathlib.Path) -> None:
    """A link is somebody's decision too, even one that leads to nothing yet."""
    policy = tmp_path / "policy-rc.d"
    policy.symlink_to(tmp_path / "absent")
    with bootstrap.services_stay_off(policy):
        assert not (tmp_path / "absent").exists()
    assert policy.is_symlink()


def test_what_a_killed_installation_left_is_removed_by_the_next(tmp_path: pathlib.Path) -> None:
    """Services do not stay off for ever because one installation was killed."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text(bootstrap.NO_SERVICE_STARTS)
    with bootstrap.services_stay_off(policy):
        assert policy.exists()
    assert not policy.exists()


ALL_OF_RUST = ["rustc-web", "cargo-web", "rust-web-clippy", "rustfmt-web"]


def put_rust(folder: pathlib.Path, version: str, *tools: str) -> str:
    """Put a Rust of this version on the machine, and return its cargo."""
    for tool in tools:
        put_program(folder, tool)
    put_program(folder, "rustc", f"echo 'rustc {version}.0'")
    return put_program(folder, "cargo", f"echo 'cargo {version}.0'")


@pytest.mark.parametrize(
    ("version", "tools", "missing"),
    [
        ("1.63", ("cargo-clippy", "cargo-fmt"), ALL_OF_RUST),
        ("1.96", (), ["rust-web-clippy", "rustfmt-web"]),
        ("1.96", ("cargo-fmt",), ["rust-web-clippy"]),
        ("1.96", ("cargo-clippy", "cargo-fmt"), []),
    ],
)
def test_debians_rust_comes_with_linter_and_formatter(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, version: str, tools: tuple[str, ...], missing: list[str]
) -> None:
    """The Rust that Debian brings checks the code as any other does."""
    cargo = put_rust(tmp_path, version, *tools)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing == bootstrap.missing_rust(debian_cargo=cargo)


def test_a_machine_without_rust_gets_all_of_it(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiler, cargo, linter and formatter come from one source, so that they fit each other."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ALL_OF_RUST == bootstrap.missing_rust()


def test_a_newer_toolchain_from_elsewhere_is_not_mixed_with_debians(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A linter of another compiler would judge by other rules: cargo says which component to add."""
    put_rust(tmp_path, "1.96")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [] == bootstrap.missing_rust()


@pytest.mark.parametrize(("lacking", "status"), [("clippy", 2), ("fmt", 2), ("nothing", 0)])
def test_rust_is_not_called_checked_without_linter_or_formatter(
    tmp_path: pathlib.Path, lacking: str, status: int
) -> None:
    """A check that cannot run fails; nothing weaker takes its place."""
    put_program(tmp_path, "cargo", f'[ "$1" != {lacking} ] || exit 101')
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    made = subprocess.run(
        ("make", "check-rust"), cwd=bootstrap.ROOT, env=environment, check=False, capture_output=True, text=True
    )
    assert status == made.returncode, made.stderr


@pytest.fixture
def bare(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A machine with no program but those that a test puts into this folder."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return folder


def test_the_demo_installs_only_its_own_part(bare: pathlib.Path) -> None:
    """Whoever looks at the demo gets no server, no Prometheus and no linters on their machine."""
    assert not list(bare.iterdir())
    every, demo = bootstrap.missing_packages(), bootstrap.missing_packages("demo")
    names = {name for group in demo.values() for name in group}
    assert {"buildah", "gcc", "rustc-web"} <= names
    assert set() == names & {"postgresql-15", "prometheus", "faketime", "rust-web-clippy", "rustfmt-web"}
    assert ["prometheus"] == every[bootstrap.ALERTS]


def test_the_demo_on_kind_needs_no_package_where_compilers_are(bare: pathlib.Path) -> None:
    """With Docker, kind, a C compiler and Rust on the machine nobody has to become root."""
    for name in ("docker", "kind", "gcc", "git", "make"):
        put_program(bare, name)
    put_rust(bare, "1.96")
    missing = bootstrap.missing_packages("demo")
    missing.pop("uv in a folder of its own", None)
    assert {} == missing


def test_a_given_cluster_needs_no_nodes_of_ours(bare: pathlib.Path) -> None:
    """Where KUBECONFIG names a cluster, the demo installs nothing to start one."""
    given = {"KUBECONFIG": str(bare / "kubeconfig")}
    wanted = (bootstrap.NODES in bootstrap.purposes("demo", {}), bootstrap.NODES in bootstrap.purposes("demo", given))
    assert (True, False) == wanted
