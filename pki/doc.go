// Package pki holds every key of a Salt tier: RSA key pairs of masters and minions, the shared AES
// key, the session key of each minion, and the directory in which Salt keeps minion keys.
//
//	               PrivateKey ──Sign, Decrypt, SignX931──► libcrypto (default) or crypto/rsa (tag gorsa)
//	MasterKeys ──►     │        at most GOMAXPROCS private operations at once
//	               PublicKey ──Verify, Encrypt, RecoverX931
//
//	SharedKey ──► KeyEpoch ──► Cipher ◄── Sessions      AES-192-CBC + HMAC-SHA256 boxes
//	              (serial,     Seal/Open  (<cachedir>/sessions/<id>)
//	               signature)
//
//	Store ◄── DirStore: minions/ minions_pre/ minions_rejected/ minions_denied/    Autosign: who is
//	          one file per id and state, always re-examined, parsed keys cached     decided unasked
//
// Threading: every exported type is safe for concurrent use unless its comment says otherwise; no
// goroutine is started by this package. Slices and keys that are handed out are shared and read only.
//
// Secrets (private keys, key strings, tokens, passphrases) appear in no error text, no log record and
// no formatted value. The only functions that give them away are named for it: PrivateKey.PEM,
// Cipher.KeyString and the field KeyEpoch.KeyString.
//
// The package imports nothing else of this module. Byte-level facts: spec: auth-and-crypto.
package pki
