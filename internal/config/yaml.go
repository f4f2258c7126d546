package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds of one configuration document. A file is local and trusted more than a packet, but the same
// loader reads what operators paste from elsewhere.
const (
	maxFileBytes = 16 << 20 // larger files are refused
	maxDepth     = 100      // nested maps and lists
	maxNodes     = 1 << 20  // values after aliases are expanded
)

// Faults of a document that callers tell apart.
var (
	// ErrDuplicate: one mapping has a key twice, by itself or through a merge key.
	ErrDuplicate = errors.New("found conflicting ID")
	// ErrNotMapping: the document is a list or a scalar.
	ErrNotMapping = errors.New("conf should be a document")
	// ErrTooLarge: the document exceeds the size, depth or count bound.
	ErrTooLarge = errors.New("document too large")
)

// ParseDocument reads one YAML document the way stock Salt's loader does (spec: config-and-daemons
// §2.3). An empty document is an empty map. name is used for error texts and value positions only.
// Errors name file and line; ErrDuplicate, ErrNotMapping and ErrTooLarge can be told apart.
func ParseDocument(name string, src []byte) (*Map, error) {
	v, err := parseValue(name, src)
	if err != nil {
		return nil, err
	}
	switch d := v.Data.(type) {
	case nil:
		return &Map{}, nil
	case *Map:
		return d, nil
	}
	//lint:ignore ST1005 stock's wording
	return nil, fmt.Errorf("%w, not <class '%s'>.", ErrNotMapping, v.typeName())
}

// parseValue reads a document of any type.
func parseValue(name string, src []byte) (v *Value, err error) {
	if len(src) > maxFileBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(src), maxFileBytes)
	}
	// The parser reports some malformed input by panicking with values it means to recover itself.
	defer func() {
		if p := recover(); p != nil {
			v, err = nil, fmt.Errorf("yaml: %v", p)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return &Value{File: name, Line: 1}, nil
	case err != nil:
		return nil, err
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, err
	default:
		return nil, errors.New("yaml: expected a single document in the stream but found another document")
	}
	if len(doc.Content) == 0 {
		return &Value{File: name, Line: 1}, nil
	}
	b := builder{file: name}
	return b.build(doc.Content[0], 0)
}

// builder turns parsed nodes into values, counting them.
type builder struct {
	file  string
	nodes int
}

func (b *builder) errorf(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: %w", n.Line, fmt.Errorf(format, args...))
}

func (b *builder) build(n *yaml.Node, depth int) (*Value, error) {
	if b.nodes++; b.nodes > maxNodes || depth > maxDepth {
		return nil, b.errorf(n, "%w: more than %d values or %d levels", ErrTooLarge, maxNodes, maxDepth)
	}
	v := &Value{File: b.file, Line: n.Line}
	var err error
	switch n.Kind {
	case yaml.AliasNode:
		return b.build(n.Alias, depth+1)
	case yaml.ScalarNode:
		if v.Data, err = scalar(n); err != nil {
			return nil, b.errorf(n, "%w", err)
		}
	case yaml.SequenceNode:
		if t := explicitTag(n); t != "" && t != "!!seq" {
			return nil, b.errorf(n, "could not determine a constructor for the tag %q", t)
		}
		list := make([]*Value, 0, len(n.Content))
		for _, c := range n.Content {
			e, err := b.build(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		v.Data = list
	case yaml.MappingNode:
		if t := explicitTag(n); t != "" && t != "!!map" && t != "!!set" {
			return nil, b.errorf(n, "could not determine a constructor for the tag %q", t)
		}
		if v.Data, err = b.mapping(n, depth); err != nil {
			return nil, err
		}
	default:
		return nil, b.errorf(n, "unexpected node")
	}
	return v, nil
}

func (b *builder) mapping(n *yaml.Node, depth int) (*Map, error) {
	pairs, err := b.flatten(n, depth)
	if err != nil {
		return nil, err
	}
	m := &Map{}
	for i := 0; i < len(pairs); i += 2 {
		kn := pairs[i]
		if b.nodes++; b.nodes > maxNodes {
			return nil, b.errorf(kn, "%w: more than %d values", ErrTooLarge, maxNodes)
		}
		key, err := mapKey(kn)
		if err != nil {
			return nil, b.errorf(kn, "%w", err)
		}
		if m.Has(key) {
			return nil, b.errorf(kn, "%w '%v'", ErrDuplicate, deref(kn).Value)
		}
		v, err := b.build(pairs[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		v.Line = kn.Line // where the operator looks for it; a block below begins one line later
		m.set(key, v)
	}
	return m, nil
}

// flatten resolves merge keys (<<): own keys win over merged ones, later maps of a merged list come
// first. A key that two merged maps share is left twice, which the caller reports, as stock does.
func (b *builder) flatten(n *yaml.Node, depth int) ([]*yaml.Node, error) {
	if depth > maxDepth {
		return nil, b.errorf(n, "%w: more than %d levels", ErrTooLarge, maxDepth)
	}
	var own, merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if !isMergeKey(k) {
			own = append(own, k, v)
			continue
		}
		v = deref(v)
		var sources []*yaml.Node
		switch v.Kind {
		case yaml.MappingNode:
			sources = []*yaml.Node{v}
		case yaml.SequenceNode:
			for _, e := range v.Content {
				sources = append([]*yaml.Node{deref(e)}, sources...)
			}
		}
		if sources == nil && v.Kind != yaml.SequenceNode {
			return nil, b.errorf(k, "expected a mapping or list of mappings for merging")
		}
		for _, src := range sources {
			if src.Kind != yaml.MappingNode {
				return nil, b.errorf(src, "expected a mapping for merging")
			}
			pairs, err := b.flatten(src, depth+1)
			if err != nil {
				return nil, err
			}
			if b.nodes += len(pairs); b.nodes > maxNodes {
				return nil, b.errorf(src, "%w: more than %d values", ErrTooLarge, maxNodes)
			}
			merged = append(merged, pairs...)
		}
	}
	if merged == nil {
		return own, nil
	}
	taken := make(map[string]bool, len(own)/2)
	for i := 0; i < len(own); i += 2 {
		taken[deref(own[i]).Value] = true
	}
	var out []*yaml.Node
	for i := 0; i < len(merged); i += 2 {
		if !taken[deref(merged[i]).Value] {
			out = append(out, merged[i], merged[i+1])
		}
	}
	return append(out, own...), nil
}

func isMergeKey(k *yaml.Node) bool {
	if k.Kind != yaml.ScalarNode {
		return false
	}
	return plain(k) && k.Value == "<<" || explicitTag(k) == "!!merge"
}

// mapKey resolves a key; every scalar type is allowed, nothing else is.
func mapKey(k *yaml.Node) (any, error) {
	k = deref(k)
	if k.Kind != yaml.ScalarNode {
		return nil, errors.New("found unhashable key: lists and mappings cannot be keys")
	}
	if plain(k) && k.Value == "=" {
		return "=", nil
	}
	return scalar(k)
}

func deref(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

func plain(n *yaml.Node) bool {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Style&(quoted|yaml.TaggedStyle) == 0
}

// explicitTag is the tag written in the document, in short form, "" when none is.
func explicitTag(n *yaml.Node) string {
	if n.Style&yaml.TaggedStyle == 0 || n.Tag == "!" {
		return ""
	}
	return n.ShortTag()
}

func scalar(n *yaml.Node) (any, error) {
	if tag := explicitTag(n); tag != "" {
		if !strings.HasPrefix(tag, "!!") {
			return nil, fmt.Errorf("could not determine a constructor for the tag %q", tag)
		}
		return resolveTagged(tag, n.Value)
	}
	if !plain(n) {
		return n.Value, nil
	}
	return resolvePlain(n.Value)
}
