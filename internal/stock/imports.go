package stock

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// CanImport tells whether the Python that runs the release's scripts finds all the modules.
func (s *Salt) CanImport(ctx context.Context, modules ...string) bool {
	python := []string{s.python}
	if s.python == "" {
		text, err := os.ReadFile(filepath.Join(s.scripts, string(Runner)))
		line, _, _ := strings.Cut(string(text), "\n")
		first, ok := strings.CutPrefix(line, "#!")
		if python = strings.Fields(first); err != nil || !ok || len(python) == 0 {
			return false
		}
	}
	result, err := Run(ctx, append(python, "-c", "import "+strings.Join(modules, ", ")), s.Environ(), askTimeout)
	return err == nil && result.Code == 0
}
