package master

import (
	"github.com/saltern-io/saltern/pki"
)

// authVerdict is what one sign-in comes to, before any effect is carried out.
type authVerdict uint8

const (
	authRefuse  authVerdict = iota // reply ret false
	authPending                    // reply ret true: the key waits for an operator
	authFull                       // reply ret "full": max_minions reached
	authAccept                     // reply with the AES key
)

// authFacts are the inputs of the key state machine: what is stored, what was sent, what the
// operator configured. They are gathered by signIn, so that decideAuth can stay a pure function.
type authFacts struct {
	IDValid    bool      // pki.CheckID passed
	KeyUsable  bool      // the sent key parses as an RSA key of sane size
	KeyEmpty   bool      // no key was sent
	State      pki.State // where the id's key is stored now
	SameKey    bool      // sent and stored key are equal once cleaned
	StoredBad  bool      // the stored text is not a public key
	OpenMode   bool      // open_mode
	Full       bool      // max_minions reached and the id is not connected
	AutoReject bool
	AutoSign   bool
	NoRoom     bool // the bound on pending keys is reached
}

// authDecision is the outcome of decideAuth: the verdict for the peer and the effects to carry out.
type authDecision struct {
	Verdict authVerdict
	Reason  string // for the log; never sent

	Store     pki.State // None: leave the store alone
	StoreFrom pki.State // where the id's key was, when it moves
	StoreSent bool      // write the sent key (otherwise the stored one moves)

	Event       bool // fire salt/auth
	EventResult bool
	EventAct    string // "" leaves the key out, as stock does for some rows
}

// decideAuth is the key state machine of `_auth` (spec: auth-and-crypto §7.1). The comments name the
// rows of that table. Where stock stores a key before looking at it (row 13), this looks first: a
// text that is no RSA key is never stored.
func decideAuth(f authFacts) authDecision {
	switch {
	case !f.IDValid: // row 1
		return authDecision{Reason: "invalid minion id"}
	case f.Full: // row 2
		return authDecision{Verdict: authFull, Reason: "max_minions reached", Event: true, EventAct: "full"}
	case f.OpenMode: // row 3
		return decideOpenMode(f)
	}
	switch f.State {
	case pki.Rejected: // row 4
		return authDecision{Reason: "key is rejected", Event: true}
	case pki.Accepted: // rows 5, 6, 13
		return decideAccepted(f)
	case pki.Pending:
		return decidePending(f)
	default:
		return decideUnknown(f)
	}
}

func accepted(d authDecision) authDecision {
	d.Verdict, d.Event, d.EventResult, d.EventAct = authAccept, true, true, "accept"
	return d
}

func decideOpenMode(f authFacts) authDecision {
	if f.KeyEmpty || !f.KeyUsable {
		return authDecision{Reason: "open_mode: unusable key"}
	}
	if f.State == pki.Accepted && f.SameKey {
		return accepted(authDecision{})
	}
	return accepted(authDecision{Store: pki.Accepted, StoreFrom: f.State, StoreSent: true, Reason: "open_mode"})
}

func decideAccepted(f authFacts) authDecision {
	switch {
	case f.StoredBad:
		return authDecision{Reason: "stored key is not a public key"}
	case !f.SameKey:
		return denied(f, "key differs from the accepted one", "denied")
	default:
		return accepted(authDecision{})
	}
}

// denied keeps the offending key beside the id's own state, so that an operator can look at it.
func denied(f authFacts, reason, act string) authDecision {
	d := authDecision{Reason: reason, Event: true, EventAct: act}
	if f.KeyUsable {
		d.Store, d.StoreSent = pki.Denied, true
	}
	return d
}

func decideUnknown(f authFacts) authDecision {
	switch {
	case !f.KeyUsable:
		return authDecision{Reason: "sent text is not an RSA public key of at least 2048 bits"}
	case f.AutoReject: // row 7
		return authDecision{
			Reason: "autoreject", Store: pki.Rejected, StoreSent: true, Event: true, EventAct: "reject",
		}
	case f.AutoSign: // row 9
		return accepted(authDecision{Store: pki.Accepted, StoreSent: true, Reason: "autosign"})
	case f.NoRoom:
		return authDecision{Verdict: authFull, Reason: "too many pending keys", Event: true, EventAct: "full"}
	default: // row 8
		return authDecision{
			Verdict: authPending, Reason: "new key waits for acceptance", Store: pki.Pending, StoreSent: true,
			Event: true, EventResult: true, EventAct: "pend",
		}
	}
}

func decidePending(f authFacts) authDecision {
	switch {
	case f.AutoReject: // row 10: the key is not compared
		return authDecision{
			Reason: "autoreject", Store: pki.Rejected, StoreFrom: pki.Pending, Event: true, EventAct: "reject",
		}
	case !f.SameKey && f.AutoSign: // row 11c
		return denied(f, "key differs from the pending one", "")
	case !f.SameKey: // row 11a
		return denied(f, "key differs from the pending one", "denied")
	case f.AutoSign: // row 11d
		return accepted(authDecision{Store: pki.Accepted, StoreFrom: pki.Pending, Reason: "autosign"})
	default: // row 11b
		return authDecision{
			Verdict: authPending, Reason: "key is pending", Event: true, EventResult: true, EventAct: "pend",
		}
	}
}
