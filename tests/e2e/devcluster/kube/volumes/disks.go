package volumes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	suffix       = ".img"
	mountOptions = "loop,noatime"
)

// Disks are the node's volumes on the machine: a file and a mount point each.
type Disks struct {
	Files  string
	Mounts string
}

// Path is where the volume is mounted. The path does not exist while it is
// not, so that nothing writes below a mount point by mistake.
func (d Disks) Path(name string) string { return filepath.Join(d.Mounts, name) }

func (d Disks) file(name string) string { return filepath.Join(d.Files, name+suffix) }

// MountAll mounts every volume whose file is there, as at boot.
func (d Disks) MountAll() error {
	found, err := filepath.Glob(filepath.Join(d.Files, "*"+suffix))
	if err != nil {
		return err
	}
	for _, file := range found {
		if err := d.mount(strings.TrimSuffix(filepath.Base(file), suffix)); err != nil {
			return err
		}
	}
	return nil
}

// Create makes the volume of that many bytes and mounts it, unless it is there.
func (d Disks) Create(name string, bytes int64) error {
	if _, err := os.Stat(d.file(name)); err == nil {
		return d.mount(name)
	}
	// A file system half made never carries the final name. The flag allows
	// volumes below 300 MB, which tests of full disks want.
	partial := d.file(name) + ".partial"
	if err := truncate(partial, bytes); err != nil {
		return err
	}
	if err := run("mkfs.xfs", "-q", "-f", "-K", "--unsupported", partial); err != nil {
		return err
	}
	if err := os.Rename(partial, d.file(name)); err != nil {
		return err
	}
	return d.mount(name)
}

// Grow gives the mounted volume that many bytes, while it is in use.
func (d Disks) Grow(name string, bytes int64) error {
	if err := truncate(d.file(name), bytes); err != nil {
		return err
	}
	device, err := d.device(name)
	if err != nil {
		return err
	}
	if err := run("losetup", "--set-capacity", device); err != nil {
		return err
	}
	return run("xfs_growfs", "-d", d.Path(name))
}

// Remove unmounts the volume and deletes its file; what is gone is no error.
func (d Disks) Remove(name string) error {
	if _, err := os.Stat(d.Path(name)); err == nil {
		if err := syscall.Unmount(d.Path(name), 0); err != nil && !errors.Is(err, syscall.EINVAL) {
			return fmt.Errorf("unmount %s: %w", d.Path(name), err)
		}
		if err := os.Remove(d.Path(name)); err != nil {
			return err
		}
	}
	if err := os.Remove(d.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d Disks) mount(name string) error {
	if device, err := d.device(name); err == nil && device != "" {
		return nil
	}
	if err := os.MkdirAll(d.Path(name), 0o755); err != nil {
		return err
	}
	if err := run("mount", "-t", "xfs", "-o", mountOptions, d.file(name), d.Path(name)); err != nil {
		return errors.Join(err, os.Remove(d.Path(name)))
	}
	return nil
}

// device is the loop device behind the volume; an error if it is not mounted.
func (d Disks) device(name string) (string, error) {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(string(table), "\n") {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[1] == d.Path(name) {
			return fields[0], nil
		}
	}
	return "", fmt.Errorf("%s is not mounted", d.Path(name))
}

// truncate makes the file at least that long; a volume never shrinks.
func truncate(path string, bytes int64) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() >= bytes {
		return err
	}
	return file.Truncate(bytes)
}

func run(name string, arguments ...string) error {
	output, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(output)))
	}
	return nil
}
