// Command probe is the smallest image the devcluster needs: it is the pause
// process of every pod sandbox, and the program inside the pods of our tests.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

var commands = map[string]func([]string) error{
	"crash": crash,
	"dial":  dial,
	"pause": pause,
	"serve": serve,
	"size":  size,
	"write": write,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: probe {pause | serve ADDRESS | dial ADDRESS | write FILE MIB | size FILE | crash}")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pause reaps orphans and waits to be told to end.
func pause([]string) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return nil
		}
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
		}
	}
	return nil
}

// serve answers every HTTP request with the host name, on each address.
func serve(addresses []string) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	answer := http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(response, name) // the client may be gone
	})
	failed := make(chan error)
	for _, address := range addresses {
		server := &http.Server{Addr: address, Handler: answer, ReadHeaderTimeout: 5 * time.Second}
		go func() { failed <- server.ListenAndServe() }()
	}
	return <-failed
}

// dial asks an HTTP server once, over a connection of its own, within two
// seconds, and prints the answer.
func dial(arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("usage: probe dial HOST:PORT")
	}
	client := http.Client{
		Timeout: 2 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		},
	}
	response, err := client.Get("http://" + arguments[0] + "/")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

// write fills a file with zeros, in MiB, and syncs it to the disk.
func write(arguments []string) error {
	if len(arguments) != 2 {
		return fmt.Errorf("usage: probe write FILE MIB")
	}
	count, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	file, err := os.Create(arguments[0])
	if err != nil {
		return err
	}
	defer file.Close()
	block := make([]byte, 1<<20)
	for range count {
		if _, err := file.Write(block); err != nil {
			return err
		}
	}
	return file.Sync()
}

// size prints the length of a file in bytes.
func size(arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("usage: probe size FILE")
	}
	info, err := os.Stat(arguments[0])
	if err == nil {
		fmt.Println(info.Size())
	}
	return err
}

// crash ends with a failure at once.
func crash([]string) error {
	return fmt.Errorf("asked to crash at %s", time.Now().UTC().Format(time.RFC3339Nano))
}
