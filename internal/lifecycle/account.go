package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ErrNoUser is an account that does not exist; the exit status is ExitNoUser. The text is stock's.
//
//lint:ignore ST1005 stock's wording
var ErrNoUser = errors.New("The user is not available.")

// ErrSwitch is an account this process may not become.
var ErrSwitch = errors.New("unable to switch")

// Account is a resolved user.
type Account struct {
	Name   string
	UID    int
	GID    int
	Groups []int
	Home   string
}

// LookupAccount resolves a user name (or number) with its groups; ErrNoUser when it does not exist.
func LookupAccount(name string) (*Account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		if byID, idErr := user.LookupId(name); idErr == nil {
			u = byID
		} else {
			//lint:ignore ST1005 stock's wording
			return nil, fmt.Errorf("Failed to prepare the Salt environment for user %s. %w", name, ErrNoUser)
		}
	}
	a := &Account{Name: u.Username, Home: u.HomeDir}
	if a.UID, err = strconv.Atoi(u.Uid); err != nil {
		return nil, fmt.Errorf("account %s: user id: %w", name, err)
	}
	if a.GID, err = strconv.Atoi(u.Gid); err != nil {
		return nil, fmt.Errorf("account %s: group id: %w", name, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("account %s: groups: %w", name, err)
	}
	for _, id := range ids {
		n, err := strconv.Atoi(id)
		if err != nil {
			return nil, fmt.Errorf("account %s: group id: %w", name, err)
		}
		a.Groups = append(a.Groups, n)
	}
	return a, nil
}

// Current reports whether the process already runs as the account.
func (a *Account) Current() bool { return os.Geteuid() == a.UID && os.Getuid() == a.UID }

// DropPrivileges makes the whole process run as the account, for good: groups, group, user, then HOME,
// USER, LOGNAME and SHELL (spec: config-and-daemons §2.8). Nothing happens when it runs as that
// account already; ErrSwitch when it is neither that nor root.
//
// Go and the C library apply the change to every thread, C threads included, so sockets may exist
// before; files and directories the daemon needs later must have been given to the account first.
func DropPrivileges(a *Account) error {
	if a.Current() {
		return nil
	}
	if os.Geteuid() != 0 {
		//lint:ignore ST1005 stock's wording
		return fmt.Errorf("Salt configured to run as user %q but %w", a.Name, ErrSwitch)
	}
	if err := syscall.Setgroups(a.Groups); err != nil {
		return fmt.Errorf("switch to user %s: set groups: %w", a.Name, err)
	}
	if err := syscall.Setresgid(a.GID, a.GID, a.GID); err != nil {
		return fmt.Errorf("switch to user %s: set group: %w", a.Name, err)
	}
	if err := syscall.Setresuid(a.UID, a.UID, a.UID); err != nil {
		return fmt.Errorf("switch to user %s: set user: %w", a.Name, err)
	}
	if a.UID != 0 && syscall.Setuid(0) == nil {
		return fmt.Errorf("switch to user %s: root could be regained", a.Name)
	}
	for name, value := range map[string]string{"HOME": a.Home, "USER": a.Name, "LOGNAME": a.Name, "SHELL": "/bin/sh"} {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("switch to user %s: environment: %w", a.Name, err)
		}
	}
	return nil
}
