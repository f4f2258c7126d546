package master

import (
	"github.com/saltern-io/saltern/internal/keyshare"
	"github.com/saltern-io/saltern/internal/wire"
)

// handler turns one proven request into the value of its reply. errLater says that it answers by
// itself; any other error is answered as stock answers an exception, with an empty string.
type handler func(*Master, *request) ([]byte, error)

// command is a row of the table of encrypted commands (spec: master-functions §1.2).
type command struct {
	name    string
	run     handler
	tokless bool // levels 0–2: stock minions send no tok with it
	forSelf bool // acts for the id it names: refused for an id without an accepted key
	private bool // the reply goes under a key of its own, for the named minion only
	index   int  // row number, for the counters
}

// commands is the one list of what an encrypted request may ask for. Names are matched literally.
var commands = func() map[string]*command {
	rows := []*command{
		{name: wire.CmdReturn, run: (*Master).minionReturn, tokless: true, forSelf: true},
		{name: wire.CmdSyndicReturn, run: (*Master).syndicReturn, tokless: true},
		{name: wire.CmdSalternPubs, run: (*Master).missedPubs, forSelf: true},
		{name: wire.CmdSalternInventory, run: (*Master).takeInventory, forSelf: true},
		{name: wire.CmdMinionEvent, run: (*Master).minionEvent, forSelf: true},
		{name: wire.CmdPillar, run: (*Master).pillar, tokless: true, private: true},
		{name: wire.CmdMasterOpts, run: (*Master).masterOpts, tokless: true},
		{name: wire.CmdMasterTops, run: constant(valueEmptyMap), forSelf: true},
		{name: wire.CmdMine, run: (*Master).mineStore, forSelf: true},
		{name: wire.CmdMineGet, run: (*Master).mineGet, forSelf: true},
		{name: wire.CmdMineDelete, run: (*Master).mineDelete, forSelf: true},
		{name: wire.CmdMineFlush, run: (*Master).mineFlush, forSelf: true},
		{name: wire.CmdRevokeAuth, run: (*Master).revokeAuth, forSelf: true},
		// Files: nothing is served, in the shape of "nothing there" (spec: file-server §1).
		{name: wire.CmdFileRecv, run: constant(wire.FileRecvRefused), forSelf: true},
		{name: wire.CmdFileEnvs, run: (*Master).fileEnvs, tokless: true},
		{name: wire.CmdFileList, run: constant(wire.FileListNone), tokless: true},
		{name: wire.CmdFileListEmptyDirs, run: constant(wire.FileListNone), tokless: true},
		{name: wire.CmdDirList, run: constant(wire.FileListNone), tokless: true},
		{name: wire.CmdSymlinkList, run: constant(wire.SymlinkListNone), tokless: true},
		{name: wire.CmdFileFind, run: constant(wire.FileFindNone), tokless: true},
		{name: wire.CmdFileHash, run: constant(wire.FileHashNone), tokless: true},
		{name: wire.CmdFileHashAndStat, run: constant(wire.FileHashAndStatNone), tokless: true},
		{name: wire.CmdServeFile, run: constant(wire.ServeFileNone), tokless: true},
		// Peer publishing: no permission is configured, which is a denial (spec: master-functions §2.6).
		{name: wire.CmdMinionPub, run: constant(valueEmptyMap), forSelf: true},
		{name: wire.CmdMinionPublish, run: constant(valueEmptyMap), forSelf: true},
		{name: wire.CmdMinionRunner, run: constant(valueEmptyMap), forSelf: true},
		{name: wire.CmdPubRet, run: constant(valueEmptyMap), forSelf: true},
		// Listed by stock and never able to work: it always answers "".
		{name: wire.CmdVerifyMinion, run: constant(valueEmptyStr), forSelf: true},
	}
	table := make(map[string]*command, len(rows))
	for i, c := range rows {
		c.index = i
		table[c.name] = c
	}
	return table
}()

// answer sends the handler's value: privately for a pillar, else under the request's key.
func (c *command) answer(m *Master, r *request, value []byte) {
	if c.private {
		m.replyPrivate(r, value)
		return
	}
	r.reply(value)
}

// clearHandler serves one clear command; its result is the complete reply body.
type clearHandler func(*Master, *request) ([]byte, error)

// clearCommands is the list of clear commands, `_auth` apart.
var clearCommands = map[string]clearHandler{
	wire.CmdPing:    func(_ *Master, r *request) ([]byte, error) { return r.load, nil },
	wire.CmdPublish: (*Master).publish,
	wire.CmdMkToken: func(*Master, *request) ([]byte, error) { return valueEmptyStr, nil },
	wire.CmdGetTok:  (*Master).loginToken,
	wire.CmdRunner:  (*Master).runnerRequest,
	wire.CmdWheel:   (*Master).wheelRequest,

	keyshare.Command: (*Master).shareKeys,
}
