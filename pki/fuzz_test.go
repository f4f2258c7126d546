package pki

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzParsePEM(f *testing.F) {
	for _, key := range readKeys(f).Keys {
		f.Add([]byte(key.Public))
		f.Add([]byte(key.PublicClean))
		f.Add([]byte(key.Private))
	}
	f.Add(pkcs1Public(testKey(f, "minion").Public()))
	f.Fuzz(func(t *testing.T, text []byte) {
		clean := CleanKey(string(text))
		if again := CleanKey(clean); again != clean {
			t.Errorf("cleaning twice: %q, then %q", clean, again)
		}
		key, err := ParsePublicKey(text)
		if err == nil {
			again, err := ParsePublicKey(key.PEM())
			if err != nil || !again.Equal(key) {
				t.Errorf("own PEM is not the same key: %v", err)
			}
		} else if !errors.Is(err, ErrKeyFormat) {
			t.Errorf("undeclared error: %v", err)
		}
		if _, err := Fingerprint(text, "sha256"); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParsePrivatePEM(f *testing.F) {
	v := readKeys(f)
	f.Add([]byte(v.Keys["rsa1024"].Private))
	f.Add([]byte(v.Keys["rsa1024"].PrivatePKCS8))
	f.Add([]byte(v.Encrypted.PEM))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := parsePrivatePEM(text, []byte("throw-away")); err != nil &&
			!errors.Is(err, ErrKeyFormat) && !errors.Is(err, ErrPassphrase) {
			t.Errorf("undeclared error: %v", err)
		}
	})
}

func FuzzRecoverX931(f *testing.F) {
	key := testKey(f, "rsa1024").Public()
	for _, v := range readRSA(f).X931 {
		if v.Key == "rsa1024" {
			f.Add(unhex(f, v.Signature))
			f.Add(unhex(f, v.Block))
		}
	}
	f.Fuzz(func(t *testing.T, sig []byte) {
		if _, err := key.RecoverX931(sig); err != nil && !errors.Is(err, ErrSignature) {
			t.Errorf("undeclared error: %v", err)
		}
		msg, err := unpadX931(sig)
		if err != nil {
			return
		}
		block, err := padX931(msg, len(sig))
		if err != nil || !bytes.Equal(block, sig) {
			t.Errorf("%x unpads to %x, which pads to %x, %v", sig, msg, block, err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	v := readBoxes(f)
	c := testCipher(f, v.Vectors[0].Key)
	for _, v := range append(append(v.Vectors, v.Padding...), v.Negative...) {
		f.Add(unhex(f, v.Cipher))
	}
	f.Fuzz(func(t *testing.T, box []byte) {
		plain, err := c.Open(nil, box)
		if err != nil && (!errors.Is(err, ErrBox) || plain != nil) {
			t.Errorf("undeclared result: %x, %v", plain, err)
		}
		if len(box) >= MinBox && err == nil {
			if again := c.sealIV(nil, plain, (*[16]byte)(box)); !bytes.Equal(again, box) {
				t.Errorf("opened %x, sealed %x", box, again)
			}
		}
		// The same bytes as a plaintext, and with a tag that is right: only the padding can be wrong.
		if got, err := c.Open(nil, c.Seal(nil, box)); err != nil || !bytes.Equal(got, box) {
			t.Errorf("round trip: %v", err)
		}
		if len(box) >= 32 && len(box)%16 == 0 {
			s := c.take()
			forged := append(bytes.Clone(box), s.tag(box)...)
			c.give(s)
			if _, err := c.Open(nil, forged); err != nil && !errors.Is(err, ErrPadding) {
				t.Errorf("right tag: %v", err)
			}
		}
	})
}

func FuzzSharedKeyFile(f *testing.F) {
	s := sharedKeyFile{key: NewKeyString(), serial: 7}
	path := f.TempDir() + "/k"
	if err := s.write(path); err != nil {
		f.Fatal(err)
	}
	text, err := readRegular(path, 4096)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseSharedKeyFile(text); err == nil && len(s.key) != KeyStringLen {
			t.Errorf("accepted a key of %d characters", len(s.key))
		}
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("web[0-9]*", "web1.lan")
	f.Add("[!]a]?*", "b")
	f.Fuzz(func(_ *testing.T, pattern, text string) {
		compileGlob(pattern).match(text)
		translatePython(pattern)
	})
}
