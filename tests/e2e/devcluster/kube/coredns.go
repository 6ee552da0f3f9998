package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

// runCoreDNS starts CoreDNS with the few plugins a cluster needs. Upstream's
// own main links some fifty, among them clients of three clouds.
func runCoreDNS() {
	dnsserver.Directives = []string{"errors", "health", "ready", "prometheus", "template", "cache", "kubernetes", "forward"}
	coremain.Run()
}
