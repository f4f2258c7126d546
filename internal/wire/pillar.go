package wire

import "fmt"

// PillarRequest asks for a pillar. Spans are checked raw values in Wire mode; nil is written as nil.
// Spec: master-functions §2, auth-and-crypto §6.
type PillarRequest struct {
	ID              string
	Grains          []byte // raw map
	SaltEnv         string // "" is nil
	PillarEnv       string // "" is nil
	PillarOverride  []byte
	ExtraMinionData []byte
	Ver             string // stock sends "2"
	CleanCache      []byte // left out when nil
	Nonce           string // filled by ParsePillarRequest
}

// AppendLoad appends the load in stock's order; p.ID is not used.
func (r PillarRequest) AppendLoad(dst []byte, p Proof) []byte {
	w := beginMap(dst, Wire)
	w.str("id", r.ID)
	w.raw("grains", r.Grains)
	w.strOrNull("saltenv", r.SaltEnv)
	w.strOrNull("pillarenv", r.PillarEnv)
	w.raw("pillar_override", r.PillarOverride)
	w.raw("extra_minion_data", r.ExtraMinionData)
	w.str("ver", r.Ver)
	w.str("cmd", CmdPillar)
	w.rawIf("clean_cache", r.CleanCache)
	w.proof(Proof{Nonce: p.Nonce, TS: p.TS, Tok: p.Tok})
	return w.end()
}

func (w *mapWriter) strOrNull(k, v string) {
	if v == "" {
		w.null(k)
		return
	}
	w.str(k, v)
}

// ParsePillarRequest checks a load against LoadLimits and finds its fields; spans alias it. id and grains are required (ErrField).
func ParsePillarRequest(load []byte) (PillarRequest, error) {
	if err := Check(load, LoadLimits); err != nil {
		return PillarRequest{}, err
	}
	it, ok := iterate(load)
	if !ok {
		return PillarRequest{}, ErrNotMap
	}
	var r PillarRequest
	for it.next() {
		var err error
		switch key := string(it.key); key {
		case "id":
			err = readStr(key, it.val, &r.ID)
		case "grains":
			r.Grains = it.val
		case "saltenv":
			err = readOptStr(key, it.val, &r.SaltEnv)
		case "pillarenv":
			err = readOptStr(key, it.val, &r.PillarEnv)
		case "pillar_override":
			r.PillarOverride = it.val
		case "extra_minion_data":
			r.ExtraMinionData = it.val
		case "ver":
			err = readOptStr(key, it.val, &r.Ver)
		case "clean_cache":
			r.CleanCache = it.val
		case "nonce":
			err = readOptStr(key, it.val, &r.Nonce)
		}
		if err != nil {
			return PillarRequest{}, err
		}
	}
	if r.ID == "" || r.Grains == nil {
		return PillarRequest{}, errMissing("id or grains")
	}
	return r, nil
}

// PrivateReply is the answer to a command that is answered privately. Spec: auth-and-crypto §6.
type PrivateReply struct {
	Key    []byte // key string of the reply, under the target's public key
	Pillar []byte // ciphertext under that key, without nonce prefix
}

// Append appends {"key": …, "pillar": …}.
func (r PrivateReply) Append(dst []byte) []byte {
	w := beginMap(dst, Wire)
	w.bytes("key", r.Key)
	w.bytes("pillar", r.Pillar)
	return w.end()
}

// ParsePrivateReply reads the answer; fields alias body. ErrReply means there is no key in it: sign in again and ask once more.
func ParsePrivateReply(body []byte) (PrivateReply, error) {
	if err := Check(body, OuterLimits); err != nil {
		return PrivateReply{}, err
	}
	key, _ := Field(body, "key")
	pillar, _ := Field(body, "pillar")
	var r PrivateReply
	var hasKey, hasPillar bool
	r.Key, hasKey = Bytes(key)
	r.Pillar, hasPillar = Bytes(pillar)
	if !hasKey || !hasPillar {
		return PrivateReply{}, fmt.Errorf("%w: no key and pillar in the private reply", ErrReply)
	}
	return r, nil
}

// PrivateBox is what the ciphertext of a private reply of level 2 and up holds after the marker.
type PrivateBox struct {
	Data []byte // a PrivateData in MessagePack
	Sig  []byte // the master's signature over Data
}

// Append appends {"data": …, "sig": …}.
func (b PrivateBox) Append(dst []byte) []byte {
	w := beginMap(dst, Wire)
	w.bytes("data", b.Data)
	w.bytes("sig", b.Sig)
	return w.end()
}

// ParsePrivateBox reads the payload; fields alias it. ErrReply when data or sig is missing.
func ParsePrivateBox(payload []byte) (PrivateBox, error) {
	if err := Check(payload, LoadLimits); err != nil {
		return PrivateBox{}, err
	}
	data, _ := Field(payload, "data")
	sig, _ := Field(payload, "sig")
	var b PrivateBox
	var hasData, hasSig bool
	b.Data, hasData = Bytes(data)
	b.Sig, hasSig = Bytes(sig)
	if !hasData || !hasSig {
		return PrivateBox{}, fmt.Errorf("%w: no data and sig in the private reply", ErrReply)
	}
	return b, nil
}

// PrivateData is the signed part of a private reply.
type PrivateData struct {
	Key    []byte // equal to PrivateReply.Key
	Pillar []byte // raw span of the pillar
	Nonce  string // the request's
}

// Append appends {"key": …, "pillar": …, "nonce": …}; Pillar is copied as it is.
func (d PrivateData) Append(dst []byte) []byte {
	w := beginMap(dst, Wire)
	w.bytes("key", d.Key)
	w.raw("pillar", d.Pillar)
	w.str("nonce", d.Nonce)
	return w.end()
}

// ParsePrivateData reads the signed part; Pillar aliases it. The caller verifies the signature and compares Key and Nonce.
func ParsePrivateData(data []byte) (PrivateData, error) {
	if err := Check(data, LoadLimits); err != nil {
		return PrivateData{}, err
	}
	key, _ := Field(data, "key")
	pillar, ok := Field(data, "pillar")
	nonce, _ := Field(data, "nonce")
	d := PrivateData{Pillar: pillar}
	if !ok {
		return PrivateData{}, errMissing("pillar")
	}
	if err := readBytes("key", key, &d.Key); err != nil {
		return PrivateData{}, err
	}
	if err := readStr("nonce", nonce, &d.Nonce); err != nil {
		return PrivateData{}, err
	}
	return d, nil
}
