// Runs traces of readings through the HorizontalPodAutoscaler controller of Kubernetes itself and
// prints the replica count of each tick.
//
//	{ jq -c . deployment.json; cat trace.jsonl; } | hpa [--no-step-limit]
//
// Input: a line with a Deployment in JSON, whose scale.amp annotations are taken for the spec of a
// HorizontalPodAutoscaler with external metrics; then the lines that `kubectl ampscale simulate`
// reads, a tick each; then the next Deployment, and so on. Output: for each tick a line
// {"t":…,"replicas":…}, what spec.replicas is after it.
//
// The controller is k8s.io/kubernetes' package as it is, the version in go.mod: with its queue, its
// worker, its defaulting and validation of the HPA. Around it: one HPA, one Deployment's /scale, pods
// and metrics from the trace, and time, which is testing/synctest's and moves from tick to tick.
//
// status.replicas is spec.replicas, unless a tick says "status": n; simulate does not know that one.
// A reading that is no number is a metric that cannot be fetched.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	_ "unsafe" // go:linkname

	"github.com/go-logr/logr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
)

const maxLineBytes = 1 << 20

// Without a behavior a step up ends at the larger of factor × count and minimum.
//
//go:linkname scaleUpLimitMinimum k8s.io/kubernetes/pkg/controller/podautoscaler.scaleUpLimitMinimum
var scaleUpLimitMinimum float64

// lines is the input, with one line of look-ahead.
type lines struct {
	scanner *bufio.Scanner
	number  int
	current []byte // nil at the end
}

func newLines(from io.Reader) *lines {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, maxLineBytes)
	l := &lines{scanner: scanner}
	l.next()
	return l
}

// next goes on to the next line that is not empty.
func (l *lines) next() {
	for l.scanner.Scan() {
		l.number++
		if line := bytes.TrimSpace(l.scanner.Bytes()); len(line) > 0 {
			l.current = bytes.Clone(line)
			return
		}
	}
	l.current = nil
}

// play runs the trace that begins at the present line.
func play(t *testing.T, in *lines, out *bufio.Writer) error {
	subject, err := readDeployment(in.current)
	if err != nil {
		return fmt.Errorf("line %d: %w", in.number, err)
	}
	var ticks []tick
	for in.next(); in.current != nil && !isDeployment(in.current); in.next() {
		one, err := readTick(in.current, subject)
		if err == nil && len(ticks) > 0 && one.ms < ticks[len(ticks)-1].ms {
			err = errors.New("t is before that of the line above")
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", in.number, err)
		}
		ticks = append(ticks, one)
	}
	counts, err := run(t, subject, ticks)
	if err != nil {
		return fmt.Errorf("the trace above line %d: %w", in.number, err)
	}
	for i, count := range counts {
		fmt.Fprintf(out, "{\"t\":%d,\"replicas\":%d}\n", ticks[i].ms, count)
	}
	return nil
}

func playAll(t *testing.T, out *bufio.Writer) {
	in := newLines(os.Stdin)
	for in.current != nil {
		if err := play(t, in, out); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(in.scanner.Err(), out.Flush()); err != nil {
		t.Fatal(err)
	}
}

func main() {
	testing.Init()
	unlimited := flag.Bool("no-step-limit", false, "lift the limit of 2 × the count, or 4, to a step up")
	flag.Parse()
	if *unlimited {
		scaleUpLimitMinimum = 1<<31 - 1
	}
	// The controller's memory of its own writes looks at resource versions, which this world has not.
	if err := utilfeature.DefaultMutableFeatureGate.Set("StaleControllerConsistencyHPA=false"); err != nil {
		panic(err)
	}
	utilruntime.ErrorHandlers = nil // a failed metric is no news here, and they sleep
	klog.SetLogger(logr.Discard())
	// testing/synctest wants a test around it, and that says PASS on standard output.
	out := bufio.NewWriter(os.Stdout)
	os.Stdout = os.Stderr
	all := func(string, string) (bool, error) { return true, nil }
	traces := testing.InternalTest{Name: "hpa", F: func(t *testing.T) { playAll(t, out) }}
	testing.Main(all, []testing.InternalTest{traces}, nil, nil)
}
