package client

import "errors"

var (
	// ErrMasterDown says that no master runs on this host: its placeholder socket is missing.
	ErrMasterDown = errors.New("the salt master could not be contacted")
	// ErrNoAnswer says that the master did not answer the publish request, or its bus not the call, in
	// time.
	ErrNoAnswer = errors.New("the master is not responding")
	// ErrKey says that the master did not accept the local key, not even after it was read again.
	ErrKey = errors.New("failed to authenticate with the local key")
	// ErrBusy says that a Job was left with more unread events than it may keep.
	ErrBusy = errors.New("too many unread events")
)

// RefusedError is a refusal in the master's words. Name is AuthenticationError, AuthorizationError or
// "" for a plain text.
type RefusedError struct{ Name, Message string }

func (e *RefusedError) Error() string { return e.Message }

// WheelError says that a wheel function failed on the master; Text is what the master says of it, a
// traceback as a rule.
type WheelError struct{ Fun, Text string }

func (e *WheelError) Error() string { return e.Text }
