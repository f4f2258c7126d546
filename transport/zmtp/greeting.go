package zmtp

import "fmt"

// Sizes of the parts of a greeting.
const (
	signatureLen  = 10 // ff, eight bytes nobody reads, 7f
	versionedLen  = signatureLen + 1
	greetingLen   = 64
	greeting2Len  = versionedLen + 1
	mechanismLen  = 20
	majorOurs     = 3
	minorOurs     = 1
	minorPing     = 1 // knows PING
	majorV2Newest = 2 // revisions 1 and 2 continue as ZMTP 2.0
)

// appendSignature appends the part of the greeting that is sent before anything is known of the peer: signature
// and major version. spec: transport §2.1.
func appendSignature(dst []byte) []byte {
	return append(dst, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, majorOurs)
}

// appendRest appends what follows the signature towards a ZMTP 3 peer: minor version, mechanism, no server role,
// filler.
func appendRest(dst []byte) []byte {
	var rest [greetingLen - versionedLen]byte
	rest[0] = minorOurs
	copy(rest[1:], "NULL")
	return append(dst, rest[:]...)
}

// version is that of a peer: 2.0, 3.0, 3.1 or later.
type version struct{ major, minor uint8 }

// greeting is what a peer's greeting says.
type greeting struct {
	major, minor byte
	v2           bool
	role         Role // ZMTP 2.0 only; there READY does not exist
	size         int  // bytes of the greeting
}

// parseGreeting reads the start of a connection. more is how many bytes of b are needed at least when that is more
// than there are; then nothing else is known but g.v2 and g.major, and those only if b has eleven bytes.
func parseGreeting(b []byte) (g greeting, more int, err error) {
	if len(b) == 0 {
		return g, versionedLen, nil
	}
	if b[0] != 0xff || len(b) >= signatureLen && b[signatureLen-1]&1 == 0 {
		return g, 0, ErrGreeting
	}
	if len(b) < versionedLen {
		return g, versionedLen, nil
	}
	g.major = b[signatureLen]
	switch {
	case g.major == 0:
		return g, 0, fmt.Errorf("%w: ZMTP 1.0", ErrGreeting)
	case g.major <= majorV2Newest:
		return parseGreeting2(g, b)
	}
	if len(b) < greetingLen {
		return g, greetingLen, nil
	}
	g.minor, g.size = b[versionedLen], greetingLen
	mechanism := b[versionedLen+1 : versionedLen+1+mechanismLen]
	var null [mechanismLen]byte
	copy(null[:], "NULL")
	if [mechanismLen]byte(mechanism) != null {
		return g, 0, fmt.Errorf("%w: mechanism %q", ErrGreeting, mechanism)
	}
	return g, 0, nil
}

func parseGreeting2(g greeting, b []byte) (greeting, int, error) {
	g.v2 = true
	if len(b) < greeting2Len {
		return g, greeting2Len, nil
	}
	g.role, g.size = Role(b[versionedLen]), greeting2Len
	if !g.role.valid() {
		return g, 0, fmt.Errorf("%w: number %d", ErrPeerType, b[versionedLen])
	}
	return g, 0, nil
}
