package target

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Kinds of target as they stand in the tgt_type field of a publish request (spec: master-functions
// §6). Only the first three are matched by this package.
const (
	KindGlob = "glob"
	KindPCRE = "pcre"
	KindList = "list"
)

// MaxExpr is the longest glob or regular expression Parse accepts, in bytes. Lists are not bound by
// it; the wire's own limits hold for them.
const MaxExpr = 4096

var (
	// ErrKind says that the kind of target is unknown here; a master answers as if nobody matched.
	ErrKind = errors.New("unknown target kind")
	// ErrExpr says that the expression cannot be used with its kind: wrong type, too long, or not a
	// regular expression.
	ErrExpr = errors.New("bad target expression")
	// ErrTimeout says that a regular expression ran out of its time; nobody matched.
	ErrTimeout = errors.New("target expression took too long")
)

// Matcher selects ids. Implementations are immutable and safe for concurrent use.
type Matcher interface {
	// Match returns the ids selected, in the order of ids, and the names that were asked for one by
	// one but are not among ids (list targets only, in the order asked for, each once). The result
	// may alias ids: callers must not modify it. A regular expression that
	// runs out of time selects nobody.
	Match(ids []string) (minions, missing []string)
	// MatchErr is Match, but tells ErrTimeout apart from an empty selection.
	MatchErr(ids []string) (minions, missing []string, err error)
}

// Parse prepares the matcher of one expression. kind is one of the Kind constants ("" means glob),
// expr a string, for lists also []any or []string of names. delimiter belongs to kinds that are not
// matched here and is ignored. Errors wrap ErrKind or ErrExpr.
//
// spec: master-functions §6
func Parse(kind string, expr any, delimiter string) (Matcher, error) {
	_ = delimiter
	switch kind {
	case KindGlob, "":
		text, err := exprText(kind, expr)
		if err != nil {
			return nil, err
		}
		return parseGlob(text), nil
	case KindPCRE:
		text, err := exprText(kind, expr)
		if err != nil {
			return nil, err
		}
		return parsePCRE(text)
	case KindList:
		return parseList(expr)
	}
	return nil, fmt.Errorf("%w: %q", ErrKind, kind)
}

func exprText(kind string, expr any) (string, error) {
	var text string
	switch e := expr.(type) {
	case string:
		text = e
	case []byte:
		text = string(e)
	default:
		return "", fmt.Errorf("%w: %s target is %T, not text", ErrExpr, kind, expr)
	}
	if len(text) > MaxExpr {
		return "", fmt.Errorf("%w: %d bytes, at most %d", ErrExpr, len(text), MaxExpr)
	}
	if !utf8.ValidString(text) {
		// Ids are UTF-8, so nothing is lost; a lone byte could match inside a character.
		return "", fmt.Errorf("%w: %s target is not UTF-8", ErrExpr, kind)
	}
	return text, nil
}
