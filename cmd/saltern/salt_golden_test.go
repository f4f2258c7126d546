package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/client/clienttest"
	"github.com/saltern-io/saltern/internal/wire"
)

// goldenRun is one recorded call of a stock command.
type goldenRun struct {
	Cmd, Minions, Stdout, Stderr string
	RC                           int
}

func loadGolden(t *testing.T, name string) []goldenRun {
	t.Helper()
	raw, err := os.ReadFile("../../testdata/vectors/" + name)
	if err != nil {
		t.Fatalf("vectors are required: %v", err)
	}
	var file struct{ Runs []goldenRun }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Runs) == 0 {
		t.Fatalf("%s holds no runs", name)
	}
	return file.Runs
}

// differs names the recorded runs whose output is not stock's on purpose.
func differs(file string, g goldenRun) string {
	switch {
	case strings.Contains(g.Cmd, "-b abc"):
		return "a bad size stops before anything is published, without a traceback"
	case file == "cli-salt-3008.json" && (strings.Contains(g.Cmd, "--out=quiet") || strings.Contains(g.Cmd, "newline_values_only")):
		return "outputters that 3008 removed are kept"
	}
	return ""
}

var jobID = regexp.MustCompile(`[0-9]{20}`)

func TestSalt_golden(t *testing.T) {
	for _, file := range []string{"cli-salt-3006.10.json", "cli-salt-3008.json"} {
		t.Run(file, func(t *testing.T) {
			var runs []goldenRun
			for _, g := range loadGolden(t, file) {
				if why := differs(file, g); why != "" {
					t.Logf("not replayed: %s (%s): %s", g.Cmd, g.Minions, why)
					continue
				}
				runs = append(runs, g)
			}
			// Side by side, since most of their time is spent waiting for minions that never answer.
			for part := range slices.Chunk(runs, 32) {
				t.Run("part", func(t *testing.T) { replay(t, part) })
			}
		})
	}
}

// replay runs recorded commands, each against a stand-in master whose minions answer as recorded.
func replay(t *testing.T, runs []goldenRun) {
	type outcome struct {
		code           int
		stdout, stderr string
	}
	got := make([]outcome, len(runs))
	var wg sync.WaitGroup
	for i := range runs {
		runs[i] = sameOrder(runs[i])
		m := goldenMaster(t, runs[i])
		args := shellWords(strings.ReplaceAll(strings.TrimPrefix(runs[i].Cmd, "salt"), "-t 2", "-t 1"))
		wg.Go(func() {
			o := &got[i]
			o.code, o.stdout, o.stderr = runSaltCommand(m, args)
			o.stdout = strings.ReplaceAll(o.stdout, m.ConfigDir, "/etc/salt")
		})
	}
	wg.Wait()
	for i, g := range runs {
		t.Run(g.Minions+" "+g.Cmd, func(t *testing.T) {
			if got[i].code != g.RC {
				t.Errorf("exit status %d, want %d", got[i].code, g.RC)
			}
			if g.RC != saltExitArgs { // the usage text is our own
				if diff := cmp.Diff(jobID.ReplaceAllString(g.Stdout, "JID"), jobID.ReplaceAllString(got[i].stdout, "JID")); diff != "" {
					t.Errorf("stdout (-want +got):\n%s", diff)
				}
			}
			if diff := cmp.Diff(g.Stderr, got[i].stderr); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
		})
	}
}

func goldenMaster(t *testing.T, g goldenRun) *clienttest.Master {
	t.Helper()
	script := clienttest.Script{
		Minions: []string{"m1", "m2"},
		Run:     func(id string, fun any, arg []any) clienttest.Return { return goldenReturn(g, id, fun, arg) },
		Config:  "timeout: 1\ngather_job_timeout: 0",
	}
	if returnsSecondFirst(g) {
		script.Minions = []string{"m2", "m1"}
	}
	unconnected := strings.HasPrefix(g.Minions, "m2-gone-and-cached")
	if unconnected {
		script.Config += "\npublish_port: " + strconv.Itoa(connectedPort(t))
	}
	m := clienttest.Start(t, script)
	if unconnected {
		m.CacheData("m1", "127.0.0.1")
		m.CacheData("m2", "192.0.2.7")
	}
	return m
}

func runSaltCommand(m *clienttest.Master, args []string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	cmd := newSaltCommand()
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	code = cliargs.Execute(cmd, append([]string{"-c", m.ConfigDir}, args...))
	return code, out.String(), errs.String()
}

// sameOrder undoes the accident of which minion a batch of one took first: ours takes them sorted.
func sameOrder(g goldenRun) goldenRun {
	first := strings.Index(g.Stdout, "Executing run on ['m2']")
	if first < 0 || first > strings.Index(g.Stdout+"Executing run on ['m1']", "Executing run on ['m1']") {
		return g
	}
	swap := strings.NewReplacer("m1", "m2", "m2", "m1")
	g.Stdout, g.Stderr = swap.Replace(g.Stdout), swap.Replace(g.Stderr)
	return g
}

// returnsSecondFirst reads from the recorded output which of two minions was the faster.
func returnsSecondFirst(g goldenRun) bool {
	if strings.HasPrefix(g.Stdout, "Minion m2 did not respond") {
		return false
	}
	body := regexp.MustCompile(`Executing run on .*`).ReplaceAllString(g.Stdout, "")
	first, second := strings.Index(body, "m1"), strings.Index(body, "m2")
	return second >= 0 && second < first
}

// connectedPort is a local port with one established connection from loopback.
func connectedPort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = c.Close(), peer.Close(), ln.Close() }) // a test's own connection
	return ln.Addr().(*net.TCPAddr).Port
}

// shellWords splits as a shell does, for single quotes.
func shellWords(s string) []string {
	var words []string
	for _, m := range regexp.MustCompile(`(?:'[^']*'|[^\s'])+`).FindAllString(s, -1) {
		words = append(words, strings.ReplaceAll(m, "'", ""))
	}
	return words
}

// goldenReturn is what minion id of a recorded run answers.
func goldenReturn(g goldenRun, id string, fun any, arg []any) clienttest.Return {
	if id == "m2" && g.Minions != "both-up" {
		return clienttest.Return{Silent: true}
	}
	name, ok := fun.(string)
	if !ok {
		values, codes := wire.NewMap(), wire.NewMap()
		for i, f := range fun.([]any) {
			one := goldenReturn(g, id, f, arg[i].([]any))
			values.Set(f, one.Value)
			codes.Set(f, one.Retcode)
		}
		return clienttest.Return{Value: values, Retcode: codes}
	}
	good := func(v any) clienttest.Return { return clienttest.Return{Value: v, Retcode: int64(0)} }
	switch name {
	case "test.ping", "test.sleep":
		return good(true)
	case "test.echo":
		return good(arg[0])
	case "sys.list_functions":
		return good([]any{"test.ping", "test.echo"})
	case "state.apply", "state.sls":
		return goldenStates(g, arg)
	}
	if v, ok := shapes()[name]; ok {
		return v
	}
	return clienttest.Return{Value: "'" + name + "' is not available.", Retcode: int64(254)}
}

// shapes are the functions of the module that was installed for the recordings.
func shapes() map[string]clienttest.Return {
	good := func(v any) clienttest.Return { return clienttest.Return{Value: v, Retcode: int64(0)} }
	return map[string]clienttest.Return{
		"shapes.types": good(wire.NewMap(
			"s", "text", "multi", "line one\nline two", "i", int64(7), "f", 1.5, "t", true, "n", nil,
			"l", []any{"a", int64(2), []any{"x", "y"}, wire.NewMap("k", "v")}, "el", []any{}, "ed", wire.NewMap(), "es", "",
			"d", wire.NewMap("z", int64(1), "a", wire.NewMap("deep", []any{"q"})), "u", "café", "long", int64(1e15))),
		"shapes.lst":       good([]any{"one", []any{"two", "three"}, wire.NewMap("four", int64(4)), int64(5)}),
		"shapes.none":      good(nil),
		"shapes.false":     good(false),
		"shapes.empty":     good(wire.NewMap()),
		"shapes.emptylist": good([]any{}),
		"shapes.num":       good(int64(42)),
		"shapes.fl":        good(0.1),
		"shapes.byts":      good([]byte("\xff\x00raw")),
		"shapes.cmderr":    {Value: "ERROR: could not do it", Retcode: int64(1)},
		"shapes.rc":        {Value: "with retcode", Retcode: int64(5)},
	}
}

var (
	startedText  = regexp.MustCompile(`Started: ([0-9:.]+)`)
	durationText = regexp.MustCompile(`Duration: ([0-9.]+) ms`)
	totalText    = regexp.MustCompile(`Total run time: +([0-9.]+) ms`)
)

// goldenStates builds the return of a state run, with the times that the recorded output shows.
func goldenStates(g goldenRun, arg []any) clienttest.Return {
	changes := wire.NewMap("testing", wire.NewMap("old", "Unchanged", "new", "Something pretended to change"))
	none := wire.NewMap()
	var keys []string
	var chunks []*wire.Map
	state := func(id, name, fun string, result any, comment string, changes *wire.Map) *wire.Map {
		chunk := wire.NewMap("name", name, "changes", changes, "result", result, "comment", comment, "__id__", id,
			"__run_num__", int64(len(chunks)))
		keys = append(keys, "test_|-"+id+"_|-"+name+"_|-"+fun)
		chunks = append(chunks, chunk)
		return chunk
	}
	retcode := int64(0)
	switch arg[0] {
	case "mix":
		state("plain", "plain", "succeed_without_changes", true, "Success!", none)
		if len(arg) > 1 {
			state("changed", "changed", "succeed_with_changes", nil,
				"If we weren't testing, this would be successful with changes", changes)
		} else {
			state("changed", "changed", "succeed_with_changes", true, "Success!", changes)
		}
		state("warned", "warned", "configurable_test_state", true, "all good", none).Set("warnings", []any{"careful now"})
	case "bad":
		retcode = 2
		state("good", "good", "succeed_with_changes", true, "Success!", changes)
		state("broken", "some thing", "fail_without_changes", false, "deliberate", none)
		state("later", "later", "succeed_without_changes", false, "One or more requisite failed: bad.broken", none)
	default:
		return clienttest.Return{
			Value: []any{"No matching sls found for '" + arg[0].(string) + "' in env 'base'"}, Retcode: int64(1), Out: "highstate",
		}
	}
	setTimes(g.Stdout, chunks)
	value := wire.NewMap()
	for i, key := range keys {
		value.Set(key, chunks[i])
	}
	return clienttest.Return{Value: value, Retcode: retcode, Out: "highstate"}
}

// setTimes gives the states the start and duration shown; states that are not shown get what is left
// of the total.
func setTimes(stdout string, chunks []*wire.Map) {
	started := startedText.FindAllStringSubmatch(stdout, -1)
	durations := durationText.FindAllStringSubmatch(stdout, -1)
	shown := func(i int) bool { return len(started) == len(chunks) || chunks[i].Map("changes").Len() > 0 }
	total, _ := strconv.ParseFloat(totalText.FindStringSubmatch(stdout)[1], 64)
	next := 0
	for i, chunk := range chunks {
		if shown(i) {
			d, _ := strconv.ParseFloat(durations[next][1], 64)
			chunk.Set("start_time", started[next][1])
			chunk.Set("duration", d)
			total -= d
			next++
		}
	}
	for i, chunk := range chunks {
		if !shown(i) {
			chunk.Set("start_time", "00:00:00.000000")
			chunk.Set("duration", total)
			total = 0
		}
	}
}
