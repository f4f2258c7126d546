package check

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/lifecycle"
)

// Roles that can be checked.
const (
	RoleMaster = "master"
	RoleSyndic = "syndic"
	RoleBroker = "broker" // its configuration only
	RoleRelay  = "relay"  // its configuration only
)

// Options say what to check. The zero value checks /etc/salt with everything but a sign-in.
type Options struct {
	Load   config.LoadOptions
	Roles  []string // RoleMaster, RoleSyndic; none = the master, and the syndic where syndic_master is set
	Quick  bool     // only what could stop a start on this host: no network, no walk over all keys
	SignIn bool     // ask every master of masters whether it knows the syndic's key; an unknown key becomes pending there

	Timeout time.Duration    // per connection; 0 = 5 s
	Proc    string           // "" = /proc
	Now     func() time.Time // nil = time.Now
}

// checker collects the findings of one run.
type checker struct {
	o       Options
	master  *config.Master
	syndic  *config.Syndic
	account *lifecycle.Account // of the master; nil when it does not exist
	roles   []string

	mu     sync.Mutex
	report Report
}

func (c *checker) add(f Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.report.Findings, f) {
		c.report.Findings = append(c.report.Findings, f)
	}
}

func (c *checker) ok(area, where, format string, args ...any) {
	c.add(Finding{Level: OK, Area: area, Where: where, What: fmt.Sprintf(format, args...)})
}

func (c *checker) has(role string) bool { return slices.Contains(c.roles, role) }

// Run checks the host. It never fails: what cannot be looked at is a finding.
func Run(ctx context.Context, o Options) *Report {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &checker{o: o}
	c.config()
	if c.master != nil {
		c.accounts()
		c.files()
		c.keys()
		c.daemons()
		c.limits()
	}
	c.clock()
	if !o.Quick {
		c.upstreams(ctx)
	}
	c.report.sort()
	return &c.report
}

// accounts looks up who the daemons run as.
func (c *checker) accounts() {
	account, err := lifecycle.LookupAccount(c.master.User)
	if err != nil {
		c.add(Finding{
			Level: Fault, Area: AreaConfig, Option: "user", Where: c.master.Raw.Get("user").Pos(),
			What: fmt.Sprintf("the account %s does not exist", c.master.User), Hint: "useradd --system --no-create-home --shell /usr/sbin/nologin " + c.master.User,
		})
		return
	}
	c.account = account
}
