// Package netpol enforces NetworkPolicy on one node.
//
// Kubernetes accepts such objects whether or not anything enforces them, and a
// test of a policy that nothing enforces cannot fail. This agent turns them into
// one nftables table in the node's network namespace. It looks at everything
// and replaces the whole table in one transaction, so there is no moment
// without rules and no state of its own to go wrong.
package netpol

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// gather is the pause in which changes are collected into one table.
	gather = 20 * time.Millisecond
	// retryDelay is the pause before a table the kernel refused is offered again.
	retryDelay = 2 * time.Second
)

// Config is what the devcluster writes for one node.
type Config struct {
	Kubeconfig string `json:"kubeconfig"`
	Node       string `json:"node"`
	// Outsiders are processes outside the cluster that policies see as pods.
	Outsiders []Outsider `json:"outsiders"`
}

// Outsider is an address that policies see as a pod with these labels.
type Outsider struct {
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
	Address   netip.Addr        `json:"address"`
}

// Main follows the API server until it is told to stop. The table stays: a
// restarted agent must not open the gates for a moment.
func Main() int {
	if len(os.Args) != 2 || !strings.HasPrefix(os.Args[1], "--config=") {
		fmt.Fprintln(os.Stderr, "usage: kube netpol --config=FILE.json")
		return 2
	}
	var config Config
	raw, err := os.ReadFile(strings.TrimPrefix(os.Args[1], "--config="))
	if err == nil {
		err = json.Unmarshal(raw, &config)
	}
	if err == nil {
		ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer cancel()
		err = follow(ctx, config)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "netpol: %v\n", err)
		return 1
	}
	return 0
}

func follow(ctx context.Context, config Config) error {
	rest, err := clientcmd.BuildConfigFromFlags("", config.Kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods()
	namespaces := factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	bell := make(chan struct{}, 1)
	ring := func() {
		select {
		case bell <- struct{}{}:
		default: // it is ringing already
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { ring() },
		UpdateFunc: func(any, any) { ring() },
		DeleteFunc: func(any) { ring() },
	}
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	applied := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-bell:
			time.Sleep(gather)
		}
		world, err := observe(config, pods.Lister().List, namespaces.Lister().List, policies.Lister().List)
		if err == nil {
			table := Render(world)
			if table == applied {
				continue
			}
			if err = load(ctx, table); err == nil {
				applied = table
				continue
			}
		}
		fmt.Fprintf(os.Stderr, "netpol: %v\n", err)
		time.AfterFunc(retryDelay, ring)
	}
}

// load hands the table to the kernel, all of it or nothing.
func load(ctx context.Context, table string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "nft", "-f", "-")
	command.Stdin = strings.NewReader(table)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s\n%s", err, strings.TrimSpace(string(output)), table)
	}
	return nil
}

type list[T any] func(labels.Selector) ([]T, error)
