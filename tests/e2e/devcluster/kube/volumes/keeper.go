package volumes

import (
	"context"
	"errors"
	"fmt"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	listers "k8s.io/client-go/listers/core/v1"
	storage "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/record"
)

const (
	// Provisioner is the name the storage class refers to.
	Provisioner = "devcluster.covet.dev/volumes"

	selectedNode  = "volume.kubernetes.io/selected-node"
	provisionedBy = "pv.kubernetes.io/provisioned-by"
	nodeLabel     = "devcluster.covet.dev/node"
	// smallest is what the file system with its journal needs to be of use.
	smallest = 16 << 20
)

// keeper makes what the API server says true on this node's disk.
type keeper struct {
	client  kubernetes.Interface
	node    string
	disks   Disks
	claims  listers.PersistentVolumeClaimLister
	volumes listers.PersistentVolumeLister
	classes storage.StorageClassLister
	events  record.EventRecorder
}

func newRecorder(client kubernetes.Interface, node string) record.EventRecorder {
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	return broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: "devcluster-volumes", Host: node})
}

// round looks at every claim and volume once; false if something failed and
// is worth another try soon.
func (k *keeper) round(ctx context.Context) bool {
	claims, err := k.claims.List(labels.Everything())
	if err != nil {
		return false
	}
	volumes, err := k.volumes.List(labels.SelectorFromSet(labels.Set{nodeLabel: k.node}))
	if err != nil {
		return false
	}
	mine := map[string]*v1.PersistentVolume{}
	for _, volume := range volumes {
		mine[volume.Name] = volume
	}
	well := true
	for _, claim := range claims {
		if err := k.serve(ctx, claim, mine[claim.Spec.VolumeName]); err != nil {
			k.events.Event(claim, v1.EventTypeWarning, "VolumeFailed", err.Error())
			well = false
		}
	}
	for _, volume := range volumes {
		if err := k.reclaim(ctx, volume); err != nil {
			k.events.Event(volume, v1.EventTypeWarning, "VolumeFailedDelete", err.Error())
			well = false
		}
	}
	return well
}

// serve provisions the claim, or grows the volume bound to it.
func (k *keeper) serve(ctx context.Context, claim *v1.PersistentVolumeClaim, volume *v1.PersistentVolume) error {
	if claim.DeletionTimestamp != nil {
		return nil
	}
	if claim.Spec.VolumeName == "" {
		if claim.Annotations[selectedNode] != k.node || !k.isOurs(claim) {
			return nil
		}
		return k.provision(ctx, claim)
	}
	if volume == nil || claim.Status.Phase != v1.ClaimBound {
		return nil
	}
	return k.grow(ctx, claim, volume)
}

func (k *keeper) isOurs(claim *v1.PersistentVolumeClaim) bool {
	if claim.Spec.StorageClassName == nil {
		return false
	}
	class, err := k.classes.Get(*claim.Spec.StorageClassName)
	return err == nil && class.Provisioner == Provisioner
}

func (k *keeper) provision(ctx context.Context, claim *v1.PersistentVolumeClaim) error {
	if err := refuse(claim); err != nil {
		return err
	}
	class, err := k.classes.Get(*claim.Spec.StorageClassName)
	if err != nil {
		return err
	}
	size := claim.Spec.Resources.Requests[v1.ResourceStorage]
	if size.Value() < smallest {
		size = *resource.NewQuantity(smallest, resource.BinarySI)
	}
	name := "pvc-" + string(claim.UID)
	if err := k.disks.Create(name, size.Value()); err != nil {
		return err
	}
	volume := k.describe(name, claim, size)
	volume.Spec.StorageClassName = class.Name
	if class.ReclaimPolicy != nil {
		volume.Spec.PersistentVolumeReclaimPolicy = *class.ReclaimPolicy
	}
	_, err = k.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// refuse says what such a volume cannot be.
func refuse(claim *v1.PersistentVolumeClaim) error {
	if mode := claim.Spec.VolumeMode; mode != nil && *mode != v1.PersistentVolumeFilesystem {
		return errors.New("only volumeMode Filesystem is served")
	}
	for _, mode := range claim.Spec.AccessModes {
		if mode != v1.ReadWriteOnce && mode != v1.ReadWriteOncePod {
			return fmt.Errorf("access mode %s is not served: the volume lives on one node", mode)
		}
	}
	return nil
}

func (k *keeper) describe(name string, claim *v1.PersistentVolumeClaim, size resource.Quantity) *v1.PersistentVolume {
	affinity := v1.NodeSelectorRequirement{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{k.node}}
	term := v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{affinity}}
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Labels:      map[string]string{nodeLabel: k.node},
			Annotations: map[string]string{provisionedBy: Provisioner},
		},
		Spec: v1.PersistentVolumeSpec{
			Capacity:    v1.ResourceList{v1.ResourceStorage: size},
			AccessModes: claim.Spec.AccessModes,
			ClaimRef: &v1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: k.disks.Path(name)}},
			NodeAffinity:           &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{term}}},
		},
	}
}

// grow brings disk, volume and claim to the size the claim asks for, in this
// order: each later one is only told what the earlier already is.
func (k *keeper) grow(ctx context.Context, claim *v1.PersistentVolumeClaim, volume *v1.PersistentVolume) error {
	wanted := claim.Spec.Resources.Requests[v1.ResourceStorage]
	capacity := volume.Spec.Capacity[v1.ResourceStorage]
	if wanted.Cmp(capacity) > 0 {
		if err := k.disks.Grow(volume.Name, wanted.Value()); err != nil {
			return err
		}
		larger := volume.DeepCopy()
		larger.Spec.Capacity[v1.ResourceStorage] = wanted
		if _, err := k.client.CoreV1().PersistentVolumes().Update(ctx, larger, metav1.UpdateOptions{}); err != nil {
			return ignoreConflict(err)
		}
		k.events.Eventf(claim, v1.EventTypeNormal, "VolumeResizeSuccessful", "the volume has %s now", wanted.String())
		capacity = wanted
	}
	told := claim.Status.Capacity[v1.ResourceStorage]
	if told.Cmp(capacity) >= 0 {
		return nil
	}
	status := claim.DeepCopy()
	status.Status.Capacity[v1.ResourceStorage] = capacity
	status.Status.Conditions = nil
	_, err := k.client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, status, metav1.UpdateOptions{})
	return ignoreConflict(err)
}

// ignoreConflict drops the error that says our copy was old: the newer one
// rings the bell by itself.
func ignoreConflict(err error) error {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// reclaim deletes the volume whose claim is gone, if its policy says so.
func (k *keeper) reclaim(ctx context.Context, volume *v1.PersistentVolume) error {
	if volume.Status.Phase != v1.VolumeReleased || volume.DeletionTimestamp != nil ||
		volume.Spec.PersistentVolumeReclaimPolicy != v1.PersistentVolumeReclaimDelete {
		return nil
	}
	if err := k.disks.Remove(volume.Name); err != nil {
		return err
	}
	return ignoreConflict(k.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{}))
}
