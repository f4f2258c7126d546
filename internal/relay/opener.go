package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

// What an opener waits for its master, and how long it does not try again after a failed sign-in.
const (
	openerTimeout = 5 * time.Second
	signInPause   = time.Second
)

// mark is a place among the publications of a master.
type mark struct {
	Epoch  string `json:"epoch"`
	Serial uint64 `json:"serial"`
}

// opener opens publications for a tap, with an accepted key of its own, and asks a saltern master for those that it missed. It
// belongs to the goroutine of the tap; signed alone is read by others.
type opener struct {
	ident  *signin.Identity
	master signin.Master
	client *transport.RequestClient
	log    *slog.Logger
	now    func() time.Time
	signed linkMark

	creds *signin.Credentials
	tried time.Time // the last sign-in that failed
}

// newOpener reads the key pair, or makes one.
func newOpener(t config.RelayTap, zctx *transport.Context, opts transport.SocketOptions, log *slog.Logger) (*opener, error) {
	ident, err := signin.Load(signin.Options{ID: t.ID, PKIDir: t.PKIDir, KeySize: 2048, EncAlg: "OAEP-SHA1", SigAlg: "PKCS1v15-SHA1"})
	if err != nil {
		return nil, err
	}
	o := &opener{
		ident: ident, log: log, now: time.Now,
		master: signin.Master{Host: t.Host, Port: t.RetPort, Name: t.Name, Pins: signin.Pins{Dir: t.PKIDir}},
	}
	o.client, err = transport.NewRequestClient(transport.RequestClientConfig{
		Context: zctx, Endpoint: transport.Endpoint(t.Host, t.RetPort), Options: opts, Log: log,
	})
	return o, err
}

// errNotNow says that the last sign-in failed a moment ago.
var errNotNow = errors.New("not signed in")

func (o *opener) signIn(ctx context.Context) error {
	if o.now().Sub(o.tried) < signInPause {
		return errNotNow
	}
	ctx, cancel := context.WithTimeout(ctx, openerTimeout)
	defer cancel()
	creds, err := o.master.SignIn(ctx, o.ident, o.client.Do)
	if err != nil {
		o.tried = o.now()
		if o.signed.set(false, err.Error()) {
			o.log.Warn("Tap cannot sign in, publications go into the stream unopened", "id", o.ident.ID, "err", err)
		}
		return err
	}
	creds.Succeed(o.creds, o.now())
	o.creds = creds
	if o.signed.set(true, "") {
		o.log.Info("Tap has signed in", "id", o.ident.ID, "level", int(creds.Level))
	}
	return nil
}

// open tells the place of a publication. The serial is 0 when the master numbers none.
func (o *opener) open(ctx context.Context, frame []byte) (m mark, err error) {
	for try := range 2 {
		if o.creds == nil || try > 0 {
			if err := o.signIn(ctx); err != nil {
				return m, err
			}
		}
		load, key, err := signin.OpenPublication(o.creds, frame, o.now())
		switch {
		case errors.Is(err, signin.ErrStaleKeys) && try == 0:
			continue
		case err != nil:
			return m, err
		}
		if serial := load.Int("serial"); serial > 0 {
			m = mark{Epoch: signin.EpochName(key.KeyString()), Serial: uint64(serial)}
		}
		return m, nil
	}
	return m, signin.ErrStaleKeys
}

// missed asks for what came after a place. wire.ErrNotServed and signin.ErrNotTaken are a master's that keeps no journal, or
// not for this key.
func (o *opener) missed(ctx context.Context, after mark) (wire.PubsReply, error) {
	if o.creds == nil {
		if err := o.signIn(ctx); err != nil {
			return wire.PubsReply{}, err
		}
	}
	ask := func() ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, openerTimeout)
		defer cancel()
		return o.ident.Exchange(ctx, o.creds, o.client.Do, func(p wire.Proof) ([]byte, error) {
			return wire.PubsRequest{ID: o.ident.ID, Epoch: after.Epoch, After: after.Serial, Frames: true}.AppendLoad(nil, p), nil
		})
	}
	value, err := ask()
	if errors.Is(err, signin.ErrStaleKeys) {
		if err = o.signIn(ctx); err == nil {
			value, err = ask()
		}
	}
	if err != nil {
		return wire.PubsReply{}, fmt.Errorf("ask for missed publications: %w", err)
	}
	if no, ok := wire.Bool(value); ok && !no {
		return wire.PubsReply{}, wire.ErrNotServed
	}
	return wire.ParsePubsReply(value)
}
