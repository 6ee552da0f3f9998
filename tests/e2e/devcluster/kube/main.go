// Command kube is every server of a Kubernetes cluster in one static binary.
//
// The devcluster starts it under many names: one file to build, to cache and
// to keep in the page cache, where upstream ships seven. The first argument
// chooses the server; what follows are that server's own flags.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics on every /metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // kubernetes_build_info on every /metrics
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"covet.dev/devcluster/kube/netpol"
	"covet.dev/devcluster/kube/node"
	"covet.dev/devcluster/kube/volumes"
)

// servers maps the first argument to the server it starts. Each entry finds
// its own flags in os.Args[1:] and returns the exit code of the process.
var servers = map[string]func() int{
	"coredns":                 runCoreDNS,
	"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
	"kube-apiserver":          cobraServer(apiserver.NewAPIServerCommand),
	"kube-controller-manager": cobraServer(controllers.NewControllerManagerCommand),
	"kube-proxy":              cobraServer(proxy.NewProxyCommand),
	"kube-scheduler":          cobraServer(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubelet":                 cobraServer(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
	"netpol":                  netpol.Main,
	"node":                    node.Main,
	"volumes":                 volumes.Main,
}

func main() {
	if len(os.Args) < 2 || servers[os.Args[1]] == nil {
		names := make([]string, 0, len(servers))
		for name := range servers {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: kube {%s} [flags]\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	server := servers[os.Args[1]]
	os.Args = os.Args[1:]
	os.Exit(server())
}

// cobraServer adapts one of Kubernetes' own commands. The command is built
// only when it is asked for: building one registers feature gates and flags
// that must not meet those of another.
func cobraServer(build func() *cobra.Command) func() int {
	return func() int { return cli.Run(build()) }
}
