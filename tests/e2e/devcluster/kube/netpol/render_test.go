package netpol

import (
	"net/netip"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func pod(namespace, app, address string, local bool) Pod {
	return Pod{
		Namespace: namespace,
		Labels:    labels.Set{"app": app},
		Address:   netip.MustParseAddr(address),
		Local:     local,
		Ports:     []v1.ContainerPort{{Name: "sql", ContainerPort: 5432, Protocol: v1.ProtocolTCP}},
	}
}

func world(policies ...*networking.NetworkPolicy) World {
	return World{
		Pods: []Pod{
			pod("a", "db", "10.244.1.2", true),
			pod("a", "web", "10.244.2.2", false),
			pod("b", "web", "10.244.2.3", false),
		},
		Namespaces: map[string]labels.Set{"a": {"team": "one"}, "b": {"team": "two"}},
		Policies:   policies,
	}
}

func selecting(app string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func policy(kind networking.PolicyType, spec networking.NetworkPolicySpec) *networking.NetworkPolicy {
	spec.PodSelector, spec.PolicyTypes = selecting("db"), []networking.PolicyType{kind}
	return &networking.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "a"}, Spec: spec}
}

// chainOf is the rules of one pod's chain, without the drop at its end.
func chainOf(t *testing.T, table, chain string) []string {
	t.Helper()
	_, after, found := strings.Cut(table, "chain "+chain+" {\n")
	if !found {
		t.Fatalf("no chain %s in\n%s", chain, table)
	}
	body, _, _ := strings.Cut(after, "    counter drop\n")
	return strings.FieldsFunc(body, func(r rune) bool { return r == '\n' })
}

func expect(t *testing.T, expected, actual []string) {
	t.Helper()
	for i := range actual {
		actual[i] = strings.TrimSpace(actual[i])
	}
	if strings.Join(expected, "\n") != strings.Join(actual, "\n") {
		t.Errorf("expected %q, got %q", expected, actual)
	}
}

// A pod that no policy selects is open in both directions.
func TestNoPolicyNoChain(t *testing.T) {
	if table := Render(world()); strings.Contains(table, "vmap") || strings.Contains(table, "drop") {
		t.Errorf("expected an open table, got\n%s", table)
	}
}

// A policy without rules lets nothing in, and says nothing of the other way.
func TestDefaultDeny(t *testing.T) {
	table := Render(world(policy(networking.PolicyTypeIngress, networking.NetworkPolicySpec{})))
	expect(t, nil, chainOf(t, table, "ingress-10.244.1.2"))
	if strings.Contains(table, "chain egress-") {
		t.Errorf("egress is restricted by an ingress policy:\n%s", table)
	}
}

// A pod selector alone means pods of the policy's own namespace.
func TestPodSelectorStaysInNamespace(t *testing.T) {
	web := selecting("web")
	from := []networking.NetworkPolicyPeer{{PodSelector: &web}}
	spec := networking.NetworkPolicySpec{Ingress: []networking.NetworkPolicyIngressRule{{From: from}}}
	table := Render(world(policy(networking.PolicyTypeIngress, spec)))
	expect(t, []string{"ip saddr { 10.244.2.2 } return"}, chainOf(t, table, "ingress-10.244.1.2"))
}

// A namespace selector reaches other namespaces and, with a pod selector, both must match.
func TestNamespaceSelector(t *testing.T) {
	web, two := selecting("web"), metav1.LabelSelector{MatchLabels: map[string]string{"team": "two"}}
	from := []networking.NetworkPolicyPeer{{PodSelector: &web, NamespaceSelector: &two}}
	spec := networking.NetworkPolicySpec{Ingress: []networking.NetworkPolicyIngressRule{{From: from}}}
	table := Render(world(policy(networking.PolicyTypeIngress, spec)))
	expect(t, []string{"ip saddr { 10.244.2.3 } return"}, chainOf(t, table, "ingress-10.244.1.2"))
}

// A range of addresses keeps its exceptions; a range of IPv6 allows nobody here.
func TestBlocks(t *testing.T) {
	to := []networking.NetworkPolicyPeer{
		{IPBlock: &networking.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16", "10.2.0.0/16"}}},
		{IPBlock: &networking.IPBlock{CIDR: "fd00::/8"}},
	}
	spec := networking.NetworkPolicySpec{Egress: []networking.NetworkPolicyEgressRule{{To: to}}}
	table := Render(world(policy(networking.PolicyTypeEgress, spec)))
	expected := []string{"ip daddr 10.0.0.0/8 ip daddr != 10.1.0.0/16 ip daddr != 10.2.0.0/16 return"}
	expect(t, expected, chainOf(t, table, "egress-10.244.1.2"))
}

// A selector that matches nobody allows nobody, though a rule without peers allows everybody.
func TestEmptyPeersAreNotAllPeers(t *testing.T) {
	nobody := selecting("nobody")
	spec := networking.NetworkPolicySpec{Ingress: []networking.NetworkPolicyIngressRule{
		{From: []networking.NetworkPolicyPeer{{PodSelector: &nobody}}},
	}}
	table := Render(world(policy(networking.PolicyTypeIngress, spec)))
	expect(t, nil, chainOf(t, table, "ingress-10.244.1.2"))
	spec.Ingress[0].From = nil
	table = Render(world(policy(networking.PolicyTypeIngress, spec)))
	expect(t, []string{"return"}, chainOf(t, table, "ingress-10.244.1.2"))
}

// Ports may be numbers, ranges, names and whole protocols.
func TestPorts(t *testing.T) {
	udp, end := v1.ProtocolUDP, int32(90)
	number, name := intstr.FromInt32(80), intstr.FromString("sql")
	ports := []networking.NetworkPolicyPort{
		{Port: &number}, {Port: &number, EndPort: &end}, {Port: &name}, {Protocol: &udp},
	}
	spec := networking.NetworkPolicySpec{Ingress: []networking.NetworkPolicyIngressRule{{Ports: ports}}}
	table := Render(world(policy(networking.PolicyTypeIngress, spec)))
	expected := []string{
		"tcp dport 80 return",
		"tcp dport 80-90 return",
		"ip daddr 10.244.1.2 tcp dport 5432 return",
		"meta l4proto udp return",
	}
	expect(t, expected, chainOf(t, table, "ingress-10.244.1.2"))
}

// A named port of an egress rule means each receiver's own port of that name.
func TestNamedEgressPort(t *testing.T) {
	name := intstr.FromString("sql")
	spec := networking.NetworkPolicySpec{Egress: []networking.NetworkPolicyEgressRule{
		{Ports: []networking.NetworkPolicyPort{{Port: &name}}},
	}}
	seen := world(policy(networking.PolicyTypeEgress, spec))
	seen.Pods[1].Ports[0].ContainerPort = 6000
	expected := []string{
		"ip daddr 10.244.1.2 tcp dport 5432 return",
		"ip daddr 10.244.2.2 tcp dport 6000 return",
		"ip daddr 10.244.2.3 tcp dport 5432 return",
	}
	expect(t, expected, chainOf(t, Render(seen), "egress-10.244.1.2"))
}
