package pki

import "errors"

// Errors that callers decide on. All others are plain failures with their facts in the text.
var (
	// ErrAlgorithm: an encryption or signature algorithm name that the wire does not define (spec: auth §1.2).
	ErrAlgorithm = errors.New("unknown algorithm")
	// ErrKeyFormat: the text is not an RSA key in a form Salt reads (spec: auth §1.1).
	ErrKeyFormat = errors.New("not an RSA key in PEM form")
	// ErrPassphrase: the private key is encrypted and the passphrase is missing or wrong.
	ErrPassphrase = errors.New("passphrase missing or wrong")
	// ErrSignature: a signature, or an X9.31 block, that the key did not make.
	ErrSignature = errors.New("signature does not match")
	// ErrDecrypt: an RSA ciphertext that the key cannot open. One error for every cause, on purpose.
	ErrDecrypt = errors.New("rsa decryption failed")
	// ErrMessageSize: the message does not fit into one RSA block of the key.
	ErrMessageSize = errors.New("message too long for the key")

	// ErrBox is the class of all failures of Cipher.Open; ErrTag, ErrShort and ErrPadding belong to it.
	ErrBox = errors.New("authentication failed")
	// ErrTag: the tag is wrong; the sender holds another key.
	ErrTag error = &boxError{"wrong tag"}
	// ErrShort: too short, or of a length no box can have.
	ErrShort error = &boxError{"not a box"}
	// ErrPadding: the tag is right and the padding is not, so the sender is broken.
	ErrPadding error = &boxError{"bad padding"}
	// ErrKeyString: the text is not a 76-character key string (spec: auth §2.1).
	ErrKeyString = errors.New("not a key string of 76 characters")

	// ErrID: a minion id that must not be used (spec: auth §7.3).
	ErrID = errors.New("invalid minion id")
	// ErrNotFound: the store has no such key in that state.
	ErrNotFound = errors.New("key not found")
	// ErrNotAccepted: the id has no accepted key.
	ErrNotAccepted = errors.New("minion key is not accepted")
	// ErrTok: the tok does not prove possession of the accepted key.
	ErrTok = errors.New("tok does not match the accepted key")
	// ErrNoSignature: no prepared signature for the master's public key, or none for that algorithm.
	ErrNoSignature = errors.New("no prepared public key signature")
	// ErrSignedNewline: the prepared signature is over the public key with its final newline, as stock's
	// salt-key --gen-signature makes it; no minion accepts it.
	ErrSignedNewline = errors.New("it signs the public key including the final newline, which no minion accepts; " +
		"make it again with saltern's salt-key --gen-signature --force")
)

type boxError struct{ what string }

func (e *boxError) Error() string { return "authentication failed: " + e.what }
func (e *boxError) Unwrap() error { return ErrBox }
