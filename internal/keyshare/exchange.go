package keyshare

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// Command is the clear command with which a master asks another for its decisions. Stock masters do not know it.
//
//	request  {cmd, body: JSON pullRequest, sig: by the asking master's key}
//	reply    {key: OAEP(asking master's key, K), box: pullReply under K, sig: by the answering master's key}
//	         {error: text}
const Command = "_saltern_keys"

const (
	pullDomain   = "saltern key pull\n"
	pulledDomain = "saltern key pulled\n"
	pullPage     = 2000            // entries per reply, about 1.5 MB
	pullAge      = 5 * time.Minute // how far the clocks of two masters may be apart
	pullMaxBody  = 4096
	pullMaxPages = maxEntries/pullPage + 1
)

// ErrRefused is returned when the other master does not share its keys with this one.
var ErrRefused = errors.New("the other master refuses to share its keys")

type pullRequest struct {
	From  string `json:"from"`
	To    string `json:"to"` // hash of the key of the master that is asked
	Nonce string `json:"nonce"`
	Time  int64  `json:"time"`
	After string `json:"after"`
}

type pullReply struct {
	Entries []Entry `json:"entries"`
	More    bool    `json:"more"`
}

// Serve answers one request. listed tells which peers the configuration names: a pinned key alone is no invitation. The
// error is for the log; the reply goes out either way.
func (s *Share) Serve(load *wire.Map, own *pki.PrivateKey, listed func(string) bool) (reply []byte, err error) {
	req, asker, err := s.checkRequest(load, own.Public(), listed)
	if err != nil {
		refusal, encErr := wire.Encode(wire.NewMap("error", "keys are not shared with you"), wire.Wire)
		return refusal, errors.Join(err, encErr)
	}
	var page pullReply
	err = s.with(func(l *ledgerFile) error {
		page.Entries, err = s.entries(l, req.After, pullPage+1)
		return err
	})
	if err != nil {
		refusal, encErr := wire.Encode(wire.NewMap("error", "the keys cannot be read"), wire.Wire)
		return refusal, errors.Join(err, encErr)
	}
	if len(page.Entries) > pullPage {
		page.Entries, page.More = page.Entries[:pullPage], true
	}
	text, err := json.Marshal(page)
	if err != nil {
		return nil, err
	}
	secret := pki.NewKeyString()
	cipher, err := pki.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	key, err := asker.Encrypt(pki.OAEPSHA224, []byte(secret))
	if err != nil {
		return nil, err
	}
	box := cipher.Seal(nil, text)
	sig, err := own.Sign(signing, signedReply(req.Nonce, key, box))
	if err != nil {
		return nil, err
	}
	return wire.Encode(wire.NewMap("key", key, "box", box, "sig", sig), wire.Wire)
}

func signedReply(nonce string, key, box []byte) []byte {
	return bytes.Join([][]byte{[]byte(pulledDomain), []byte(nonce), key, box}, nil)
}

// checkRequest proves who asks. A request that was recorded and sent again yields nothing but what its first sender alone
// can open.
func (s *Share) checkRequest(load *wire.Map, own *pki.PublicKey, listed func(string) bool) (req pullRequest, asker *pki.PublicKey, err error) {
	body, sig := load.Bytes("body"), load.Bytes("sig")
	if len(body) == 0 || len(body) > pullMaxBody {
		return req, nil, fmt.Errorf("%w: request of %d bytes", ErrPeer, len(body))
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return req, nil, fmt.Errorf("%w: %w", ErrPeer, err)
	}
	if checkName(req.From) != nil || !listed(req.From) {
		return req, nil, fmt.Errorf("%w: saltern_key_peers does not list the asking master", ErrPeer)
	}
	signed := append([]byte(pullDomain), body...)
	asker, err = s.Peer(req.From)
	switch {
	case err == nil:
		err = asker.Verify(signing, signed, sig)
	case errors.Is(err, ErrPeer): // masters that have one key pair need no pins
		asker, err = own, own.Verify(signing, signed, sig)
	}
	if err != nil {
		return req, nil, fmt.Errorf("%w: %s: %w", ErrPeer, req.From, err)
	}
	if req.To != keyHash(own.Clean()) {
		return req, nil, fmt.Errorf("%w: %s asks another master", ErrPeer, req.From)
	}
	if age := s.now().Sub(time.Unix(req.Time, 0)).Abs(); age > pullAge {
		return req, nil, fmt.Errorf("%w: the clock of %s differs by %s", ErrPeer, req.From, age.Round(time.Second))
	}
	return req, asker, nil
}

// Ask sends one request body to another master and returns the reply.
type Ask func(ctx context.Context, body []byte) ([]byte, error)

// Pull fetches every decision of a peer and merges them. key is this master's own.
func (s *Share) Pull(ctx context.Context, peer string, key *pki.PrivateKey, ask Ask) (Report, error) {
	theirKey, err := s.Peer(peer)
	if errors.Is(err, ErrPeer) {
		theirKey, err = key.Public(), nil // one key pair for both; any other is found out by its signature
	}
	if err != nil {
		return Report{}, err
	}
	var all []Entry
	after := ""
	for range pullMaxPages {
		page, err := s.pullPage(ctx, after, key, theirKey, ask)
		if err != nil {
			return Report{}, fmt.Errorf("keys of %s: %w", peer, err)
		}
		for i := range page.Entries {
			if err := page.Entries[i].Check(); err != nil {
				return Report{}, fmt.Errorf("keys of %s: %w", peer, err)
			}
		}
		all = append(all, page.Entries...)
		if !page.More || len(page.Entries) == 0 {
			break
		}
		next := page.Entries[len(page.Entries)-1].ID
		if strings.Compare(next, after) <= 0 {
			return Report{}, fmt.Errorf("keys of %s: %w: pages do not advance", peer, ErrEntry)
		}
		after = next
	}
	var report Report
	err = s.with(func(l *ledgerFile) error {
		report, err = s.merge(l, peer, all)
		return err
	})
	return report, err
}

func (s *Share) pullPage(ctx context.Context, after string, key *pki.PrivateKey, theirs *pki.PublicKey, ask Ask) (page pullReply, err error) {
	var random [16]byte
	rand.Read(random[:]) // never fails
	req := pullRequest{
		From: s.opts.Name, To: keyHash(theirs.Clean()), Nonce: hex.EncodeToString(random[:]), Time: s.now().Unix(), After: after,
	}
	body, err := json.Marshal(req)
	if err != nil {
		return page, err
	}
	sig, err := key.Sign(signing, append([]byte(pullDomain), body...))
	if err != nil {
		return page, err
	}
	load, err := wire.Encode(wire.NewMap("cmd", Command, "body", body, "sig", sig), wire.Wire)
	if err != nil {
		return page, err
	}
	raw, err := ask(ctx, wire.AppendClear(nil, load, 3))
	if err != nil {
		return page, err
	}
	return openPage(raw, req.Nonce, key, theirs)
}

func openPage(raw []byte, nonce string, key *pki.PrivateKey, theirs *pki.PublicKey) (page pullReply, err error) {
	reply, err := wire.DecodeMap(raw, wire.Wire, wire.LoadLimits)
	if err != nil {
		return page, fmt.Errorf("%w: the answer is not one of a saltern master: %w", ErrRefused, err)
	}
	if text := reply.Str("error"); text != "" {
		return page, fmt.Errorf("%w: %.200q", ErrRefused, text)
	}
	if reply.Len() == 0 {
		return page, fmt.Errorf("%w: it does not know the request: not saltern, or without saltern_key_peers", ErrRefused)
	}
	sealed, box, sig := reply.Bytes("key"), reply.Bytes("box"), reply.Bytes("sig")
	if err := theirs.Verify(signing, signedReply(nonce, sealed, box), sig); err != nil {
		return page, fmt.Errorf("%w: %w", ErrPeer, err)
	}
	secret, err := key.Decrypt(pki.OAEPSHA224, sealed)
	if err != nil {
		return page, err
	}
	cipher, err := pki.NewCipher(string(secret))
	if err != nil {
		return page, err
	}
	text, err := cipher.Open(nil, box)
	if err != nil {
		return page, err
	}
	if err := json.Unmarshal(text, &page); err != nil {
		return page, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	if len(page.Entries) > pullPage {
		return page, fmt.Errorf("%w: %d entries in one page", ErrEntry, len(page.Entries))
	}
	return page, nil
}
