package wire

import "errors"

// ErrNonceMissing is returned for an _auth request of level 2 or 3 without nonce. Stock dies of it.
var ErrNonceMissing = errors.New("_auth request without nonce")

// Bounds of an _auth request: the largest RSA key that salt-key makes has 32768 bits.
const (
	maxPub   = 16 << 10
	maxToken = 4096
	maxAlgo  = 64
)

// AuthRequest is a sign-in. Spec: auth-and-crypto §4.
type AuthRequest struct {
	ID             string
	Nonce          string // level 2 and up
	EncAlgo        string // "" means the default
	SigAlgo        string // "" means the default
	Token          []byte // challenge under the master's key; nil when the minion has no master key yet
	Pub            string // PEM, at most 16 KiB
	AutosignGrains *Map   // nil when absent
	Level          Level
}

// ParseAuthRequest reads the load of an _auth request of level lvl. A missing id leaves ID empty, which no check of ids
// accepts. It returns ErrNonceMissing, ErrField for a wrong type or length, ErrRepeatedField, or an error of Check.
func ParseAuthRequest(load []byte, lvl Level) (AuthRequest, error) {
	if err := Check(load, OuterLimits); err != nil {
		return AuthRequest{}, err
	}
	it, ok := iterate(load)
	if !ok {
		return AuthRequest{}, ErrNotMap
	}
	r := AuthRequest{Level: lvl}
	for it.next() {
		if err := r.read(string(it.key), it.val); err != nil {
			return AuthRequest{}, err
		}
	}
	switch {
	case r.Pub == "":
		return AuthRequest{}, errMissing("pub")
	case lvl >= 2 && r.Nonce == "":
		return AuthRequest{}, ErrNonceMissing
	case len(r.Pub) > maxPub:
		return AuthRequest{}, errLong("pub", maxPub)
	case len(r.Token) > maxToken:
		return AuthRequest{}, errLong("token", maxToken)
	case len(r.Nonce) > maxNonce:
		return AuthRequest{}, errLong("nonce", maxNonce)
	case len(r.EncAlgo) > maxAlgo || len(r.SigAlgo) > maxAlgo:
		return AuthRequest{}, errLong("enc_algo or sig_algo", maxAlgo)
	}
	return r, nil
}

func (r *AuthRequest) read(key string, val []byte) error {
	switch key {
	case "id":
		if r.ID != "" {
			return ErrRepeatedField
		}
		return readStr(key, val, &r.ID)
	case "nonce":
		return readStr(key, val, &r.Nonce)
	case "enc_algo":
		return readStr(key, val, &r.EncAlgo)
	case "sig_algo":
		return readStr(key, val, &r.SigAlgo)
	case "token":
		return readBytes(key, val, &r.Token)
	case "pub":
		if r.Pub != "" {
			return ErrRepeatedField
		}
		return readStr(key, val, &r.Pub)
	case "autosign_grains":
		if IsNil(val) {
			return nil
		}
		m, ok := decodeChecked(val, Wire).(*Map)
		if !ok {
			return errKind(key, "a map")
		}
		r.AutosignGrains = m
	}
	return nil
}

// AppendEnvelope appends the complete request in stock's order.
func (r AuthRequest) AppendEnvelope(dst []byte) ([]byte, error) {
	w := beginMap(nil, Wire)
	w.str("cmd", CmdAuth)
	w.str("id", r.ID)
	w.strIf("nonce", r.Nonce)
	w.strIf("enc_algo", r.EncAlgo)
	w.strIf("sig_algo", r.SigAlgo)
	if r.AutosignGrains != nil {
		w.key("autosign_grains")
		var err error
		if w.dst, err = Append(w.dst, r.AutosignGrains, Wire); err != nil {
			return dst, err
		}
	}
	w.bytesIf("token", r.Token)
	w.str("pub", r.Pub)
	return AppendClear(dst, w.end(), r.Level), nil
}
