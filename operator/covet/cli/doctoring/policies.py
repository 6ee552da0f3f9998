"""Do NetworkPolicies let through what has to pass? And may a drain take a pod away?"""

from collections.abc import Iterator
from typing import Final

from covet.cli.doctoring import finding
from covet.cli.doctoring.facts import Facts
from covet.cli.doctoring.finding import Finding
from covet.cli.raw import Manifest
from covet.core import names
from covet.manifests import policies

NETWORK: Final = "Network"
BUDGETS: Final = "Budgets"


def check_network(facts: Facts) -> Iterator[Finding]:
    """Yield what there is to say about NetworkPolicies."""
    yield from finding.seen_or_not(NETWORK, facts.policies, facts.operator_policies)
    found = [*_way_out(facts), *_way_in(facts)]
    yield from found
    if not found and facts.seen is not None and facts.policies and not isinstance(facts.policies, Exception):
        yield finding.good(NETWORK, "Each shard has its NetworkPolicy, and the operator may reach the agents.")


def _way_in(facts: Facts) -> Iterator[Finding]:
    """Look whether each shard's own policy is there and lets in the operator that serves it."""
    if facts.seen is None or isinstance(facts.policies, Exception):
        return
    own = {finding.name_of(policy): policy for policy in facts.policies}
    for shard in facts.seen.status.shards:
        policy = own.get(names.shard_set(facts.seen.name, shard.name))
        if policy is None:
            yield finding.bad(
                NETWORK,
                f"{shard.name} has no NetworkPolicy.",
                "Where the namespace denies by default, its agents reach neither each other nor the API server.",
                "The operator makes it anew in its next round; if it does not, look at its log.",
            )
        elif facts.operator_namespace is not None and not _admits(policy, facts.operator_namespace):
            yield finding.bad(
                NETWORK,
                f"The NetworkPolicy of {shard.name} does not let in an operator of {facts.operator_namespace}.",
                "The operator cannot ask or order the agents.",
                "Undo what was changed by hand; the operator writes it anew when it changes.",
            )


def _way_out(facts: Facts) -> Iterator[Finding]:
    """Look whether the policies beside the operator let it out to the agents."""
    for pod in finding.objects(facts.operators)[:1]:
        rules: list[Manifest] = []
        closing: list[str] = []
        for policy in finding.objects(facts.operator_policies):
            spec = policy.get("spec") or {}
            if "Egress" in (spec.get("policyTypes") or []) and finding.selects(spec.get("podSelector") or {}, pod):
                closing.append(finding.name_of(policy))
                rules += spec.get("egress") or []
        if closing and not any(finding.leads_to(rule, names.AGENT_PORT) for rule in rules):
            yield finding.bad(
                NETWORK,
                f"In namespace {facts.operator_namespace} {', '.join(closing)} let the operator reach no agent.",
                f"It asks and orders the agents at TCP port {names.AGENT_PORT}.",
                "Set networkPolicy.enabled in the values of the chart covet: policies add up.",
            )


def _admits(policy: Manifest, namespace: str) -> bool:
    for rule in (policy.get("spec") or {}).get("ingress") or []:
        if not finding.leads_to(rule, names.AGENT_PORT):
            continue
        for peer in rule.get("from") or []:
            chosen = (peer.get("namespaceSelector") or {}).get("matchLabels") or {}
            if chosen.get(policies.LABEL_NAMESPACE) == namespace:
                return True
    return False


def check_budgets(facts: Facts) -> Iterator[Finding]:
    """Yield what there is to say about PodDisruptionBudgets."""
    yield from finding.seen_or_not(BUDGETS, facts.budgets)
    if facts.seen is None or isinstance(facts.budgets, Exception):
        return
    by_name = {finding.name_of(budget): budget for budget in facts.budgets}
    found: list[Finding] = []
    for shard in facts.seen.status.shards:
        own = names.shard_set(facts.seen.name, shard.name)
        found += _budget(shard.name, by_name.get(own))
        for name, budget in by_name.items():
            foreign = name != own and any(
                finding.selects((budget.get("spec") or {}).get("selector"), pod)
                for pod in finding.objects(facts.pods)
                if (pod["metadata"].get("labels") or {}).get(names.LABEL_SHARD) == shard.name
            )
            if foreign:
                found.append(_second(shard.name, name))
    yield from found
    if by_name and not found:
        yield finding.good(BUDGETS, "Each shard lets one instance go at a time.")


def _budget(shard: str, budget: Manifest | None) -> Iterator[Finding]:
    if budget is None:
        yield finding.bad(
            BUDGETS,
            f"{shard} has no PodDisruptionBudget.",
            "A drain of several nodes may take several of its instances at once, and with them the quorum.",
            "The operator makes it anew in its next round; if it does not, look at its log.",
        )
        return
    status = budget.get("status") or {}
    if status.get("disruptionsAllowed") == 0:
        healthy, wanted = status.get("currentHealthy", 0), status.get("expectedPods", 0)
        yield finding.doubtful(
            BUDGETS,
            f"No pod of {shard} may be drained now: {healthy} of {wanted} are ready.",
            "`kubectl drain` waits until all are, so that the shard keeps its quorum.",
            "Mend the pod that is not ready; then the drain goes on.",
        )


def _second(shard: str, name: str) -> Finding:
    return finding.bad(
        BUDGETS,
        f"PodDisruptionBudget {name} selects pods of {shard} too.",
        "Kubernetes evicts no pod that has two budgets: drains and ordered restarts never end.",
        "Change its selector, or delete it; Covet's own budget is enough.",
    )
