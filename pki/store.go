package pki

// Store keeps the public keys of minions by id and state. DirStore is the form Salt keeps on disk; every
// implementation passes the suite in store_suite_test.go and is safe for concurrent use.
//
// Every method refuses an id that CheckID refuses, with ErrID.
type Store interface {
	// Lookup returns the key of id in the first of rejected, accepted, pending that has one (spec: auth
	// §8.1); Denied does not count. An unknown id gives an Entry with State None and no error. A stored text that is no
	// public key is reported in Entry.KeyErr.
	Lookup(id string) (Entry, error)
	// List returns the ids in one state, sorted without regard to case.
	List(s State) ([]string, error)
	// Put stores pub, as received, as the key of id in state s. If s is not Denied, the id leaves the
	// other two of accepted, pending and rejected.
	Put(id string, s State, pub []byte) error
	// Move takes the key of id from one state to another, replacing what is there, with the same
	// exclusion as Put. It returns ErrNotFound when there is none in from.
	Move(id string, from, to State) error
	// Delete removes the key of id in state s; ErrNotFound when there is none.
	Delete(id string, s State) error
}

// Entry is one stored key.
type Entry struct {
	ID     string
	State  State      // None when the id is unknown
	PEM    []byte     // as stored; shared, read only
	Key    *PublicKey // nil when KeyErr is set
	KeyErr error      // why PEM is not a public key
}
