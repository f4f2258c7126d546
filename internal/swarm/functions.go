package swarm

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

// outcome is what a job comes to. For a compound job ret, retcode and success are *wire.Map by function.
type outcome struct {
	ret      any
	retcode  any
	success  any
	out      string // outputter the result asks for
	compound bool
}

// call is one function call of a job.
type call struct {
	minion *minion
	pub    *publication
	args   []any
	kwargs *wire.Map
}

// execFunction runs one function. A message says why the arguments do not do.
type execFunction func(ctx context.Context, c call) (ret any, message string, err error)

var execFunctions = map[string]execFunction{
	"test.ping":         func(context.Context, call) (any, string, error) { return true, "", nil },
	"test.echo":         execEcho,
	"test.arg":          execArg,
	"test.sleep":        execSleep,
	"cmd.run":           execCmdRun,
	"grains.items":      func(_ context.Context, c call) (any, string, error) { return c.minion.grains(), "", nil },
	"saltutil.find_job": execFindJob,
}

// execute runs the function or functions of a publication. An error means ctx ended.
func (m *minion) execute(ctx context.Context, pub *publication) (outcome, error) {
	fun, _ := pub.load.Get("fun")
	funs, compound := fun.([]any)
	if !compound {
		return m.executeOne(ctx, pub, pub.load.Str("fun"), pub.load.List("arg"))
	}
	rets, codes, good := wire.NewMap(), wire.NewMap(), wire.NewMap()
	args := pub.load.List("arg")
	for i, f := range funs {
		name := fmt.Sprint(f)
		var own []any
		if i < len(args) {
			own, _ = args[i].([]any)
		}
		out, err := m.executeOne(ctx, pub, name, own)
		if err != nil {
			return outcome{}, err
		}
		rets.Set(name, out.ret)
		codes.Set(name, out.retcode)
		good.Set(name, out.success)
	}
	return outcome{ret: rets, retcode: codes, success: good, compound: true}, nil
}

func (m *minion) executeOne(ctx context.Context, pub *publication, name string, arg []any) (outcome, error) {
	failed := func(text string) outcome {
		return outcome{ret: text, retcode: int64(1), success: false, out: "nested"}
	}
	exec, ok := execFunctions[name]
	if !ok {
		return failed(fmt.Sprintf("'%s' is not available.", name)), nil
	}
	c := call{minion: m, pub: pub, kwargs: wire.NewMap()}
	for _, a := range arg {
		if kw, ok := a.(*wire.Map); ok && kw.Bool("__kwarg__") {
			for k, v := range kw.All() {
				if k != "__kwarg__" {
					c.kwargs.Set(k, v)
				}
			}
			continue
		}
		c.args = append(c.args, a)
	}
	ret, message, err := exec(ctx, c)
	if err != nil {
		return outcome{}, err
	}
	if message != "" {
		return failed(fmt.Sprintf("Passed invalid arguments to %s: %s", name, message)), nil
	}
	return outcome{ret: ret, retcode: int64(0), success: true}, nil
}

// arg returns a parameter given by position or by name.
func (c call) arg(position int, name string) (any, bool) {
	if position < len(c.args) {
		return c.args[position], true
	}
	return c.kwargs.Get(name)
}

func execEcho(_ context.Context, c call) (any, string, error) {
	text, ok := c.arg(0, "text")
	if !ok {
		return nil, "text is missing", nil
	}
	return text, "", nil
}

// execArg returns its arguments as test.arg does: the job's own fields appear among the keyword
// arguments.
func execArg(_ context.Context, c call) (any, string, error) {
	kwargs := c.kwargs
	for k, v := range c.pub.load.All() {
		if key, ok := k.(string); ok {
			kwargs.Set("__pub_"+key, v)
		}
	}
	args := c.args
	if args == nil {
		args = []any{}
	}
	return wire.NewMap("args", args, "kwargs", kwargs), "", nil
}

func execSleep(ctx context.Context, c call) (any, string, error) {
	length, _ := c.arg(0, "length")
	var seconds float64
	switch v := length.(type) {
	case int64:
		seconds = float64(v)
	case float64:
		seconds = v
	default:
		return nil, "length is not a number", nil
	}
	if !(seconds >= 0 && seconds <= 86400) {
		return nil, "length is not between 0 and 86400", nil
	}
	return true, "", sleep(ctx, time.Duration(seconds*float64(time.Second)))
}

// execCmdRun runs nothing: the output is built from the command text, ReturnBytes long when that is set.
func execCmdRun(_ context.Context, c call) (any, string, error) {
	cmd, ok := c.arg(0, "cmd")
	if !ok {
		return nil, "cmd is missing", nil
	}
	line := fmt.Sprintf("%s ran: %v", c.minion.id, cmd)
	size := c.minion.swarm.cfg.ReturnBytes
	if size == 0 {
		return line, "", nil
	}
	return strings.ToValidUTF8(strings.Repeat(line+"\n", size/(len(line)+1)+1)[:size], "."), "", nil
}

// execFindJob returns the record of a running job, an empty map when it is not running here.
func execFindJob(_ context.Context, c call) (any, string, error) {
	jid, ok := c.arg(0, "jid")
	if !ok {
		return nil, "jid is missing", nil
	}
	pub := c.minion.body.runs(fmt.Sprint(jid))
	record := wire.NewMap()
	if pub == nil {
		return record, "", nil
	}
	record.Set("pid", int64(os.Getpid()))
	for k, v := range pub.load.All() {
		record.Set(k, v)
	}
	return record, "", nil
}

// grains is the small map every simulated minion presents.
func (m *minion) grains() *wire.Map {
	return wire.NewMap(
		"id", m.id, "host", m.id, "fqdn", m.id, "nodename", m.id,
		"kernel", "Linux", "os", "Debian", "os_family", "Debian", "osrelease", "12", "osmajorrelease", int64(12),
		"cpuarch", "x86_64", "num_cpus", int64(2), "mem_total", int64(2048),
		"ipv4", []any{"127.0.0.1"}, "master", m.master.host, "swarm", true, "swarm_index", int64(m.index),
	)
}
