package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	defaults "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/apis/autoscaling/validation"
	"sigs.k8s.io/yaml"
)

const prefix = "scale.amp/"

// deployment is what begins a trace.
type deployment struct {
	Kind     string
	Metadata struct {
		Name        string
		Annotations map[string]string
	}
	Spec struct {
		Replicas *int32
	}
}

type trigger struct {
	Name                string
	Query               string
	Threshold           resource.Quantity
	ActivationThreshold resource.Quantity
	MetricType          autoscalingv2.MetricTargetType
}

// subject is the HPA and the count it begins with.
type subject struct {
	hpa      *autoscalingv2.HorizontalPodAutoscaler
	replicas int32
}

// tick is a line of a trace. metrics are thousandths by name; one that is missing failed.
type tick struct {
	ms                      int64
	ready, status, replicas *int32
	metrics                 map[string]int64
}

func isDeployment(line []byte) bool {
	var d deployment
	return json.Unmarshal(line, &d) == nil && d.Kind == "Deployment"
}

func readTriggers(annotations map[string]string) ([]trigger, error) {
	if text, found := annotations[prefix+"triggers"]; found {
		var triggers []trigger
		return triggers, yaml.UnmarshalStrict([]byte(text), &triggers)
	}
	threshold, err := resource.ParseQuantity(annotations[prefix+"threshold"])
	if err != nil {
		return nil, fmt.Errorf("%sthreshold: %w", prefix, err)
	}
	kind := autoscalingv2.MetricTargetType(annotations[prefix+"metric-type"])
	return []trigger{{Name: "default", Threshold: threshold, MetricType: kind}}, nil
}

func (t trigger) spec() autoscalingv2.MetricSpec {
	target := autoscalingv2.MetricTarget{Type: t.MetricType}
	if t.MetricType == autoscalingv2.ValueMetricType {
		target.Value = &t.Threshold
	} else {
		target.Type = autoscalingv2.AverageValueMetricType
		target.AverageValue = &t.Threshold
	}
	return autoscalingv2.MetricSpec{
		Type: autoscalingv2.ExternalMetricSourceType,
		External: &autoscalingv2.ExternalMetricSource{
			Metric: autoscalingv2.MetricIdentifier{Name: t.Name},
			Target: target,
		},
	}
}

func readCount(annotations map[string]string, key string, unset int32) (int32, error) {
	text, found := annotations[prefix+key]
	if !found {
		return unset, nil
	}
	count, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s%s: %w", prefix, key, err)
	}
	return int32(count), nil
}

// The annotations that have a counterpart in the HPA; what else there is has none.
var understood = []string{
	"query", "threshold", "metric-type", "triggers", "min-replicas", "max-replicas", "behavior",
}

func checkUnderstood(annotations map[string]string) error {
	known := map[string]bool{}
	for _, key := range understood {
		known[prefix+key] = true
	}
	for key := range annotations {
		if !known[key] {
			return fmt.Errorf("%s: the HPA has no such thing", key)
		}
	}
	return nil
}

// readDeployment makes the HPA of a Deployment, defaulted and found valid as the API server does.
func readDeployment(line []byte) (subject, error) {
	var d deployment
	if err := json.Unmarshal(line, &d); err != nil {
		return subject{}, err
	}
	if d.Kind != "Deployment" {
		return subject{}, errors.New("expected a Deployment")
	}
	annotations := d.Metadata.Annotations
	triggers, err := readTriggers(annotations)
	minimum, minErr := readCount(annotations, "min-replicas", 1)
	maximum, maxErr := readCount(annotations, "max-replicas", 100)
	if err := errors.Join(err, minErr, maxErr, checkUnderstood(annotations)); err != nil {
		return subject{}, err
	}
	hpa := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: "1", ResourceVersion: "1"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
				APIVersion: "apps/v1", Kind: "Deployment", Name: name,
			},
			MinReplicas: &minimum,
			MaxReplicas: maximum,
		},
	}
	for _, t := range triggers {
		hpa.Spec.Metrics = append(hpa.Spec.Metrics, t.spec())
	}
	if text, found := annotations[prefix+"behavior"]; found {
		hpa.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{}
		if err := yaml.UnmarshalStrict([]byte(text), hpa.Spec.Behavior); err != nil {
			return subject{}, fmt.Errorf("%sbehavior: %w", prefix, err)
		}
	}
	replicas := int32(1)
	if d.Spec.Replicas != nil {
		replicas = *d.Spec.Replicas
	}
	return subject{hpa, replicas}, admit(hpa)
}

// admit makes it what the controller reads from the API: quantities in their one form, defaulted,
// valid.
func admit(hpa *autoscalingv2.HorizontalPodAutoscaler) error {
	written, err := json.Marshal(hpa)
	if err != nil {
		return err
	}
	*hpa = autoscalingv2.HorizontalPodAutoscaler{}
	if err := json.Unmarshal(written, hpa); err != nil {
		return err
	}
	defaults.SetDefaults_HorizontalPodAutoscaler(hpa)
	var internal autoscaling.HorizontalPodAutoscaler
	err = defaults.Convert_v2_HorizontalPodAutoscaler_To_autoscaling_HorizontalPodAutoscaler(
		hpa.DeepCopy(), &internal, nil)
	if err != nil {
		return err
	}
	options := validation.HorizontalPodAutoscalerSpecValidationOptions{MinReplicasLowerBound: 1}
	return validation.ValidateHorizontalPodAutoscaler(&internal, options).ToAggregate()
}

// milli is a JSON number in thousandths, as the metrics API hands it out; false for anything else.
func milli(value json.RawMessage) (int64, bool, error) {
	if len(value) == 0 || (value[0] != '-' && (value[0] < '0' || value[0] > '9')) {
		return 0, false, nil
	}
	quantity, err := resource.ParseQuantity(string(value))
	if err != nil {
		return 0, false, fmt.Errorf("%s: %w", value, err)
	}
	return quantity.MilliValue(), true, nil
}

func readTick(line []byte, of subject) (tick, error) {
	var seen struct {
		T                       *int64
		Ready, Status, Replicas *int32
		Readings                map[string]json.RawMessage
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&seen); err != nil {
		return tick{}, err
	}
	if seen.T == nil {
		return tick{}, errors.New("t is missing")
	}
	found := tick{*seen.T, seen.Ready, seen.Status, seen.Replicas, map[string]int64{}}
	for _, metric := range of.hpa.Spec.Metrics {
		name := metric.External.Metric.Name
		value, isNumber, err := milli(seen.Readings[name])
		if err != nil {
			return tick{}, err
		}
		if isNumber {
			found.metrics[name] = value
		}
	}
	if len(seen.Readings) != len(of.hpa.Spec.Metrics) {
		return tick{}, fmt.Errorf("%d readings for %d triggers", len(seen.Readings), len(of.hpa.Spec.Metrics))
	}
	return found, nil
}
