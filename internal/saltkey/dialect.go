package saltkey

import (
	"fmt"
	"strings"

	"github.com/saltern-io/saltern/pki"
)

// The values of --compat. None is the default: 3008's manner with what the differences say.
const (
	Compat3006 = "3006"
	Compat3007 = "3007"
	Compat3008 = "3008"
)

// dialect is what the release lines of stock salt-key do differently (spec: key-management-cli §1).
type dialect struct {
	states             []pki.State // order of states in trees, delete lines and delete events
	accepted, rejected string      // act of the events
	ownerOnly          bool        // files that move get mode 0600; public keys and signatures made here 0400
	checksRejected     bool        // a text that is no key cannot be rejected
	namesRefused       bool        // refused keys are reported like the others
	wholeFingers       bool        // fingerprints over the whole file
	followsLinks       bool        // links in pki_dir are local keys
	aliases            bool        // -f master.pub names the master's key under any file name
	noPlainOutputters  bool        // quiet and newline_values_only do not exist
	signatureByID      bool        // <id>_pubkey_signature instead of master_pubkey_signature
	makesSignatureDir  bool        // --signature-path is made when missing
	hints              bool        // says more than stock on stderr
}

var (
	oldOrder = []pki.State{pki.Accepted, pki.Pending, pki.Rejected, pki.Denied}
	newOrder = []pki.State{pki.Pending, pki.Rejected, pki.Accepted, pki.Denied}
)

var dialects = map[string]dialect{
	Compat3006: {states: oldOrder, accepted: "accept", rejected: "reject", followsLinks: true},
	Compat3007: {states: oldOrder, accepted: "accept", rejected: "reject", followsLinks: true},
	Compat3008: {
		states: newOrder, accepted: "accepted", rejected: "rejected", ownerOnly: true, checksRejected: true,
		namesRefused: true, wholeFingers: true, noPlainOutputters: true, signatureByID: true, makesSignatureDir: true,
	},
	"": {
		states: newOrder, accepted: "accept", rejected: "reject", ownerOnly: true, aliases: true,
		signatureByID: true, makesSignatureDir: true, hints: true,
	},
}

// dialectOf reads a value of --compat: a release line, also with its minor number, or nothing.
func dialectOf(value string) (dialect, error) {
	line, _, _ := strings.Cut(value, ".")
	d, ok := dialects[line]
	if !ok {
		return d, fmt.Errorf("'%.40s' is not 3006, 3007 or 3008", value)
	}
	return d, nil
}
