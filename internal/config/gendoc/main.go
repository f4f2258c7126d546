// Command gendoc prints the reference page of every option.
package main

import (
	"fmt"
	"os"

	"github.com/saltern-io/saltern/internal/config"
)

func main() {
	if err := config.WriteReference(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gendoc:", err)
		os.Exit(1)
	}
}
