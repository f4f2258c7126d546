package pki

import "fmt"

// State is what the operator has decided about a key (spec: auth §7.1).
type State uint8

// The states. Accepted, Pending and Rejected exclude each other; Denied exists beside them: the newest
// key that arrived for an id which already had another one.
const (
	None State = iota
	Accepted
	Pending
	Rejected
	Denied
)

// Dir returns the directory of a state below pki_dir, "" for None (spec: auth §8.1).
func (s State) Dir() string {
	switch s {
	case Accepted:
		return "minions"
	case Pending:
		return "minions_pre"
	case Rejected:
		return "minions_rejected"
	case Denied:
		return "minions_denied"
	}
	return ""
}

// String returns the state in lower case, for messages.
func (s State) String() string {
	switch s {
	case None:
		return "none"
	case Accepted:
		return "accepted"
	case Pending:
		return "pending"
	case Rejected:
		return "rejected"
	case Denied:
		return "denied"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}
