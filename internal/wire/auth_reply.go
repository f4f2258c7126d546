package wire

import "fmt"

// AuthAccept is the load of a successful sign-in. Spec: auth-and-crypto §5.1.
type AuthAccept struct {
	PubKey      string // the master's key, cleaned PEM
	PublishPort int
	PubSig      string // base64 over PubKey, with a final newline when made at run time; "" when absent
	Token       []byte // the challenge, under the minion's key; nil when absent
	AES         []byte // shared key string under the minion's key
	Session     []byte // session key string under the minion's key; nil from level-2 masters
	Sig         []byte // X9.31 block over the hash of the shared key string
	Nonce       string // level 2 and up
}

// AppendWire appends the load in stock's order. At levels 0 and 1 it is the whole reply, at 2 and 3 it goes
// into AppendAuthSigned together with its signature.
func (a AuthAccept) AppendWire(dst []byte) []byte {
	w := beginMap(dst, Wire)
	w.str("enc", encPub)
	w.str("pub_key", a.PubKey)
	w.int("publish_port", int64(a.PublishPort))
	w.strIf("pub_sig", a.PubSig)
	w.bytesIf("token", a.Token)
	w.bytes("aes", a.AES)
	w.bytesIf("session", a.Session)
	w.bytes("sig", a.Sig)
	w.strIf("nonce", a.Nonce)
	return w.end()
}

// AppendAuthSigned appends the reply of levels 2 and 3: {"enc": "clear", "load": load, "sig": sig}.
func AppendAuthSigned(dst, load, sig []byte) []byte {
	w := beginMap(dst, Wire)
	w.str("enc", EncClear)
	w.bytes("load", load)
	w.bytes("sig", sig)
	return w.end()
}

// AppendAuthPlain appends the unsigned answer {"enc": "clear", "load": {"ret": ret}}; ret is a bool or a string.
// A client of level 2 or 3 stands it only for "bad enc algo" and "bad sig algo". Spec: auth-and-crypto §5.2.
func AppendAuthPlain(dst []byte, ret any) []byte {
	w := beginMap(dst, Wire)
	w.str("enc", EncClear)
	w.key("load")
	w.dst = appendRet(w.dst, ret, "")
	return w.end()
}

// AppendAuthRet appends the load {"ret": ret, "nonce": nonce} of a signed answer; ret is a bool or a string.
func AppendAuthRet(dst []byte, ret any, nonce string) []byte { return appendRet(dst, ret, nonce) }

func appendRet(dst []byte, ret any, nonce string) []byte {
	w := beginMap(dst, Wire)
	w.key("ret")
	switch v := ret.(type) {
	case bool:
		w.dst = AppendBool(w.dst, v)
	case string:
		w.dst = AppendStr(w.dst, v, Wire)
	default:
		panic(fmt.Sprintf("wire: _auth answer of type %T", ret))
	}
	w.strIf("nonce", nonce)
	return w.end()
}

// AuthReply is the answer to _auth as a client sees it. Exactly one of Ret and Accept is set.
type AuthReply struct {
	Ret        any         // true: pending; false: refused; "full", "bad enc algo", "bad sig algo"
	Accept     *AuthAccept // signed in
	Nonce      string      // from a signed load, to be compared with the request's
	SignedLoad []byte      // the bytes Sig covers; nil when the reply is unsigned
	Sig        []byte
}

// ParseAuthReply reads any answer to _auth. Signed or not is told by SignedLoad: the caller verifies Sig over it and compares the
// nonce before it believes a word. It returns ErrReply for strings such as "bad load" and for other shapes.
func ParseAuthReply(body []byte) (AuthReply, error) {
	if err := Check(body, OuterLimits); err != nil {
		return AuthReply{}, err
	}
	if s, ok := Str(body); ok {
		return AuthReply{}, fmt.Errorf("%w: %.80q", ErrReply, s)
	}
	if enc, _ := Field(body, "enc"); string(rawText(enc)) == encPub {
		a, err := parseAccept(body)
		if err != nil {
			return AuthReply{}, err
		}
		return AuthReply{Accept: &a, Nonce: a.Nonce}, nil
	}
	load, ok := Field(body, "load")
	if !ok {
		return AuthReply{}, fmt.Errorf("%w: no load in the answer to _auth", ErrReply)
	}
	if IsMap(load) {
		return parseAuthRet(load)
	}
	inner, ok := Bytes(load)
	if !ok {
		return AuthReply{}, errKind("load", "a map or bytes")
	}
	return parseSigned(body, inner)
}

func parseSigned(body, inner []byte) (AuthReply, error) {
	if err := Check(inner, OuterLimits); err != nil {
		return AuthReply{}, err
	}
	var r AuthReply
	if enc, _ := Field(inner, "enc"); string(rawText(enc)) == encPub {
		a, err := parseAccept(inner)
		if err != nil {
			return AuthReply{}, err
		}
		r = AuthReply{Accept: &a, Nonce: a.Nonce}
	} else {
		var err error
		if r, err = parseAuthRet(inner); err != nil {
			return AuthReply{}, err
		}
	}
	sig, _ := Field(body, "sig")
	if err := readBytes("sig", sig, &r.Sig); err != nil {
		return AuthReply{}, err
	}
	r.SignedLoad = append([]byte{}, inner...)
	return r, nil
}

func parseAuthRet(load []byte) (AuthReply, error) {
	var r AuthReply
	raw, ok := Field(load, "ret")
	if !ok {
		return r, fmt.Errorf("%w: neither key nor ret in the answer to _auth", ErrReply)
	}
	if v, ok := Bool(raw); ok {
		r.Ret = v
	} else {
		var s string
		if err := readStr("ret", raw, &s); err != nil {
			return r, err
		}
		r.Ret = s
	}
	if n, ok := Field(load, "nonce"); ok {
		if err := readStr("nonce", n, &r.Nonce); err != nil {
			return AuthReply{}, err
		}
	}
	return r, nil
}

func parseAccept(b []byte) (AuthAccept, error) {
	it, ok := iterate(b)
	if !ok {
		return AuthAccept{}, ErrNotMap
	}
	var a AuthAccept
	for it.next() {
		var err error
		switch key := string(it.key); key {
		case "pub_key":
			err = readStr(key, it.val, &a.PubKey)
		case "publish_port":
			port, ok := Int(it.val)
			if !ok || port < 0 || port > 65535 {
				err = errKind(key, "a port")
			}
			a.PublishPort = int(port)
		case "pub_sig":
			err = readStr(key, it.val, &a.PubSig)
		case "token":
			err = readBytes(key, it.val, &a.Token)
		case "aes":
			err = readBytes(key, it.val, &a.AES)
		case "session":
			err = readBytes(key, it.val, &a.Session)
		case "sig":
			err = readBytes(key, it.val, &a.Sig)
		case "nonce":
			err = readStr(key, it.val, &a.Nonce)
		}
		if err != nil {
			return AuthAccept{}, err
		}
	}
	if a.PubKey == "" || a.AES == nil || a.Sig == nil {
		return AuthAccept{}, errMissing("pub_key, aes or sig")
	}
	return a, nil
}

// rawText returns the text of a raw string, nil for anything else.
func rawText(raw []byte) []byte {
	b, _ := Bytes(raw)
	return b
}
