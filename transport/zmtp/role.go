package zmtp

import "fmt"

// Role is the type of a socket, as it is announced to the peer.
type Role uint8

// Roles. The zero value is none.
const (
	RolePub Role = iota + 1
	RoleSub
	RoleReq
	RoleRep
	RoleDealer
	RoleRouter
	RolePull
	RolePush
	RoleXPub
	RoleXSub
)

// roles is indexed by Role. fits are the roles that may be on the other side.
var roles = [...]struct {
	name     string
	fits     []Role
	identity bool // READY carries an Identity property
}{
	RolePub:    {name: "PUB", fits: []Role{RoleSub, RoleXSub}},
	RoleSub:    {name: "SUB", fits: []Role{RolePub, RoleXPub}},
	RoleReq:    {name: "REQ", fits: []Role{RoleRep, RoleRouter}, identity: true},
	RoleRep:    {name: "REP", fits: []Role{RoleReq, RoleDealer}},
	RoleDealer: {name: "DEALER", fits: []Role{RoleRep, RoleDealer, RoleRouter}, identity: true},
	RoleRouter: {name: "ROUTER", fits: []Role{RoleReq, RoleDealer, RoleRouter}, identity: true},
	RolePull:   {name: "PULL", fits: []Role{RolePush}},
	RolePush:   {name: "PUSH", fits: []Role{RolePull}},
	RoleXPub:   {name: "XPUB", fits: []Role{RoleSub, RoleXSub}},
	RoleXSub:   {name: "XSUB", fits: []Role{RolePub, RoleXPub}},
}

// String returns the name on the wire.
func (r Role) String() string {
	if r.valid() {
		return roles[r].name
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

func (r Role) valid() bool { return r >= RolePub && r <= RoleXSub }

// publishes reports whether peers send subscriptions to this role.
func (r Role) publishes() bool { return r == RolePub || r == RoleXPub }

// code is the number of the role in a ZMTP 2.0 greeting, which counts PAIR as 0 and goes on in our order.
func (r Role) code() byte { return byte(r) }

// fit reports whether a peer of role p may talk to r.
func (r Role) fit(p Role) bool {
	for _, f := range roles[r].fits {
		if f == p {
			return true
		}
	}
	return false
}

// roleNamed returns the role with this name on the wire.
func roleNamed(name []byte) (Role, bool) {
	for r := RolePub; r <= RoleXSub; r++ {
		if roles[r].name == string(name) {
			return r, true
		}
	}
	return 0, false
}
