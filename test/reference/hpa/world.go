package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	v1core "k8s.io/client-go/kubernetes/typed/core/v1"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	metricsclient "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

const (
	namespace = "default"
	name      = "app"
	selector  = "app=app"

	never = 100 * 365 * 24 * time.Hour // the resync: here each tick is asked for

	// kube-controller-manager's defaults.
	downscaleStabilization = 5 * time.Minute
	tolerance              = 0.1
	cpuInitialization      = 5 * time.Minute
	initialReadiness       = 30 * time.Second
)

// world is what the controller sees of a cluster. Each client that it wants is a view of it that
// embeds the client's interface and has the methods that are called; any other call is a panic.
type world struct {
	hpa      *autoscalingv2.HorizontalPodAutoscaler
	replicas int32
	status   int32
	ready    int32
	metrics  map[string]int64
	handler  cache.ResourceEventHandler
	syncs    int // how often /scale was read, which each sync begins with
}

func pod(ready v1.ConditionStatus) *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Labels: map[string]string{"app": "app"}},
		Status: v1.PodStatus{
			Phase:      v1.PodRunning,
			Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: ready}},
		},
	}
}

var readyPod, otherPod = pod(v1.ConditionTrue), pod(v1.ConditionFalse)

type pods struct {
	corelisters.PodLister
	corelisters.PodNamespaceLister
	*world
}

func (p pods) Pods(string) corelisters.PodNamespaceLister { return p }

// List has the ready pods, and one in place of all that are not: how many those are is nothing to
// an external metric.
func (p pods) List(labels.Selector) ([]*v1.Pod, error) {
	found := make([]*v1.Pod, 0, p.ready+1)
	for range p.ready {
		found = append(found, readyPod)
	}
	if p.ready < p.replicas {
		found = append(found, otherPod)
	}
	return found, nil
}

type podInformer struct{ *world }

func (i podInformer) Informer() cache.SharedIndexInformer { return informer{world: i.world} }
func (i podInformer) Lister() corelisters.PodLister       { return pods{world: i.world} }

type hpas struct {
	autoscalinglisters.HorizontalPodAutoscalerNamespaceLister
	*world
}

func (h hpas) HorizontalPodAutoscalers(string) autoscalinglisters.HorizontalPodAutoscalerNamespaceLister {
	return h
}

func (h hpas) Get(string) (*autoscalingv2.HorizontalPodAutoscaler, error) { return h.hpa, nil }

type hpaInformer struct{ *world }

func (i hpaInformer) Informer() cache.SharedIndexInformer { return informer{world: i.world} }

func (i hpaInformer) Lister() autoscalinglisters.HorizontalPodAutoscalerLister {
	return hpas{world: i.world}
}

type informer struct {
	cache.SharedIndexInformer
	*world
}

func (informer) HasSynced() bool { return true }

func (i informer) AddEventHandlerWithResyncPeriod(
	handler cache.ResourceEventHandler, _ time.Duration,
) (cache.ResourceEventHandlerRegistration, error) {
	i.handler = handler
	return nil, nil
}

type hpaClient struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	*world
}

func (c hpaClient) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return c
}

func (c hpaClient) UpdateStatus(
	_ context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler, _ metav1.UpdateOptions,
) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	stored := c.hpa.DeepCopy()
	hpa.Status.DeepCopyInto(&stored.Status)
	c.hpa = stored
	return stored, nil
}

type scales struct {
	scaleclient.ScaleInterface
	*world
}

func (s scales) Scales(string) scaleclient.ScaleInterface { return s }

func (s scales) Get(
	context.Context, schema.GroupResource, string, metav1.GetOptions,
) (*autoscalingv1.Scale, error) {
	s.syncs++
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       autoscalingv1.ScaleSpec{Replicas: s.replicas},
		Status:     autoscalingv1.ScaleStatus{Replicas: s.status, Selector: selector},
	}, nil
}

func (s scales) Update(
	_ context.Context, _ schema.GroupResource, scale *autoscalingv1.Scale, _ metav1.UpdateOptions,
) (*autoscalingv1.Scale, error) {
	s.replicas = scale.Spec.Replicas
	return scale, nil
}

type metrics struct {
	metricsclient.MetricsClient
	*world
}

func (m metrics) GetExternalMetric(
	metric, _ string, _ labels.Selector,
) ([]int64, time.Time, error) {
	value, found := m.metrics[metric]
	if !found {
		return nil, time.Time{}, errors.New("no metrics returned from external metrics API")
	}
	return []int64{value}, time.Now(), nil
}

// events takes them and keeps none.
type events struct{ v1core.EventInterface }

func (e events) Events(string) v1core.EventInterface { return e }

func (events) CreateWithEventNamespace(event *v1.Event) (*v1.Event, error) { return event, nil }

func (events) PatchWithEventNamespace(event *v1.Event, _ []byte) (*v1.Event, error) {
	return event, nil
}

type mapper struct{ apimeta.RESTMapper }

func (mapper) RESTMappings(schema.GroupKind, ...string) ([]*apimeta.RESTMapping, error) {
	deployments := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	return []*apimeta.RESTMapping{{Resource: deployments}}, nil
}

// see is what the cluster is like at a tick.
func (w *world) see(t tick) {
	if t.replicas != nil {
		w.replicas = *t.replicas
	}
	w.ready, w.status, w.metrics = w.replicas, w.replicas, t.metrics
	if t.ready != nil {
		w.ready = *t.ready
	}
	if t.status != nil {
		w.status = *t.status
	}
}

// run gives the count after each tick.
func run(t *testing.T, of subject, ticks []tick) (counts []int32, err error) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{hpa: of.hpa, replicas: of.replicas}
		controller := podautoscaler.NewHorizontalController(
			t.Context(), events{}, scales{world: w}, hpaClient{world: w}, mapper{}, metrics{world: w},
			hpaInformer{w}, podInformer{w}, never, downscaleStabilization, tolerance,
			cpuInitialization, initialReadiness)
		go controller.Run(t.Context(), 1)
		begin := time.Now()
		for i, one := range ticks {
			time.Sleep(time.Until(begin.Add(time.Duration(one.ms-ticks[0].ms) * time.Millisecond)))
			w.see(one)
			w.handler.OnAdd(w.hpa, false) // which is what makes a sync come at once
			synctest.Wait()
			if w.syncs != i+1 {
				err = fmt.Errorf("%d syncs after %d ticks", w.syncs, i+1)
				return
			}
			counts = append(counts, w.replicas)
		}
	})
	return counts, err
}
