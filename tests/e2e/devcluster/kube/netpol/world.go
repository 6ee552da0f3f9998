package netpol

import (
	"net/netip"

	v1 "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Pod is an address that policies select: what they need to know of a pod.
type Pod struct {
	Namespace string
	Labels    labels.Set
	Address   netip.Addr
	// Local is true if the pod runs on this node.
	Local bool
	// Ports are the named ports of its containers.
	Ports []v1.ContainerPort
}

// World is everything the table depends on.
type World struct {
	Pods       []Pod
	Namespaces map[string]labels.Set
	Policies   []*networking.NetworkPolicy
}

func observe(
	config Config, pods list[*v1.Pod], namespaces list[*v1.Namespace], policies list[*networking.NetworkPolicy],
) (World, error) {
	world := World{Namespaces: map[string]labels.Set{}}
	seenPods, err := pods(labels.Everything())
	if err != nil {
		return world, err
	}
	seenNamespaces, err := namespaces(labels.Everything())
	if err != nil {
		return world, err
	}
	world.Policies, err = policies(labels.Everything())
	if err != nil {
		return world, err
	}
	for _, namespace := range seenNamespaces {
		world.Namespaces[namespace.Name] = namespace.Labels
	}
	for _, seen := range seenPods {
		if pod, selectable := describe(seen, config.Node); selectable {
			world.Pods = append(world.Pods, pod)
		}
	}
	for _, outsider := range config.Outsiders {
		pod := Pod{Namespace: outsider.Namespace, Labels: outsider.Labels, Address: outsider.Address}
		world.Pods = append(world.Pods, pod)
	}
	return world, nil
}

// describe leaves out what has no address of its own: pods on the node's
// network, pods not started yet, pods that ended and gave their address back.
func describe(pod *v1.Pod, node string) (Pod, bool) {
	ended := pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed
	if pod.Spec.HostNetwork || ended {
		return Pod{}, false
	}
	address, err := netip.ParseAddr(pod.Status.PodIP)
	if err != nil || !address.Is4() {
		return Pod{}, false
	}
	described := Pod{
		Namespace: pod.Namespace,
		Labels:    pod.Labels,
		Address:   address,
		Local:     pod.Spec.NodeName == node,
	}
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name != "" {
				described.Ports = append(described.Ports, port)
			}
		}
	}
	return described, true
}

// selects tells whether the selector matches; one that cannot be read matches
// nothing (the API server lets none such through).
func selects(selector *metav1.LabelSelector, set labels.Set) bool {
	compiled, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && compiled.Matches(set)
}

// peers are the pods a rule's peer stands for, seen from the policy's namespace.
func (w World) peers(peer networking.NetworkPolicyPeer, namespace string) []Pod {
	var found []Pod
	for _, pod := range w.Pods {
		if peer.NamespaceSelector == nil && pod.Namespace != namespace {
			continue
		}
		if peer.NamespaceSelector != nil && !selects(peer.NamespaceSelector, w.Namespaces[pod.Namespace]) {
			continue
		}
		if peer.PodSelector == nil || selects(peer.PodSelector, pod.Labels) {
			found = append(found, pod)
		}
	}
	return found
}
