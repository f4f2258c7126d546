package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/saltern-io/saltern/internal/client"
	"github.com/saltern-io/saltern/internal/target"
	"github.com/saltern-io/saltern/internal/wire"
)

// resolve matches the target against the accepted keys on this host, as --preview-target and
// --batch-safe-limit need it.
func (r *saltRun) resolve() ([]string, error) {
	m, err := target.Parse(r.call.tgtType, r.call.tgt, r.opts.delimiter)
	if err != nil {
		return nil, &saltSaid{fmt.Sprintf("The target cannot be resolved on this side: %v", err)}
	}
	entries, err := os.ReadDir(filepath.Join(r.cfg.PKIDir, "minions"))
	if err != nil {
		return nil, &saltSaid{fmt.Sprintf("Accepted keys cannot be listed: %v", err)}
	}
	var ids []string
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			ids = append(ids, e.Name())
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	minions, _, err := m.MatchErr(ids)
	if err != nil {
		return nil, &saltSaid{err.Error()}
	}
	return minions, nil
}

func (r *saltRun) preview() error {
	ids, err := r.resolve()
	if err != nil {
		return err
	}
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	return r.print.show(list, "", showGood)
}

// safeLimit turns a run on too many minions into a batch.
func (r *saltRun) safeLimit() error {
	if r.opts.batchSafeLimit <= 0 || r.opts.batch != "" || r.opts.async {
		return nil
	}
	ids, err := r.resolve()
	if err != nil || len(ids) < r.opts.batchSafeLimit {
		return err
	}
	fmt.Fprint(r.stdout, "\nNOTICE: Too many minions targeted, switching to batch execution.\n")
	r.opts.batch = r.opts.batchSafeSize
	if r.opts.batch == "" {
		r.opts.batch = "8" // stock's default
	}
	return nil
}

// runSubset asks the target which functions it has and runs the call on random minions that have it.
func (r *saltRun) runSubset(ctx context.Context) error {
	kwargs := wire.NewMap()
	r.call.addAuth(kwargs)
	if kwargs.Len() == 0 {
		kwargs = nil
	}
	job, err := r.client.Start(ctx, r.call.publish("sys.list_functions", nil, "", kwargs, r.cfg), client.JobOptions{})
	if err != nil {
		return err
	}
	var able []any
	for res, err := range job.Results(ctx) {
		if err != nil {
			job.Close()
			return err
		}
		if functions, ok := res.Return.([]any); ok && slices.Contains(functions, r.call.fun) {
			able = append(able, res.ID)
		}
	}
	job.Close()
	rand.Shuffle(len(able), func(i, j int) { able[i], able[j] = able[j], able[i] })
	r.call.tgt, r.call.tgtType = append([]any{}, able[:min(r.opts.subset, len(able))]...), "list"
	return r.runPlain(ctx)
}
