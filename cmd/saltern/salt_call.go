package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
)

// saltCall is what to run where.
type saltCall struct {
	tgt     any // string, or []any of ids
	tgtType string
	fun     any // string, or []any for a compound call
	arg     []any
	auth    *wire.Map // who asks, for kwargs; nil with the local key alone
	quiet   bool      // --static
}

func (c saltCall) doc() bool { return c.fun == "sys.doc" }

// static returns the function's name for --static runs, whose outputter depends on it; "" otherwise.
func (c saltCall) static() string {
	if name, ok := c.fun.(string); ok && c.quiet {
		return name
	}
	return ""
}

// parseCall reads target, function and arguments.
func (o *saltOptions) parseCall(args []string, cfg *config.Master) (saltCall, error) {
	c := saltCall{tgt: args[0], tgtType: o.targetKind(), quiet: o.static}
	switch c.tgtType {
	case "list":
		c.tgt = splitList(args[0])
	case "nodegroup":
		expr, err := nodegroup(cfg, args[0])
		if err != nil {
			return c, err
		}
		c.tgt, c.tgtType = expr, "compound"
	}
	rest := args[1:]
	fun := "sys.doc"
	if !o.doc && len(rest) > 0 {
		fun, rest = rest[0], rest[1:]
	}
	noParse := strings.FieldsFunc(o.noParse, func(r rune) bool { return r == ',' })
	if !strings.Contains(fun, ",") {
		c.fun, c.arg = fun, cliargs.ParseInput(rest, noParse)
	} else if err := c.compound(strings.Split(fun, ","), rest, o.argsSeparator, noParse); err != nil {
		return c, err
	}
	return c, nil
}

func splitList(s string) []any {
	ids := []any{}
	for _, id := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		ids = append(ids, id)
	}
	return ids
}

// compound splits the words among several functions: by words that are the separator alone when
// there are just enough of them, else by the separator wherever it stands.
func (c *saltCall) compound(funs, words []string, sep string, noParse []string) error {
	groups := [][]string{{}}
	alone := 0
	for _, w := range words {
		if w == sep {
			alone++
		}
	}
	for _, w := range words {
		pieces := []string{w}
		switch {
		case alone == len(funs)-1 && w == sep:
			pieces = []string{"", ""}
		case alone != len(funs)-1:
			pieces = strings.Split(w, sep)
		}
		for i, piece := range pieces {
			if i > 0 {
				groups = append(groups, nil)
			}
			if piece != "" {
				groups[len(groups)-1] = append(groups[len(groups)-1], piece)
			}
		}
	}
	if len(groups) < len(funs) {
		return &cliargs.ExitError{Code: saltExitArgs, Text: "Cannot execute compound command without defining all arguments."}
	}
	if len(groups) > len(funs) {
		return &cliargs.ExitError{Code: saltExitArgs, Text: "Cannot execute compound command with more arguments than commands."}
	}
	list := make([]any, len(funs))
	for i, f := range funs {
		list[i] = f
		c.arg = append(c.arg, cliargs.ParseInput(groups[i], noParse))
	}
	c.fun = list
	return nil
}

// request is the publish request of the call itself (spec: local-client-and-salt-cli §3).
func (c saltCall) request(o *saltOptions, cfg *config.Master) wire.PublishRequest {
	kwargs := wire.NewMap("show_timeout", !o.hideTimeout, "show_jid", o.showJID, "delimiter", o.delimiter)
	c.addAuth(kwargs)
	if o.retConfig != "" {
		kwargs.Set("ret_config", o.retConfig)
	}
	if o.retKwargs != "" {
		kwargs.Set("ret_kwargs", cliargs.YAMLArg(o.retKwargs))
	}
	if o.moduleExecutors != "" {
		executors := cliargs.YAMLArg(o.moduleExecutors)
		if text, ok := executors.(string); ok {
			executors = splitList(text)
		}
		kwargs.Set("module_executors", executors)
	}
	if o.executorOpts != "" {
		kwargs.Set("executor_opts", cliargs.YAMLArg(o.executorOpts))
	}
	if o.metadata != "" {
		kwargs.Set("metadata", cliargs.YAMLArg(o.metadata))
	}
	return c.publish(c.fun, c.arg, o.ret, kwargs, cfg)
}

func (c saltCall) addAuth(kwargs *wire.Map) {
	if c.auth != nil {
		for k, v := range c.auth.All() {
			kwargs.Set(k, v)
		}
	}
}

func (c saltCall) publish(fun any, arg []any, ret string, kwargs *wire.Map, cfg *config.Master) wire.PublishRequest {
	req := wire.PublishRequest{Tgt: c.tgt, TgtType: c.tgtType, Fun: fun, Arg: arg, Ret: ret, Kwargs: kwargs}
	if cfg.OrderMasters {
		req.To, req.HasTo = int(cfg.Timeout/time.Second), true
	}
	return req
}

// nodegroup turns the name of a group into a compound expression.
func nodegroup(cfg *config.Master, name string) (string, error) {
	expr, err := cfg.NodegroupExpr(name)
	var missing *config.NodegroupError
	if errors.As(err, &missing) {
		return "", &saltSaid{fmt.Sprintf("Node group %s unavailable in %s", missing.Name, cfg.ConfFile)}
	}
	return expr, err
}
