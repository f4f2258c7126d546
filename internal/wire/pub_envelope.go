package wire

import "fmt"

// PubEnvelope is the frame of one publication. Spec: transport §4.4.
type PubEnvelope struct {
	Load    []byte // ciphertext under the shared key
	SigAlgo string // "" when unsigned, or signed by a master that names no algorithm
	Sig     []byte // over the bytes of Load; nil when unsigned
}

// AppendPubEnvelope appends a frame in stock's order: enc, load, sig_algo, sig. Without a signature sig is nil.
func AppendPubEnvelope(dst, ciphertext []byte, sigAlgo string, sig []byte) []byte {
	w := beginMap(dst, Wire)
	w.str("enc", EncAES)
	w.bytes("load", ciphertext)
	if sig != nil {
		w.strIf("sig_algo", sigAlgo)
		w.bytes("sig", sig)
	}
	return w.end()
}

// ParsePubEnvelope reads a frame; Load and Sig alias it. It returns an error of Check, ErrNotMap, or ErrField when enc
// is not "aes" or a field has the wrong type: such a frame is dropped.
func ParsePubEnvelope(frame []byte) (PubEnvelope, error) {
	if err := Check(frame, OuterLimits); err != nil {
		return PubEnvelope{}, err
	}
	it, ok := iterate(frame)
	if !ok {
		return PubEnvelope{}, ErrNotMap
	}
	var e PubEnvelope
	enc := ""
	for it.next() {
		var err error
		ok := true
		switch string(it.key) {
		case "enc":
			err = readStr("enc", it.val, &enc)
		case "load":
			e.Load, ok = Bytes(it.val)
		case "sig_algo":
			err = readOptStr("sig_algo", it.val, &e.SigAlgo)
		case "sig":
			e.Sig, ok = Bytes(it.val)
		}
		if !ok {
			err = errKind("load or sig", "bytes")
		}
		if err != nil {
			return PubEnvelope{}, err
		}
	}
	switch {
	case enc != EncAES:
		return PubEnvelope{}, fmt.Errorf("%w: enc is %.20q", ErrField, enc)
	case e.Load == nil:
		return PubEnvelope{}, errMissing("load")
	}
	return e, nil
}
