package check

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

const (
	atOnce             = 8 // masters of masters looked at together
	defaultPublishPort = 4505
)

// upstreams looks at every master of masters, several at a time.
func (c *checker) upstreams(ctx context.Context) {
	if c.syndic == nil {
		return
	}
	free := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for _, u := range c.syndic.Upstreams {
		free <- struct{}{}
		wg.Go(func() {
			c.upstream(ctx, u)
			<-free
		})
	}
	wg.Wait()
}

// upstream checks one master of masters: name, both ports, what answers there, and a ping. A ping leaves
// no trace: stock and saltern masters echo it.
func (c *checker) upstream(ctx context.Context, u config.Upstream) {
	lookup, cancel := context.WithTimeout(ctx, c.o.Timeout)
	_, err := net.DefaultResolver.LookupHost(lookup, u.Host)
	cancel()
	if err != nil {
		c.add(Finding{Level: Fault, Area: AreaUpstream, Option: "syndic_master", Where: c.upstreamPos(), What: fmt.Sprintf("%s cannot be resolved: %v", u.Host, err), Hint: "getent ahosts " + quote(u.Host)})
		return
	}
	publish, option := u.PublishPort, "syndic_master_publish_port"
	if publish == 0 {
		publish, option = defaultPublishPort, ""
	}
	c.publishPort(ctx, u, publish, option)
	where := net.JoinHostPort(u.Host, strconv.Itoa(u.Port))
	p, err := dialPeer(ctx, where, "REQ", c.o.Timeout)
	if err != nil {
		c.unreachable(where, "request port", err)
		return
	}
	defer p.close()
	if !slices.Contains([]string{"ROUTER", "REP", "DEALER"}, p.kind) {
		c.add(Finding{Level: Fault, Area: AreaUpstream, Option: "syndic_master_port", Where: where, What: "is no request port: a " + p.kind + " socket answers", Hint: "use the ret_port of that master"})
		return
	}
	if err := c.ping(p); err != nil {
		c.add(Finding{Level: Warning, Area: AreaUpstream, Where: where, What: "takes connections and does not answer a ping: " + err.Error(), Hint: "there: saltern status master, or systemctl status salt-master"})
		return
	}
	c.ok(AreaUpstream, where, "answers")
	if c.o.SignIn {
		c.signIn(ctx, where)
	}
}

func (c *checker) upstreamPos() string { return c.syndic.Raw.Get("syndic_master").Pos() }

// publishPort checks the publish side. The port a master announces at sign-in is not known yet, so the
// usual one being silent is only worth a warning.
func (c *checker) publishPort(ctx context.Context, u config.Upstream, port int, option string) {
	where := net.JoinHostPort(u.Host, strconv.Itoa(port))
	p, err := dialPeer(ctx, where, "SUB", c.o.Timeout)
	switch {
	case err != nil && option != "":
		c.unreachable(where, "publish port", err)
		return
	case err != nil:
		c.add(Finding{
			Level: Warning, Area: AreaUpstream, Where: where, What: "the usual publish port does not answer (" + reason(err) + "); a master with another one announces it at sign-in",
			Hint: "open it in the firewall, or set syndic_master_publish_port to check it here",
		})
		return
	}
	defer p.close()
	if p.kind != "PUB" && p.kind != "XPUB" {
		c.add(Finding{Level: Fault, Area: AreaUpstream, Option: option, Where: where, What: "is no publish port: a " + p.kind + " socket answers", Hint: "use the publish_port of that master"})
		return
	}
	c.ok(AreaUpstream, where, "publishes")
}

func (c *checker) unreachable(where, what string, err error) {
	hint := "nc -vz " + where
	if host, port, splitErr := net.SplitHostPort(where); splitErr == nil {
		hint = "nc -vz " + quote(host) + " " + port
	}
	c.add(Finding{Level: Fault, Area: AreaUpstream, Where: where, What: "the " + what + " cannot be used: " + reason(err), Hint: hint})
}

func reason(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	}
	return err.Error()
}

// ping sends the clear command that failover minions use as their sign of life.
func (c *checker) ping(p *peer) error {
	load, err := wire.Encode(wire.NewMap("cmd", wire.CmdPing), wire.Wire)
	if err != nil {
		return err
	}
	reply, err := p.request(wire.AppendClear(nil, load, clientLevel))
	if err != nil {
		return err
	}
	return wire.Check(reply, wire.OuterLimits)
}

// clientLevel is the protocol level of what is sent here.
const clientLevel = 3

// signIn asks whether the syndic's key is accepted, with the request a starting syndic sends.
func (c *checker) signIn(ctx context.Context, where string) {
	key, err := pki.LoadPrivateKey(c.syndic.MinionKeyPath(), nil)
	if err != nil {
		return // reported with the keys
	}
	p, err := dialPeer(ctx, where, "REQ", c.o.Timeout)
	if err != nil {
		c.unreachable(where, "request port", err)
		return
	}
	defer p.close()
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	body, err := wire.AuthRequest{
		ID: c.syndic.ID, Nonce: hex.EncodeToString(nonce[:]), EncAlgo: c.syndic.EncryptionAlgorithm, SigAlgo: c.syndic.SigningAlgorithm,
		Pub: key.Public().Clean(), Level: clientLevel,
	}.AppendEnvelope(nil)
	if err != nil {
		c.add(Finding{Level: Fault, Area: AreaUpstream, Where: where, What: "the sign-in cannot be made: " + err.Error()})
		return
	}
	raw, err := p.request(body)
	if err != nil {
		c.add(Finding{Level: Warning, Area: AreaUpstream, Where: where, What: "does not answer a sign-in: " + err.Error()})
		return
	}
	reply, err := wire.ParseAuthReply(raw)
	if err != nil {
		c.add(Finding{Level: Fault, Area: AreaUpstream, Where: where, What: "answers a sign-in with something else: " + err.Error()})
		return
	}
	c.add(c.signedIn(where, reply))
}

func (c *checker) signedIn(where string, reply wire.AuthReply) Finding {
	f := Finding{Level: Fault, Area: AreaUpstream, Where: where}
	id := quote(c.syndic.ID)
	switch {
	case reply.Accept != nil:
		f.Level, f.What = OK, "knows and accepts the key of "+c.syndic.ID
	case reply.Ret == true:
		f.Level, f.What, f.Hint = Warning, "the key of "+c.syndic.ID+" is pending there", "there: salt-key -a "+id
	case reply.Ret == false:
		f.What, f.Hint = "refuses the key of "+c.syndic.ID, "there: salt-key -f "+id+"   # compare with: saltern key, and accept or delete it"
	case reply.Ret == "full":
		f.What, f.Hint = "takes no more minions", "there: raise max_minions"
	default:
		f.What = fmt.Sprintf("answers a sign-in with %v", reply.Ret)
	}
	return f
}
