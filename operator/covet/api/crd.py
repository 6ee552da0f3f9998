"""The CustomResourceDefinition of CovetCluster, made from its model.

`python -m covet.api.crd FOLDER...` writes it into each folder. In a folder named
`templates` it becomes part of a Helm chart and is kept when the chart is removed: with the
definition every cluster of that kind would go.
"""

import pathlib
import sys
from typing import Any, Final

import yaml

from covet.api import cluster, model, structural
from covet.core import names

FILE: Final = f"{names.GROUP}_{names.PLURAL}.yaml"
HEADER: Final = "# Generated from operator/covet/api by `make generate`; edit the model, not this file.\n"
KEEP: Final = {"helm.sh/resource-policy": "keep"}
MAX_BYTES: Final = 200 * 1024
"""`kubectl apply` copies an object into an annotation of at most 256 KiB; this leaves room."""

UNSEEN: Final[dict[str, Any]] = {
    "conditions": [
        {
            "type": "Ready",
            "status": "Unknown",
            "observedGeneration": 0,
            "lastTransitionTime": "1970-01-01T00:00:00Z",
            "reason": "NotSeen",
            "message": "No operator has looked at this cluster yet.",
        },
    ],
}
"""Status of an object that no operator has looked at: whoever waits for conditions (Helm 4) takes one without any for
ready. The one default in the schema, and not in what a user writes."""

_READY: Final = '.status.conditions[?(@.type=="Ready")]'
_COLUMNS: Final = (
    {"name": "Ready", "type": "string", "jsonPath": f"{_READY}.status", "description": "Everything is as asked for."},
    {"name": "Shards", "type": "integer", "jsonPath": ".spec.shards.count", "description": "Shards asked for."},
    {"name": "Primaries", "type": "string", "jsonPath": ".status.primaries", "description": "Shards that take writes."},
    {"name": "Engine", "type": "string", "jsonPath": ".spec.engine.name", "description": "The database server."},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Version", "type": "string", "jsonPath": ".spec.engine.version", "priority": 1},
    {"name": "Message", "type": "string", "jsonPath": f"{_READY}.message", "priority": 1},
)


def definition(annotations: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the CustomResourceDefinition as the API server takes it."""
    metadata: dict[str, Any] = {"name": f"{names.PLURAL}.{names.GROUP}"}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.KIND.lower(),
                "shortNames": ["cc"],
                "categories": [names.APP],
            },
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [dict(column) for column in _COLUMNS],
                    "schema": {"openAPIV3Schema": schema()},
                },
            ],
        },
    }


def schema() -> dict[str, Any]:
    """Return the structural schema of a CovetCluster."""
    made = cluster.CovetCluster.model_json_schema(by_alias=True)
    # The API server owns this part; a CRD may not describe more of it.
    made["properties"]["metadata"] = {"type": "object"}
    found = structural.convert(made)
    found["properties"]["status"]["default"] = UNSEEN
    return {
        "type": "object",
        "description": found["description"],
        "required": ["metadata", "spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            **found["properties"],
        },
        model.RULES: found[model.RULES],
    }


def render(annotations: dict[str, str] | None = None) -> str:
    """Return the definition as YAML text."""
    return HEADER + yaml.dump(definition(annotations), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Writes every value in full: anchors would be legal YAML and hard to read."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def main(folders: list[str]) -> int:
    """Write the definition into each folder; return the exit code."""
    if not folders:
        sys.stderr.write("usage: python -m covet.api.crd FOLDER...\n")
        return 2
    for folder in map(pathlib.Path, folders):
        folder.mkdir(parents=True, exist_ok=True)
        text = render(KEEP if folder.name == "templates" else None)
        (folder / FILE).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
