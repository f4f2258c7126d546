package master_test

import (
	"testing"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
)

// sequenceAnswers are the replies to commands whose recorded replies had content that this release
// does not serve.
var sequenceAnswers = map[string]string{
	wire.CmdFileList: `[]`, wire.CmdFileListEmptyDirs: `[]`, wire.CmdDirList: `[]`, wire.CmdSymlinkList: `{}`,
	wire.CmdFileHash: `""`, wire.CmdFileFind: `{"path":"","rel":""}`, wire.CmdServeFile: `{"data":"","dest":""}`,
	wire.CmdMasterTops: `{}`, wire.CmdPillar: `{}`, wire.CmdFileRecv: `false`,
	wire.CmdMinionPub: `{}`, wire.CmdPubRet: `{}`, wire.CmdMinionRunner: `{}`,
}

// unservedTargets are scenarios whose publication names minions by what this release does not know.
var unservedTargets = map[string]bool{
	"tgt_grain": true, "tgt_comp": true, "tgt_nodegroup": true, "tgt_ip": true,
	"eauth_ok": true, "eauth_bad": true, "mktoken": true,
}

// TestSequences replays what a stock minion and a stock client of three releases sent in every
// recorded scenario, from the start to the stop, and wants the recorded replies; every return must
// reach the event bus whole.
func TestSequences(t *testing.T) {
	for release, id := range map[string]string{"3006.10": "m6", "3007.8": "m7", "3008": "m8"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			var file struct {
				Scenarios []struct {
					Name     string
					Messages []recorded
				}
			}
			readVectors(t, "master-wire-"+release+".json", &file)
			m := mastertest.Start(t, func(c *config.Master) {
				c.MinimumAuthVersion = 2
				c.FileRoots = []config.Environment{{Name: "base"}, {Name: "dev"}}
				c.PublisherACLBlacklist.Modules = []string{"network.*"}
				for _, g := range [][2]string{{"ng", "L@m6,m7,m8"}, {"gr", "G@role:web"}, {"nest", "N@gr and not nosuch*"}} {
					c.Nodegroups = append(c.Nodegroups, config.Nodegroup{Name: g[0], Expr: &config.Value{Data: g[1]}})
				}
			})
			// The sender of each scenario is a level-2 minion of 3006.10, a level-3 one else.
			level := wire.Level(3)
			if release == "3006.10" {
				level = 2
			}
			s := &sequence{
				m: m, minion: mastertest.SignedIn(t, m, id, level), bus: m.Bus(t), clear: m.Clear(t), key: m.RootKey(t),
			}
			sent := 0
			for _, scenario := range file.Scenarios {
				t.Run(scenario.Name, func(t *testing.T) {
					for _, msg := range scenario.Messages {
						sent += s.replay(t, scenario.Name, msg)
					}
				})
			}
			if sent < 200 {
				t.Errorf("%d messages replayed", sent)
			}
			if stats := m.Master.Stats(); stats.Failed != 0 || stats.Unknown != 0 || stats.Refused != 0 {
				t.Errorf("stats after the replay: %+v", stats)
			}
		})
	}
}

type sequence struct {
	m      *mastertest.Running
	minion *mastertest.Minion
	bus    *mastertest.Bus
	clear  func(*wire.Map) any
	key    string
}

// replay sends one message and reports how many were sent: those too large for the recordings and
// sign-ins, which have tests of their own, are not.
func (s *sequence) replay(t *testing.T, scenario string, msg recorded) int {
	t.Helper()
	if msg.Load == "" || msg.Reply == "" && msg.Enc != "clear" {
		return 0
	}
	load := msg.load(t, s.minion)
	cmd := load.Str("cmd")
	if cmd == wire.CmdAuth {
		return 0
	}
	recordedReply, err := wire.Decode(msg.reply(t), wire.Wire, wire.LoadLimits)
	if err != nil {
		t.Fatal(err)
	}
	want := withoutJID(recordedReply)
	if msg.Enc == "clear" {
		if cmd == wire.CmdPublish {
			load.Set("key", s.key)
		}
		reply := s.clear(load)
		if !unservedTargets[scenario] && withoutJID(reply) != want {
			t.Errorf("%s\nreply %s\nwant  %s", asJSON(load), withoutJID(reply), want)
		}
		return 1
	}
	if answer, ok := sequenceAnswers[cmd]; ok {
		want = answer
	}
	var got string
	if msg.Kind == "send_private" {
		value, text := s.minion.Private(t, load)
		got = text + asJSON(value)
	} else {
		got = withoutJID(s.minion.Do(t, load))
	}
	if got != want && !sameMembers(got, want) {
		t.Errorf("%s\nreply %s\nwant  %s", asJSON(load), got, want)
	}
	if cmd == wire.CmdReturn && load.Str("jid") != "req" {
		s.wantReturnEvent(t, load)
	}
	return 1
}

// sameMembers compares the two forms of a list of environments, which has no order.
func sameMembers(got, want string) bool {
	return got == `["base","dev"]` && want == `["dev","base"]`
}

func (s *sequence) wantReturnEvent(t *testing.T, load *wire.Map) {
	t.Helper()
	data := s.bus.Until(t, "salt/job/"+load.Str("jid")+"/ret/"+load.Str("id"))
	want := load.Clone()
	for _, m := range []*wire.Map{data, want} {
		for _, key := range []string{"tok", "ts", "_stamp", "nonce"} {
			if m == data && (key == "tok" || key == "nonce") && m.Has(key) {
				t.Errorf("%s is in the event of a return", key)
			}
			m.Delete(key)
		}
	}
	if asJSON(data) != asJSON(want) {
		t.Errorf("event %s\nwant  %s", asJSON(data), asJSON(want))
	}
}
