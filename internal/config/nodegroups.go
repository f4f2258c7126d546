package config

import (
	"slices"
	"strings"
)

// NodegroupError says that a node group is not configured, or that it names itself.
type NodegroupError struct{ Name string }

// Error names the group.
func (e *NodegroupError) Error() string { return "node group " + e.Name + " is not available" }

// NodegroupExpr turns the name of a group into a compound expression, with the groups it names put in. A
// *NodegroupError names the group that cannot be.
func (m *Master) NodegroupExpr(name string) (string, error) { return m.expandGroup(name, nil) }

// ExpandNodegroups puts the groups that a compound expression names (`N@group`) into it. A *NodegroupError names one that
// cannot be.
func (m *Master) ExpandNodegroups(compound string) (string, error) {
	return m.expandWords(strings.Fields(compound), nil)
}

func (m *Master) expandGroup(name string, above []string) (string, error) {
	i := slices.IndexFunc(m.Nodegroups, func(g Nodegroup) bool { return g.Name == name })
	if i < 0 || slices.Contains(above, name) {
		return "", &NodegroupError{name}
	}
	above = append(slices.Clone(above), name)
	var words []string
	expr := m.Nodegroups[i].Expr
	if text, ok := expr.Text(); ok {
		words = strings.Fields(text)
	}
	plain := len(expr.List()) > 0
	for _, item := range expr.List() {
		word, _ := item.Text()
		words = append(words, word)
		plain = plain && !strings.ContainsAny(word, "@*()") && !slices.Contains([]string{"and", "or", "not"}, word)
	}
	if plain {
		return "L@" + strings.Join(words, ","), nil
	}
	return m.expandWords(words, above)
}

func (m *Master) expandWords(words, above []string) (string, error) {
	for i, word := range words {
		inner, ok := strings.CutPrefix(word, "N@")
		if !ok {
			continue
		}
		expanded, err := m.expandGroup(inner, above)
		if err != nil {
			return "", err
		}
		words[i] = "( " + expanded + " )"
	}
	return strings.Join(words, " "), nil
}
