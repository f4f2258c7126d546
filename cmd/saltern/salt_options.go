package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
)

// saltOptions are the command line (spec: config-and-daemons §5).
type saltOptions struct {
	configDir, logLevel, logFile, logFileLevel string

	timeout, subset, batchSafeLimit, outIndent     int
	batch, batchSafeSize, argsSeparator, delimiter string
	ret, retConfig, retKwargs, metadata            string
	moduleExecutors, executorOpts, noParse         string
	eauth, username, password                      string
	out, outFile, stateOutput, stateVerbose        string
	batchWait                                      float64
	static, async, verbose, showJID, hideTimeout   bool
	showTimeout, summary, doc, failhard            bool
	previewTarget, makeToken, outAppend            bool
	noColor, forceColor, hardCrash, outputDiff     bool
	progress, strictExit                           bool
	kind                                           map[string]*bool // by tgt_type
}

// saltKinds are the target options: long name, letter, tgt_type and help.
var saltKinds = []struct{ name, short, kind, help string }{
	{"pcre", "E", "pcre", "target is a regular expression"},
	{"list", "L", "list", "target is a list of ids, separated by commas or blanks"},
	{"grain", "G", "grain", "target is <grain>:<glob>"},
	{"grain-pcre", "P", "grain_pcre", "target is <grain>:<regular expression>"},
	{"nodegroup", "N", "nodegroup", "target is a node group of the master's configuration"},
	{"range", "R", "range", "target is a range expression"},
	{"compound", "C", "compound", "target is a compound expression"},
	{"pillar", "I", "pillar", "target is <pillar key>:<glob>"},
	{"pillar-pcre", "J", "pillar_pcre", "target is <pillar key>:<regular expression>"},
	{"ipcidr", "S", "ipcidr", "target is an address or a network"},
}

func (o *saltOptions) register(fs *pflag.FlagSet) {
	fs.SortFlags = false
	o.registerJob(fs)
	o.kind = map[string]*bool{}
	for _, k := range saltKinds {
		o.kind[k.kind] = fs.BoolP(k.name, k.short, false, k.help)
	}
	fs.StringVar(&o.delimiter, "delimiter", ":", "what separates the parts of grain and pillar targets")
	o.registerOutput(fs)
	fs.StringVarP(&o.eauth, "auth", "a", "", "external authentication to use")
	cliargs.Alias(fs, "auth", "eauth", "external-auth")
	fs.StringVar(&o.username, "username", "", "user name for external authentication")
	fs.StringVar(&o.password, "password", "", "password for external authentication")
	fs.BoolVarP(&o.makeToken, "make-token", "T", false, "with -a: have the master issue a token and keep it for later runs")
	fs.StringVarP(&o.configDir, "config-dir", "c", "", "directory of the configuration (default /etc/salt)")
	fs.StringVarP(&o.logLevel, "log-level", "l", "", "accepted; this command writes no log")
	fs.StringVar(&o.logFile, "log-file", "", "accepted; this command writes no log")
	fs.StringVar(&o.logFileLevel, "log-file-level", "", "accepted; this command writes no log")
	cliargs.RegisterSaltfile(fs)
	fs.BoolVar(&o.hardCrash, "hard-crash", false, "accepted and ignored")
	fs.BoolVar(&o.strictExit, "strict-exit", false, "exit with 1 when the master does not accept the job (stock: 0)")
}

func (o *saltOptions) registerJob(fs *pflag.FlagSet) {
	fs.IntVarP(&o.timeout, "timeout", "t", 5, "seconds to wait for returns before asking whether the job still runs")
	fs.BoolVarP(&o.static, "static", "s", false, "print all returns at once, at the end")
	fs.BoolVarP(&o.progress, "progress", "p", false, "accepted; there is no progress bar")
	fs.BoolVar(&o.failhard, "failhard", false, "stop a batch at the first failure")
	fs.BoolVar(&o.async, "async", false, "publish and print the job id only")
	fs.IntVar(&o.subset, "subset", 0, "run on so many random minions that have the function")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "print the job id and more")
	fs.BoolVar(&o.hideTimeout, "hide-timeout", false, "do not show minions that do not return")
	fs.BoolVar(&o.showTimeout, "show-timeout", false, "accepted; it is the default")
	fs.BoolVar(&o.showJID, "show-jid", false, "print the job id")
	fs.StringVarP(&o.batch, "batch", "b", "", "run on so many minions at a time: a number or a percentage")
	cliargs.Alias(fs, "batch", "batch-size")
	fs.Float64Var(&o.batchWait, "batch-wait", 0, "seconds before a finished minion's place is filled")
	fs.IntVar(&o.batchSafeLimit, "batch-safe-limit", 0, "from so many minions on, run as a batch")
	fs.StringVar(&o.batchSafeSize, "batch-safe-size", "", "size of that batch")
	fs.StringVar(&o.ret, "return", "", "returners to use besides")
	fs.StringVar(&o.retConfig, "return_config", "", "alternative configuration of the returner")
	fs.StringVar(&o.retKwargs, "return_kwargs", "", "options of the returner, as YAML")
	fs.BoolVarP(&o.doc, "doc", "d", false, "show the documentation of functions")
	cliargs.Alias(fs, "doc", "documentation")
	fs.StringVar(&o.argsSeparator, "args-separator", ",", "what separates the arguments of several functions")
	fs.BoolVar(&o.summary, "summary", false, "print a summary of the returns")
	fs.StringVar(&o.metadata, "metadata", "", "data to go with the job, as YAML")
	fs.StringVar(&o.moduleExecutors, "module-executors", "", "module executors, as a YAML list")
	fs.StringVar(&o.executorOpts, "executor-opts", "", "options of the module executors, as YAML")
	fs.StringVar(&o.noParse, "no-parse", "", "names of keyword arguments that stay text")
	fs.BoolVar(&o.previewTarget, "preview-target", false, "print the targeted ids and publish nothing")
}

func (o *saltOptions) registerOutput(fs *pflag.FlagSet) {
	fs.StringVar(&o.out, "out", "", "outputter: nested, json, yaml, txt, raw, pprint, highstate, …")
	cliargs.Alias(fs, "out", "output")
	fs.IntVar(&o.outIndent, "out-indent", 0, "indentation of the output, negative for one line")
	cliargs.Alias(fs, "out-indent", "output-indent")
	fs.StringVar(&o.outFile, "out-file", "", "write returns to this file")
	cliargs.Alias(fs, "out-file", "output-file")
	fs.BoolVar(&o.outAppend, "out-file-append", false, "append to that file")
	cliargs.Alias(fs, "out-file-append", "output-file-append")
	fs.BoolVar(&o.noColor, "no-color", false, "no colours")
	cliargs.Alias(fs, "no-color", "no-colour")
	fs.BoolVar(&o.forceColor, "force-color", false, "colours, also when stdout is no terminal")
	cliargs.Alias(fs, "force-color", "force-colour")
	fs.StringVar(&o.stateOutput, "state-output", "", "full, terse, mixed, changes or filter")
	cliargs.Alias(fs, "state-output", "state_output")
	fs.StringVar(&o.stateVerbose, "state-verbose", "", "False hides unchanged states")
	cliargs.Alias(fs, "state-verbose", "state_verbose")
	fs.BoolVar(&o.outputDiff, "output-diff", false, "show only states that changed or failed")
}

// missing names what a command line lacks, "" when nothing.
func (o *saltOptions) missing(args []string) string {
	switch {
	case len(args) == 0:
		return "Cannot execute command without defining a target."
	case len(args) == 1 && !o.doc && !o.previewTarget:
		return "Incomplete options passed."
	}
	return ""
}

// targetKind is the tgt_type asked for; the first of the list wins, as in stock.
func (o *saltOptions) targetKind() string {
	for _, k := range saltKinds {
		if *o.kind[k.kind] {
			return k.kind
		}
	}
	return "glob"
}

func (o *saltOptions) gatherSeconds(cfg *config.Master) int {
	return int(cfg.GatherJobTimeout / time.Second)
}
