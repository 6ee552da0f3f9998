"""What must not be told of a cluster, and every place where it could be: objects, Events, logs, processes."""

import base64
from typing import Final

from tests.e2e import installation
from tests.e2e.cluster import shops
from tests.e2e.cluster.shops import Shop

KINDS: Final = (
    "covetclusters,statefulsets,pods,services,endpointslices,configmaps,events,leases,persistentvolumeclaims,"
    "serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets"
)
PROCESSES: Final = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\000' '\\n'"


def hidden(shop: Shop) -> dict[str, str]:
    """Return what nobody may read without a right to Secrets, by Secret and key; of a private key one of its lines."""
    found = {"a verifier": "SCRAM-SHA-256$", "any key": "PRIVATE KEY"}
    for secret in shop.items("secrets"):
        for key, coded in secret["data"].items():
            value = base64.b64decode(coded).decode()
            if key.endswith("password"):
                found[f"{secret['metadata']['name']}/{key}"] = value
            elif key.endswith(".key"):
                found[f"{secret['metadata']['name']}/{key}"] = value.splitlines()[1]
    return found


def told(shop: Shop) -> dict[str, str]:
    """Return what is said of a cluster, by place: objects with their Events, logs, arguments and environments."""
    found = {"objects": shop.kubectl("get", KINDS, "-o", "yaml", "--show-managed-fields")}
    operators = {pod["metadata"]["name"]: "covet" for pod in shops.operator_pods(shop.covet)}
    for pod, place in {**operators, **{name: name for name in shop.names("pods")}}.items():
        namespace = installation.NAMESPACE if pod in operators else shop.namespace
        found[f"log of {place}"] = shop.covet.kubectl("-n", namespace, "logs", pod, "--tail=-1")
        words = ("exec", pod, "--", "sh", "-c", PROCESSES)
        found[f"processes of {place}"] = shop.covet.kubectl("-n", namespace, *words)
    return found
