package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/saltern-io/saltern/internal/status"
)

// daemons tells which masters and syndics run on the checked configuration, and looks at the ports.
func (c *checker) daemons() {
	running := c.related()
	pidFiles := map[string]string{}
	if c.has(RoleMaster) {
		pidFiles[RoleMaster] = c.master.PIDFile
	}
	if c.syndic != nil {
		pidFiles[RoleSyndic] = c.syndic.PIDFile
	}
	for role, path := range pidFiles {
		c.pidFile(role, path, &running)
	}
	for _, p := range running {
		c.running(p)
	}
	for _, role := range []string{RoleMaster, RoleSyndic} {
		both := slices.DeleteFunc(slices.Clone(running), func(p process) bool { return p.role != role })
		if len(both) > 1 {
			c.add(Finding{
				Level: Fault, Area: AreaDaemons,
				What: fmt.Sprintf("a stock and a saltern %s run on the same configuration (pids %d and %d)", role, both[0].pid, both[1].pid),
				Hint: "stop one: systemctl stop salt-" + role + ", then: kill PID of the one that is left over",
			})
		}
	}
	if c.has(RoleMaster) {
		c.ports(running)
	}
	c.problems(running)
}

// pidFile adds the process a pid file names.
func (c *checker) pidFile(role, path string, running *[]process) {
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		return
	}
	pid := c.runningPID(path)
	if pid == 0 {
		c.add(Finding{Level: Note, Area: AreaDaemons, Where: path, What: "names a process that is gone; a start replaces it"})
		return
	}
	p, _ := c.process(pid)
	if slices.ContainsFunc(*running, func(q process) bool { return q.pid == pid || q.role == role && q.ours == p.ours }) {
		return
	}
	if p.role != role {
		c.add(Finding{Level: Note, Area: AreaDaemons, Where: path, What: fmt.Sprintf("names process %d, which is no salt-%s (%s); a start replaces it", pid, role, p.name)})
		return
	}
	*running = append(*running, p)
}

func (c *checker) running(p process) {
	if p.ours {
		c.ok(AreaDaemons, "", "saltern's salt-%s runs, pid %d", p.role, p.pid)
		return
	}
	f := Finding{Level: Note, Area: AreaDaemons, What: fmt.Sprintf("stock salt-%s runs, pid %d", p.role, p.pid)}
	if c.has(p.role) {
		f.Level = Warning
		f.What += fmt.Sprintf("; saltern's cannot start beside it on the same %s", map[string]string{RoleMaster: "ports and key store", RoleSyndic: "minion key"}[p.role])
		f.Hint = "hand over: systemctl stop salt-" + p.role + " && saltern check " + p.role + ", see docs/operate/replace-a-syndic.md"
	}
	c.add(f)
}

// problems asks running daemons of ours how they are; a syndic knows the state of its links best.
func (c *checker) problems(running []process) {
	if c.o.Quick {
		return
	}
	for _, p := range running {
		if !p.ours {
			continue
		}
		socket := map[string]string{RoleMaster: status.MasterSocket, RoleSyndic: status.SyndicSocket}[p.role]
		const wait = 3 * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		report, err := status.NewClient(filepath.Join(c.master.SockDir, socket)).Report(ctx)
		cancel()
		switch {
		case errors.Is(err, status.ErrDown), errors.Is(err, os.ErrPermission):
			continue
		case err != nil:
			c.add(Finding{Level: Warning, Area: AreaDaemons, What: fmt.Sprintf("salt-%s does not tell its status: %v", p.role, err), Hint: "saltern status " + p.role})
			continue
		}
		for _, problem := range report.Problems {
			c.add(Finding{Level: Warning, Area: AreaDaemons, What: fmt.Sprintf("salt-%s: %s", p.role, problem.Text), Hint: "saltern status " + p.role})
		}
	}
}
