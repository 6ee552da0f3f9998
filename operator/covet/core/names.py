"""Names of every object, label, annotation and port, in one place.

Two modules that build the same name by hand drift apart one day; a selector then
matches nothing and nobody notices. Whoever needs a name takes it from here.
"""

import hashlib
from typing import Final

GROUP: Final = "covet.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "CovetCluster"
PLURAL: Final = "covetclusters"
FIELD_MANAGER: Final = "covet"
AGENT_FIELD_MANAGER: Final = "covet-agent"
"""What an agent writes to the API server: where its shard's primary is, and nothing else."""

LABEL_CLUSTER: Final = f"{GROUP}/cluster"
LABEL_SHARD: Final = f"{GROUP}/shard"
LABEL_INSTANCE: Final = f"{GROUP}/instance"
LABEL_ROLE: Final = f"{GROUP}/role"
ZONE: Final = "topology.kubernetes.io/zone"
"""Label by which Kubernetes says in which zone a node is."""
LABEL_APP: Final = "app.kubernetes.io/name"
LABEL_APP_INSTANCE: Final = "app.kubernetes.io/instance"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_PART_OF: Final = "app.kubernetes.io/part-of"

ANNOTATION_TERM: Final = f"{GROUP}/term"
"""On the EndpointSlice of `-rw`: term of the leader that it names. Nobody writes over a higher one."""
ANNOTATION_SHARD: Final = f"{GROUP}/shard-uid"
"""On a shard's Lease: uid of the shard whose terms it counts."""
ANNOTATION_FENCED: Final = f"{GROUP}/fenced"
"""On a cluster: comma list of instances, sorted, that a person keeps out of service. It stands until it is changed."""
ANNOTATION_RESTART: Final = f"{GROUP}/restart"
"""On a cluster: an RFC 3339 moment. Instances whose pods are older are restarted in order; it goes once none is."""
ANNOTATION_ROTATE: Final = f"{GROUP}/rotate"
"""On a cluster: any text. Another one than that of the last rotation orders a new password; it may stay."""
ANNOTATION_REPLACE_AUTHORITY: Final = f"{GROUP}/replace-authority"
"""On a cluster: an RFC 3339 moment. An authority made before it is replaced; it goes once none is."""
ANNOTATION_ASKED: Final = f"{GROUP}/asked"
"""On a database pod: digest of what its user asked of it. Another one than its StatefulSet's: the user's edit waits."""
ANNOTATION_TEMPLATE: Final = f"{GROUP}/template"
"""On a router's pod: digest of what it was made from. Another one than its Deployment's: it is about to be replaced."""
ANNOTATION_SINCE: Final = f"{GROUP}/since"
"""On the routers' Secret of verifiers: moment since which it has held what it does."""

APP: Final = "covet"
"""Value of LABEL_APP and LABEL_PART_OF on everything of Covet."""
COMPONENT_OPERATOR: Final = "operator"
"""Value of LABEL_COMPONENT on the operator's pods; NetworkPolicies admit them by it."""
COMPONENT_INSTANCE: Final = "instance"
"""Value of LABEL_COMPONENT on the database pods and what belongs to them."""

COMPONENT_ROUTER: Final = "router"
"""Value of LABEL_COMPONENT on the routers and what belongs to them; a shard's NetworkPolicy admits them by it."""

ROLE_PRIMARY: Final = "primary"
ROLE_REPLICA: Final = "replica"

SQL_PORT: Final = 5432
AGENT_PORT: Final = 7443
"""The agent API: mTLS, except that probes may read /livez and /readyz without a certificate."""
VOTER_PORT: Final = 7444
"""Heartbeats between the agents of one shard."""
METRICS_PORT: Final = 7445
"""Metrics of an agent over plain HTTP, for the namespaces that a NetworkPolicy names."""
ROUTER_REPLICA_PORT: Final = 5433
"""Port of a router whose sessions read on replicas; those of `SQL_PORT` work on primaries."""
ROUTER_ADMIN_PORT: Final = 7446
"""Health and metrics of a router over plain HTTP."""

MAX_CLUSTER_NAME: Final = 40
"""Longest cluster name. `<cluster>-s511-aa` names a StatefulSet, whose pods carry the label
`controller-revision-hash: <name>-<10 characters>` of at most 63."""

OPERATOR_COMMON_NAME: Final = "covet-operator"
"""Subject of the operator's client certificate, the one that agents take orders from."""

ROUTER_COMMON_NAME: Final = "covet-router"
"""Subject of a router's client certificate: it reads the topology of every shard of its cluster, and gives no order."""


def switchover_annotation(shard_name: str) -> str:
    """Return the annotation that orders a planned switchover; its value is the instance to lead.

    The operator removes it when the order is carried out, or refused with an Event.
    """
    return f"{GROUP}/switchover.{shard_name}"


def promote_annotation(shard_name: str) -> str:
    """Return the annotation that orders a promotion which may lose acknowledged writes; its value is the instance."""
    return f"{GROUP}/promote.{shard_name}"


def shard(index: int) -> str:
    """Return the name of the shard with this index: `s0`, `s1`, ..."""
    return f"s{index}"


def letter(index: int) -> str:
    """Return the letters of the instance with this index: a, b, ... z, aa, ab, ..."""
    if index < 26:
        return chr(ord("a") + index)
    return letter(index // 26 - 1) + letter(index % 26)


def shard_set(cluster: str, shard_name: str) -> str:
    """Return the common prefix of the objects of one shard, also its headless Service."""
    return f"{cluster}-{shard_name}"


def instance(cluster: str, shard_name: str, letters: str) -> str:
    """Return the name of an instance, of its StatefulSet and of its certificate's subject."""
    return f"{cluster}-{shard_name}-{letters}"


def pod(instance_name: str) -> str:
    """Return the name of the one pod of an instance's StatefulSet."""
    return f"{instance_name}-0"


def data_volume_claim(instance_name: str) -> str:
    """Return the name of the claim that the StatefulSet makes from its `data` template."""
    return f"data-{instance_name}-0"


def pod_address(instance_name: str, shard_set_name: str, namespace: str) -> str:
    """Return the stable DNS name of an instance's pod."""
    return f"{pod(instance_name)}.{shard_set_name}.{namespace}.svc"


def read_write_service(cluster: str, shard_name: str) -> str:
    """Return the Service that leads to a shard's primary."""
    return f"{cluster}-{shard_name}-rw"


def read_only_service(cluster: str, shard_name: str) -> str:
    """Return the Service that leads to a shard's ready replicas."""
    return f"{cluster}-{shard_name}-ro"


def read_write_slice(cluster: str, shard_name: str) -> str:
    """Return the EndpointSlice behind `read_write_service`, written by us and not by Kubernetes."""
    return f"{cluster}-{shard_name}-rw"


def shard_config(cluster: str, shard_name: str) -> str:
    """Return the ConfigMap that holds the agents' bootstrap spec of one shard."""
    return f"{cluster}-{shard_name}-config"


def identity(cluster: str) -> str:
    """Return the ConfigMap that outlives the CovetCluster: uid and birth record of each shard."""
    return f"{cluster}-identity"


def ring_map(cluster: str) -> str:
    """Return the ConfigMap that publishes the map of slots to shards."""
    return f"{cluster}-map"


def authority_secret(cluster: str) -> str:
    """Return the Secret of the cluster's own certificate authority; no pod mounts it."""
    return f"{cluster}-ca"


def trust_config(cluster: str) -> str:
    """Return the ConfigMap with `ca.crt`, for clients that verify the servers."""
    return f"{cluster}-trust"


def operator_secret(cluster: str) -> str:
    """Return the Secret of the operator's client certificate for the agents of one cluster."""
    return f"{cluster}-operator-tls"


def instance_secret(instance_name: str) -> str:
    """Return the Secret of one instance's certificate (server and client use)."""
    return f"{instance_name}-tls"


def router(cluster: str) -> str:
    """Return the name of a cluster's routers: their Deployment, Service, ServiceAccount, policy and budget."""
    return f"{cluster}-router"


def router_config(cluster: str) -> str:
    """Return the ConfigMap with the routers' configuration, and the Secret with the verifiers of who may log in.

    Owners of databases cannot be called `config`, so no owner's Secret is called like it.
    """
    return f"{cluster}-router-config"


def router_secret(cluster: str) -> str:
    """Return the Secret of the certificate that all routers of a cluster show."""
    return f"{cluster}-router-tls"


def server_secret(cluster: str, subject: str) -> str:
    """Return the Secret of a server's certificate by its subject: that of an instance, or of the routers."""
    return router_secret(cluster) if subject == ROUTER_COMMON_NAME else instance_secret(subject)


def user_secret(cluster: str, user: str) -> str:
    """Return the Secret of a database user, in the shape of the Service Binding specification.

    An underscore becomes a dot: Secrets allow it, clusters do not, so that user `eu_app` of
    `shop` and user `app` of `shop-eu` never share a Secret.
    """
    return f"{cluster}-{user.replace('_', '.')}"


def logins(owner: str) -> tuple[str, str]:
    """Return the two roles that take turns to log in for the owner of a database, each at most 63 bytes."""
    longest = 61
    base = owner if len(owner) <= longest else f"{owner[:48]}_{hashlib.sha256(owner.encode()).hexdigest()[:12]}"
    return f"{base}_a", f"{base}_b"


def service_account(cluster: str, shard_name: str) -> str:
    """Return the ServiceAccount of a shard's pods, and the Role and RoleBinding that let it publish its primary."""
    return f"{cluster}-{shard_name}"


def shard_lease(cluster: str, shard_name: str) -> str:
    """Return the Lease that a shard's leader holds: publication, by which nobody decides."""
    return f"{cluster}-{shard_name}"


def member(shard_name: str, letters: str, incarnation: str) -> str:
    """Return the name of a member: the instance within its shard and 12 hex digits of its volume's UUID.

    It stands in `synchronous_standby_names` and `application_name` (at most 63 bytes), so
    a person who reads them sees the instance at once.
    """
    return f"{shard_name}-{letters}-{incarnation.replace('-', '')[:12]}"


def slot(member_name: str) -> str:
    """Return the replication slot of a member; slots allow lower case letters, digits and underscore."""
    return member_name.replace("-", "_")


def replication_role(shard_name: str, letters: str) -> str:
    """Return the login role that an instance streams with; its certificate's subject maps to it."""
    return f"covet_{shard_name}_{letters}"
