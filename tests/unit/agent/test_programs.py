"""What the agent and its voter may load."""

import subprocess
import sys

import pytest

FORBIDDEN = {"kubernetes", "boto3", "pydantic", "cryptography", "kopf", "yaml"}


def loaded(module: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after importing one."""
    code = f"import {module}, sys; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    output = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True).stdout
    return set(output.split())


def test_the_voter_loads_the_standard_library_only() -> None:
    """The voter stays small and depends on nothing that could stall it."""
    before = loaded("sys")
    assert {"covet"} == loaded("covet.agent.voter") - before - set(sys.stdlib_module_names)


@pytest.mark.parametrize("module", ["covet.agent.app", "covet.peers.client"])
def test_the_agent_loads_nothing_of_the_operator(module: str) -> None:
    """No library of the operator reaches a database pod's memory."""
    assert set() == loaded(module) & FORBIDDEN


def test_quorum_is_standard_library_only() -> None:
    """What decides about commits can be read without knowing any library."""
    before = loaded("sys")
    assert {"covet"} == loaded("covet.planner.quorum") - before - set(sys.stdlib_module_names)
