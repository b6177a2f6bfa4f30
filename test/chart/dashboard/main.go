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

func check(raw []byte) error {
	var whole dashboard.Dashboard
	if err := whole.UnmarshalJSONStrict(raw); err != nil {
		return err
	}
	return whole.Validate()
}

func main() {
	plugins.RegisterDefaultPlugins()
	raw, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = check(raw)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
