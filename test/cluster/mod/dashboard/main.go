// Holds a dashboard against Grafana's own model: reads one from standard input, and prints what of
// it the model does not know or allow, one complaint a line. Exit 1 when there is any.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// The model returns an error also when there is nothing to say: one without a text.
func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func complaints(raw []byte) string {
	var whole dashboard.Dashboard
	if text := said(whole.UnmarshalJSONStrict(raw)); text != "" {
		return text
	}
	return said(whole.Validate())
}

func main() {
	plugins.RegisterDefaultPlugins()
	raw, err := io.ReadAll(os.Stdin)
	text := said(err)
	if err == nil {
		text = complaints(raw)
	}
	if text != "" {
		fmt.Println(text)
		os.Exit(1)
	}
}
