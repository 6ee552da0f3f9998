package netpol

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"

	v1 "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Table is the name of the table in the node's network namespace.
const Table = "covet-netpol"

// direction holds what differs between traffic to a pod and traffic from it.
type direction struct {
	name string
	// own and other are the matches of the pod's and of its peer's address.
	own, other string
	kind       networking.PolicyType
}

var (
	egress  = direction{"egress", "ip saddr", "ip daddr", networking.PolicyTypeEgress}
	ingress = direction{"ingress", "ip daddr", "ip saddr", networking.PolicyTypeIngress}
)

// rule is the common shape of an ingress and an egress rule.
type rule struct {
	peers []networking.NetworkPolicyPeer
	ports []networking.NetworkPolicyPort
}

// Render is the whole table as nftables commands; the same world gives the
// same text.
//
// A packet first passes the chain of the pod that sends it, then the chain of
// the pod that receives it; a pod no policy selects has none. Within a chain a
// rule that allows returns, and the end drops. Replies pass unasked. Packets of
// the node itself, such as probes, are not forwarded and so never come here.
func Render(world World) string {
	var out strings.Builder
	fmt.Fprintf(&out, "table ip %s\ndelete table ip %s\ntable ip %s {\n", Table, Table, Table)
	var entries [2][]string
	pods := slices.Clone(world.Pods)
	sort.Slice(pods, func(i, j int) bool { return pods[i].Address.Less(pods[j].Address) })
	for _, pod := range pods {
		if !pod.Local {
			continue
		}
		for i, way := range []direction{egress, ingress} {
			policies := world.selecting(pod, way)
			if len(policies) == 0 {
				continue
			}
			chain := fmt.Sprintf("%s-%s", way.name, pod.Address)
			entries[i] = append(entries[i], fmt.Sprintf("%s : jump %s", pod.Address, chain))
			fmt.Fprintf(&out, "  chain %s {\n", chain)
			for _, line := range world.chain(pod, policies, way) {
				fmt.Fprintf(&out, "    %s\n", line)
			}
			out.WriteString("    counter drop\n  }\n")
		}
	}
	out.WriteString("  chain forward {\n    type filter hook forward priority filter - 5; policy accept;\n")
	out.WriteString("    ct direction reply accept\n    ct state related accept\n")
	for i, way := range []direction{egress, ingress} {
		if len(entries[i]) > 0 {
			fmt.Fprintf(&out, "    %s vmap { %s }\n", way.own, strings.Join(entries[i], ", "))
		}
	}
	out.WriteString("  }\n}\n")
	return out.String()
}

// selecting are the policies that restrict the pod in that direction, by name.
func (w World) selecting(pod Pod, way direction) []*networking.NetworkPolicy {
	var found []*networking.NetworkPolicy
	for _, policy := range w.Policies {
		applies := slices.Contains(policy.Spec.PolicyTypes, way.kind)
		if applies && policy.Namespace == pod.Namespace && selects(&policy.Spec.PodSelector, pod.Labels) {
			found = append(found, policy)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Name < found[j].Name })
	return found
}

func (w World) chain(pod Pod, policies []*networking.NetworkPolicy, way direction) []string {
	var lines []string
	for _, policy := range policies {
		for _, allowed := range rules(policy, way) {
			lines = append(lines, w.allow(pod, policy.Namespace, allowed, way)...)
		}
	}
	return lines
}

func rules(policy *networking.NetworkPolicy, way direction) []rule {
	var found []rule
	if way.kind == networking.PolicyTypeIngress {
		for _, r := range policy.Spec.Ingress {
			found = append(found, rule{r.From, r.Ports})
		}
		return found
	}
	for _, r := range policy.Spec.Egress {
		found = append(found, rule{r.To, r.Ports})
	}
	return found
}

// allow renders one rule: every kind of peer combined with every port.
func (w World) allow(pod Pod, namespace string, allowed rule, way direction) []string {
	var pods []Pod
	matches := []string{""}
	if len(allowed.peers) > 0 {
		matches = nil
		for _, peer := range allowed.peers {
			if peer.IPBlock == nil {
				pods = append(pods, w.peers(peer, namespace)...)
			} else if match, known := block(peer.IPBlock, way); known {
				matches = append(matches, match)
			}
		}
		if set := addresses(pods); set != "" {
			matches = append(matches, fmt.Sprintf("%s { %s } ", way.other, set))
		}
	}
	var lines []string
	for _, match := range matches {
		for _, port := range w.ports(pod, allowed.ports, way) {
			lines = append(lines, strings.TrimSpace(match+port)+" return")
		}
	}
	return lines
}

// ports renders the ports of a rule as matches; one empty match if it names none.
func (w World) ports(pod Pod, ports []networking.NetworkPolicyPort, way direction) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var matches []string
	for _, port := range ports {
		protocol := v1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		name := strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			matches = append(matches, "meta l4proto "+name)
		case port.Port.Type == intstr.Int && port.EndPort != nil:
			matches = append(matches, fmt.Sprintf("%s dport %d-%d", name, port.Port.IntVal, *port.EndPort))
		case port.Port.Type == intstr.Int:
			matches = append(matches, fmt.Sprintf("%s dport %d", name, port.Port.IntVal))
		case way.kind == networking.PolicyTypeIngress:
			matches = append(matches, named([]Pod{pod}, protocol, port.Port.StrVal)...)
		default:
			// The name means a port of its own on every pod it leads to.
			matches = append(matches, named(w.Pods, protocol, port.Port.StrVal)...)
		}
	}
	return matches
}

// named are the matches of a port that goes by a name on the pods that receive.
func named(pods []Pod, protocol v1.Protocol, name string) []string {
	var matches []string
	for _, pod := range pods {
		for _, port := range pod.Ports {
			if port.Name == name && (port.Protocol == protocol || port.Protocol == "" && protocol == v1.ProtocolTCP) {
				match := fmt.Sprintf("ip daddr %s %s dport %d", pod.Address, strings.ToLower(string(protocol)), port.ContainerPort)
				matches = append(matches, match)
			}
		}
	}
	sort.Strings(matches)
	return slices.Compact(matches)
}

// block renders a range and its exceptions. The cluster speaks IPv4 alone, so
// a range of IPv6 holds none of its addresses and is left out.
func block(block *networking.IPBlock, way direction) (string, bool) {
	if prefix, err := netip.ParsePrefix(block.CIDR); err != nil || !prefix.Addr().Is4() {
		return "", false
	}
	match := fmt.Sprintf("%s %s ", way.other, block.CIDR)
	for _, except := range block.Except {
		match += fmt.Sprintf("%s != %s ", way.other, except)
	}
	return match, true
}

// addresses joins the pods' addresses, each once, in order.
func addresses(pods []Pod) string {
	var found []netip.Addr
	for _, pod := range pods {
		found = append(found, pod.Address)
	}
	slices.SortFunc(found, netip.Addr.Compare)
	var texts []string
	for _, address := range slices.Compact(found) {
		texts = append(texts, address.String())
	}
	return strings.Join(texts, ", ")
}
