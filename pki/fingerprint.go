package pki

import (
	"bytes"
	"crypto"
	_ "crypto/md5"    // hash_type may name it
	_ "crypto/sha512" // hash_type may name it
	"encoding/hex"
	"fmt"
	"strings"
)

var fingerprintHashes = map[string]crypto.Hash{
	"md5": crypto.MD5, "sha1": crypto.SHA1, "sha224": crypto.SHA224,
	"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512,
}

// Fingerprint returns the fingerprint that minions compare with master_finger: the hash of the lines
// between the first and the last one that is not blank, by position, as lower-case hex pairs joined by
// ":" (spec: auth §1.1, key-management-cli §4.9). hash is a value of hash_type: md5, sha1, sha224, sha256
// ("" too), sha384 or sha512 in any case; others give ErrAlgorithm. A private key's text works as well.
func Fingerprint(text []byte, hash string) (string, error) {
	id, err := fingerprintHash(hash)
	if err != nil {
		return "", err
	}
	var lines [][]byte
	for line := range bytes.SplitAfterSeq(text, []byte("\n")) {
		if len(bytes.Trim(line, " \t\n\r\v\f")) > 0 {
			lines = append(lines, line)
		}
	}
	var body []byte
	if len(lines) > 2 {
		body = bytes.Join(lines[1:len(lines)-1], nil)
	}
	return colonHex(digestOf(id, bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")))), nil
}

// FingerprintWhole returns the fingerprint that `salt-key -f` of 3008 prints: the hash of the complete
// text, armour included. It never equals what a minion computes (spec: key-management-cli §4.9).
func FingerprintWhole(text []byte, hash string) (string, error) {
	id, err := fingerprintHash(hash)
	if err != nil {
		return "", err
	}
	return colonHex(digestOf(id, text)), nil
}

func fingerprintHash(name string) (crypto.Hash, error) {
	if name == "" {
		return crypto.SHA256, nil
	}
	id, ok := fingerprintHashes[strings.ToLower(name)]
	if !ok {
		return 0, fmt.Errorf("hash_type %.40q: %w", name, ErrAlgorithm)
	}
	return id, nil
}

func colonHex(digest []byte) string {
	out := make([]byte, 0, 3*len(digest))
	for i, b := range digest {
		if i > 0 {
			out = append(out, ':')
		}
		out = hex.AppendEncode(out, []byte{b})
	}
	return string(out)
}
