// Reads exposition bodies with Prometheus' own parser and prints what a scrape would keep of them.
//
// Input: for each body a line "text LENGTH" or "openmetrics LENGTH", then so many bytes. Output: for
// each body a line a sample, "s VALUE-BITS TIME NAME LABEL=VALUE...", strings in hexadecimal, no
// time as "-"; then "ok", or "error MESSAGE" alone. What scrape.go checks beside the parser is
// checked here too; names are escaped by the scheme "underscores".
package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

func escapeLabel(name string) string {
	return strings.ReplaceAll(model.EscapeName(name, model.UnderscoreEscaping), ":", "_")
}

func checkLabels(all labels.Labels) error {
	if all.Get(model.MetricNameLabel) == "" {
		return errors.New("missing metric name")
	}
	if !all.IsValid(model.UTF8Validation) {
		return fmt.Errorf("invalid metric name or label names: %s", all)
	}
	if name, repeated := all.HasDuplicateLabelNames(); repeated {
		return fmt.Errorf("label name %q is not unique", name)
	}
	return nil
}

func sample(parser textparse.Parser) (string, error) {
	var all labels.Labels
	_, timestamp, value := parser.Series()
	parser.Labels(&all)
	if err := checkLabels(all); err != nil {
		return "", err
	}
	time := "-"
	if timestamp != nil {
		time = fmt.Sprint(*timestamp)
	}
	name := model.EscapeName(all.Get(model.MetricNameLabel), model.UnderscoreEscaping)
	line := fmt.Sprintf("s %016x %s %x", math.Float64bits(value), time, name)
	all.Range(func(label labels.Label) {
		if label.Name != model.MetricNameLabel {
			line += fmt.Sprintf(" %x=%x", escapeLabel(label.Name), label.Value)
		}
	})
	return line + "\n", nil
}

func read(parser textparse.Parser) (lines string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return "", err
		}
		if entry == textparse.EntrySeries {
			line, err := sample(parser)
			if err != nil {
				return "", err
			}
			lines += line
		}
	}
}

func parserOf(format string, body []byte) textparse.Parser {
	symbols := labels.NewSymbolTable()
	if format == "openmetrics" {
		return textparse.NewOpenMetricsParser(body, symbols)
	}
	return textparse.NewPromParser(body, symbols, false)
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		var format string
		var length int
		if _, err := fmt.Fscanf(in, "%s %d\n", &format, &length); err != nil {
			return
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(in, body); err != nil {
			panic(err)
		}
		lines, err := read(parserOf(format, body))
		if err != nil {
			fmt.Fprintf(out, "error %s\n", hex.EncodeToString([]byte(err.Error())))
			continue
		}
		fmt.Fprintf(out, "%sok\n", lines)
	}
}
