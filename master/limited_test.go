package master

import (
	"bytes"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/logfmt"
)

// TestLimitedLog_caller: a line names the place that wrote it, not the helper, and belongs to the part of that place.
func TestLimitedLog_caller(t *testing.T) {
	var b bytes.Buffer
	log, sink, err := logfmt.New(logfmt.Config{Console: &b, ConsoleFormat: "%(filename)s %(message)s"})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	newLimitedLog(log).Error("bad")
	if got := b.String(); !strings.HasPrefix(got, "limited_test.go bad") {
		t.Errorf("got %q", got)
	}
}
