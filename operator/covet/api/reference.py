"""The reference page of CovetCluster, made from the same schema as its definition.

`python -m covet.api.reference FOLDER` writes it. Field, type, bounds and rules come from the
schema; defaults come from a spec that gives none.
"""

import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any, Final

from covet.api import crd, effective, model, spec
from covet.core import names

FILE: Final = "covetcluster.md"
_SHORTEST: Final = {
    "engine": {"name": "PostgreSQL", "version": "15"},
    "shards": {"count": 2},
    "storage": {"size": "10Gi"},
}
_INTRODUCTION: Final = f"""\
# {names.KIND}

<!-- Generated from operator/covet/api by `make generate`; edit the model, not this page. -->

`apiVersion: {names.API_VERSION}`, `kind: {names.KIND}`, namespaced; short name `cc`, category `covet`.
`kubectl explain {names.PLURAL}.spec` says the same on your cluster.

The definition writes no defaults into objects; `status.effective` shows the spec with every default
filled in. A cluster keeps the version of the defaults that it was born with.

The name of a cluster (`metadata.name`) has at most {names.MAX_CLUSTER_NAME} characters: lower case letters,
digits and `-`, beginning with a letter.
"""


def render() -> str:
    """Return the page as Markdown."""
    schema = crd.schema()["properties"]
    filled = effective.effective(spec.ClusterSpec.model_validate(_SHORTEST)).document()
    return "\n".join(
        [
            _INTRODUCTION,
            "## spec\n",
            "| field | type | default | meaning |",
            "|---|---|---|---|",
            *(_spec_row(path, node, required, filled) for path, node, required in _fields(schema["spec"], "spec")),
            "",
            *_refusals(schema["spec"]),
            "",
            "## status\n",
            "Written by the operator, which rebuilds it at any time. `status.effective` is shaped like `spec`.\n",
            "| field | type | meaning |",
            "|---|---|---|",
            *(
                f"| `{path}` | {_type(node)} | {_text(node.get('description', ''))} |"
                for path, node, _ in _fields(schema["status"], "status")
                if not path.startswith("status.effective.")
            ),
            "",
        ]
    )


def main(folders: list[str]) -> int:
    """Write the page into each folder; return the exit code."""
    if not folders:
        sys.stderr.write("usage: python -m covet.api.reference FOLDER...\n")
        return 2
    for folder in map(pathlib.Path, folders):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(render(), encoding="utf-8")
    return 0


def _fields(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield path, schema and whether it must be given, for every field below a node."""
    required = node.get("required", ())
    for name, part in node.get("properties", {}).items():
        yield f"{path}.{name}", part, name in required
        yield from _fields(part, f"{path}.{name}")
        if "items" in part:
            yield from _fields(part["items"], f"{path}.{name}[]")
        if "additionalProperties" in part:
            yield from _fields(part["additionalProperties"], f"{path}.{name}{{}}")


def _spec_row(path: str, node: dict[str, Any], required: bool, filled: dict[str, Any]) -> str:
    meaning = " ".join([node["description"], *_bounds(node), *_refusals(node)])
    return f"| `{path}` | {_type(node)} | {_default(path, node, required, filled)} | {_text(meaning)} |"


def _default(path: str, node: dict[str, Any], required: bool, filled: dict[str, Any]) -> str:
    if required and "[]" not in path:
        return "required"
    if "properties" in node:
        return ""
    value: Any = filled
    for part in path.removeprefix("spec.").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value in (None, {}, []):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _type(node: dict[str, Any]) -> str:
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "x-kubernetes-int-or-string" in node:
        return "integer or string"
    if "additionalProperties" in node:
        return f"map to {_type(node['additionalProperties'])}"
    if "items" in node:
        return f"list of {_type(node['items'])}"
    return str(node["type"])


def _bounds(node: dict[str, Any]) -> list[str]:
    found = []
    if "minimum" in node and "maximum" in node:
        found.append(f"From {node['minimum']} to {node['maximum']}.")
    if "maxLength" in node:
        found.append(f"At most {node['maxLength']} characters.")
    if "maxItems" in node or "maxProperties" in node:
        found.append(f"At most {node.get('maxItems', node.get('maxProperties'))} entries.")
    return found


def _refusals(node: dict[str, Any]) -> list[str]:
    return [f"*Refused:* {rule['message']}." for rule in node.get(model.RULES, ())]


def _text(text: str) -> str:
    """Return text that stays within one cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;") if "`" not in text else text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
