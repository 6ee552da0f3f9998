// Package node is the first process of a simulated machine.
//
// The devcluster gives every node a process, a mount, a host name and a
// network namespace of its own and starts this package as its PID 1. Power
// loss is then one SIGKILL: the kernel ends every process of the node at once
// and drops every mount made in it, with nothing to find and sweep up after.
package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// restartDelay is the pause before a service that ended is started again, as
// an init system does it.
const restartDelay = time.Second

// Config is what the devcluster writes for one node.
type Config struct {
	// Hostname is the name the node knows itself by.
	Hostname string `json:"hostname"`
	// Tmpfs are folders that start empty at every boot, in this order.
	Tmpfs []string `json:"tmpfs"`
	// Binds puts what is the node's own over paths of the machine.
	Binds []Bind `json:"binds"`
	// Services are started in this order.
	Services []Service `json:"services"`
}

// Bind is one folder or file of the node, shown in place of a path of the machine.
type Bind struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Main boots the node described by the JSON file in the first argument and
// stays until it is told to stop or killed.
func Main() int {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kube node CONFIG.json")
		return 2
	}
	config, err := readConfig(os.Args[1])
	if err == nil {
		err = isolate(config)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "node: %v\n", err)
		return 1
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	supervise(config.Services, stop)
	return 0
}

func readConfig(path string) (Config, error) {
	var config Config
	raw, err := os.ReadFile(path)
	if err != nil {
		return config, err
	}
	return config, json.Unmarshal(raw, &config)
}

// isolate cuts the node's mounts off from the machine's. Mounts of the machine
// still arrive (slave); those of the node never leave, yet are shared within
// it (shared), which the kubelet's mount propagation needs.
func isolate(config Config) error {
	if err := syscall.Sethostname([]byte(config.Hostname)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	for _, mode := range []uintptr{syscall.MS_SLAVE, syscall.MS_SHARED} {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|mode, ""); err != nil {
			return fmt.Errorf("change propagation of /: %w", err)
		}
	}
	if err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, bind := range config.Binds {
		if _, err := os.Stat(bind.To); errors.Is(err, fs.ErrNotExist) {
			continue // what the machine does not have needs no cover
		}
		if err := syscall.Mount(bind.From, bind.To, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s over %s: %w", bind.From, bind.To, err)
		}
	}
	for _, folder := range config.Tmpfs {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=755"); err != nil {
			return fmt.Errorf("mount tmpfs on %s: %w", folder, err)
		}
		if err := syscall.Mount("", folder, "", syscall.MS_SHARED, ""); err != nil {
			return fmt.Errorf("share %s: %w", folder, err)
		}
	}
	return os.MkdirAll(filepath.Join("/run", "lock"), 0o755)
}
