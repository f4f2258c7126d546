package syndic

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/version"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

// wantStart asks for the start events: a connection was made. The sender fires them before anything
// else; connections that follow each other faster than that share one round.
func (u *Upstream) wantStart() {
	u.starts.Store(true)
	u.box.nudge()
}

func (u *Upstream) startDue() bool { return u.starts.Load() }

// sayStart fires the start events, by which the upstream learns that this id is a syndic
// (spec: syndic §4). After a failure they are due again, unless the upstream does not want them.
func (u *Upstream) sayStart(ctx context.Context) error {
	u.starts.Store(false)
	err := u.fireStarts(ctx)
	if err == nil {
		u.relay.up(u)
		select {
		case u.announced <- struct{}{}:
		default:
		}
	}
	if err != nil && ctx.Err() == nil {
		u.failures.Add(1)
		u.log.Warn("Start events not acknowledged", "err", err)
		if !ownFault(err, batch{}) {
			u.starts.Store(true)
			u.clock.sleep(ctx, urgentLinger*20, u.revived)
		}
	}
	return err
}

func (u *Upstream) fireStarts(ctx context.Context) error {
	text := fmt.Sprintf("Syndic %s started at %s", u.ident.ID, time.Now().Format("Mon Jan _2 15:04:05 2006"))
	tags := []string{"salt/syndic/" + u.ident.ID + "/start"}
	if u.cfg.EnableLegacyStartupEvents {
		tags = append([]string{"syndic_start"}, tags...)
	}
	for _, tag := range tags {
		err := u.request(ctx, func(p wire.Proof) ([]byte, error) {
			return wire.MinionEventRequest{ID: u.ident.ID, Tag: tag, Data: text}.AppendLoad(nil, p)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// askPillar asks for a pillar once, as a stock syndic does when it connects. Nothing uses the answer; the
// upstream enters the syndic's grains in its minion data, where targets look for them
// (spec: syndic §1). It has a socket of its own: rendering a pillar may take long.
func (u *Upstream) askPillar(ctx context.Context) {
	client, err := transport.NewRequestClient(transport.RequestClientConfig{
		Context: u.zctx, Endpoint: u.endpoint(), Options: u.options(), Log: u.log,
	})
	if err != nil {
		u.log.Debug("No socket for the pillar request", "err", err)
		return
	}
	defer u.closeClient(client)
	grains, err := wire.Encode(u.grains(), wire.Wire)
	if err != nil {
		u.log.Debug("Grains not encoded", "err", err)
		return
	}
	creds := u.creds.Load()
	empty := wire.AppendMapHeader(nil, 0)
	load := wire.PillarRequest{ID: u.ident.ID, Grains: grains, PillarOverride: empty, ExtraMinionData: empty, Ver: "2"}.
		AppendLoad(nil, u.ident.Proof(creds, wire.NewNonce(), time.Now()))
	ctx, cancel := context.WithTimeout(ctx, pillarTimeout)
	defer cancel()
	if _, err := client.Do(ctx, u.ident.Seal(creds, load)); err != nil && ctx.Err() == nil {
		u.log.Debug("Pillar request not answered", "err", err)
	}
}

const pillarTimeout = 30 * time.Second

// grains are the few facts about this host that a syndic knows without the modules of a minion.
func (u *Upstream) grains() *wire.Map {
	host, _ := os.Hostname() // "" is what is known then
	kernel := runtime.GOOS
	if kernel == "linux" {
		kernel = "Linux"
	}
	name, _, _ := strings.Cut(host, ".")
	return wire.NewMap(
		"id", u.ident.ID, "kernel", kernel, "os", distribution("/etc/os-release"), "host", name, "nodename", host,
		"num_cpus", runtime.NumCPU(), "master", u.to.Host, "saltern_version", version.Version,
	)
}

// distribution is the first word of the distribution's name, "" when unknown.
func distribution(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "NAME="); ok {
			if words := strings.Fields(strings.Trim(name, `"'`)); len(words) > 0 {
				return words[0]
			}
		}
	}
	return ""
}
