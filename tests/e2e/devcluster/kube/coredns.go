package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"       // one address, not all of the machine's
	_ "github.com/coredns/coredns/plugin/cache"      // short memory in front of the zone
	_ "github.com/coredns/coredns/plugin/errors"     // failures in the log
	_ "github.com/coredns/coredns/plugin/health"     // /health: the process lives
	_ "github.com/coredns/coredns/plugin/kubernetes" // Services and Pods as records
	_ "github.com/coredns/coredns/plugin/metrics"    // the "prometheus" directive
	_ "github.com/coredns/coredns/plugin/ready"      // /ready: the zone is loaded
	_ "github.com/coredns/coredns/plugin/template"   // NXDOMAIN for all that is not the cluster's
)

// runCoreDNS starts CoreDNS with the few plugins a closed cluster needs;
// upstream's own main links some fifty, among them clients of three clouds.
// The order is the order in which a question passes through them, so that
// "template" answers only what "kubernetes" let through.
func runCoreDNS() int {
	dnsserver.Directives = []string{
		"bind", "errors", "health", "ready", "prometheus", "cache", "kubernetes", "template",
	}
	coremain.Run()
	return 0
}
