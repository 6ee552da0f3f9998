package node

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Service is one long-running process of the node.
type Service struct {
	Name string   `json:"name"`
	Argv []string `json:"argv"`
	Env  []string `json:"env"`
	Log  string   `json:"log"`
	// WaitSocket is a Unix socket that must accept before the service starts.
	WaitSocket string `json:"wait_socket"`
	// WaitFile is a file that must exist before the service starts.
	WaitFile string `json:"wait_file"`
}

// supervise starts the services, starts those that end again, and reaps every
// orphan of the node, which is PID 1's duty: the shims of containerd detach
// themselves and are inherited here.
func supervise(services []Service, stop <-chan os.Signal) {
	due := make(chan Service, len(services))
	for _, service := range services {
		go announce(service, 0, due)
	}
	ended := make(chan int, 64)
	go reap(ended)
	running := map[int]Service{}
	for {
		select {
		case <-stop:
			terminate(running, ended)
			return
		case service := <-due:
			// Started in the goroutine that reads "ended": a process that ends
			// at once is in the map before its end is looked at.
			pid, err := spawn(service)
			if err != nil {
				fmt.Fprintf(os.Stderr, "node: start %s: %v\n", service.Name, err)
				go announce(service, restartDelay, due)
				continue
			}
			running[pid] = service
		case pid := <-ended:
			service, ours := running[pid]
			if !ours {
				continue
			}
			delete(running, pid)
			fmt.Fprintf(os.Stderr, "node: %s ended, starting it again\n", service.Name)
			go announce(service, restartDelay, due)
		}
	}
}

// announce says that the service may start: after the delay, and once what it
// waits for is there.
func announce(service Service, delay time.Duration, due chan<- Service) {
	time.Sleep(delay)
	for !ready(service) {
		time.Sleep(20 * time.Millisecond)
	}
	due <- service
}

func ready(service Service) bool {
	if service.WaitFile != "" {
		if _, err := os.Stat(service.WaitFile); err != nil {
			return false
		}
	}
	if service.WaitSocket == "" {
		return true
	}
	connection, err := net.DialTimeout("unix", service.WaitSocket, time.Second)
	if err != nil {
		return false
	}
	return connection.Close() == nil
}

// spawn starts the process without os/exec, whose own wait would race with
// reap for the exit status.
func spawn(service Service) (int, error) {
	if err := os.MkdirAll(filepath.Dir(service.Log), 0o755); err != nil {
		return 0, err
	}
	log, err := os.OpenFile(service.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	return syscall.ForkExec(service.Argv[0], service.Argv, &syscall.ProcAttr{
		Env:   append(os.Environ(), service.Env...),
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

// reap reports every child that ended, for ever.
func reap(ended chan<- int) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.ECHILD {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if pid > 0 {
			ended <- pid
		}
	}
}

// terminate ends the services in good order; what is left dies with PID 1.
func terminate(running map[int]Service, ended <-chan int) {
	for pid := range running {
		_ = syscall.Kill(pid, syscall.SIGTERM) // it may have ended by now
	}
	deadline := time.After(5 * time.Second)
	for len(running) > 0 {
		select {
		case pid := <-ended:
			delete(running, pid)
		case <-deadline:
			return
		}
	}
}
