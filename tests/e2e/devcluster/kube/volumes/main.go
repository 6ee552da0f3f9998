// Package volumes gives out the node's disk: a small provisioner, resizer and
// reclaimer for the storage class of the devcluster.
//
// Each volume is a file with a file system of the size that was asked for,
// mounted from a loop device: it can fill up, it grows only when the claim
// asks, and it honours fsGroup, because to Kubernetes it is a "local" volume.
// The file system is XFS: ext4 grows under a running pod only for a process
// with CAP_SYS_RESOURCE, which root of a container or of a small VM may lack.
// One such process runs on every node and sees to that node alone.
package volumes

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// retryDelay is the pause before a round that failed in part is repeated.
const retryDelay = 2 * time.Second

// Main mounts the volumes the node already has, says so with the ready file,
// and then follows the API server until it is told to stop.
func Main() int {
	kubeconfig := flag.String("kubeconfig", "", "credentials for the API server")
	node := flag.String("node", "", "name of this node")
	files := flag.String("files", "", "folder of the disks, one file per volume")
	mounts := flag.String("mounts", "", "folder of the mount points")
	readyFile := flag.String("ready-file", "", "written once all existing volumes are mounted")
	flag.Parse()
	disks := Disks{Files: *files, Mounts: *mounts}
	if err := disks.MountAll(); err != nil {
		fmt.Fprintf(os.Stderr, "volumes: %v\n", err)
		return 1
	}
	if err := os.WriteFile(*readyFile, nil, 0o644); err != nil {
		fmt.Fprintf(os.Stderr, "volumes: %v\n", err)
		return 1
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if err := follow(ctx, *kubeconfig, *node, disks); err != nil {
		fmt.Fprintf(os.Stderr, "volumes: %v\n", err)
		return 1
	}
	return 0
}

// follow runs a round whenever a claim or a volume changed, and again after a
// round that failed. Events only ring the bell: a round looks at everything.
func follow(ctx context.Context, kubeconfig, node string, disks Disks) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 10*time.Minute)
	claims, volumes := factory.Core().V1().PersistentVolumeClaims(), factory.Core().V1().PersistentVolumes()
	classes := factory.Storage().V1().StorageClasses()
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
	for _, informer := range []cache.SharedIndexInformer{claims.Informer(), volumes.Informer(), classes.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	keeper := &keeper{
		client: client, node: node, disks: disks,
		claims: claims.Lister(), volumes: volumes.Lister(), classes: classes.Lister(),
		events: newRecorder(client, node),
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-bell:
		}
		if !keeper.round(ctx) {
			time.AfterFunc(retryDelay, ring)
		}
	}
}
