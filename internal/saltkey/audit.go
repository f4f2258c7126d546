package saltkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/saltern-io/saltern/pki"
)

// actor is who runs the command, as far as the system knows: the account before privileges were
// dropped, and the one sudo was called by.
type actor struct {
	uid      int
	user     string
	sudoUser string
	sudoUID  string
}

func whoActs() actor {
	a := actor{uid: os.Getuid(), sudoUser: os.Getenv("SUDO_USER"), sudoUID: os.Getenv("SUDO_UID")}
	if u, err := user.LookupId(strconv.Itoa(a.uid)); err == nil {
		a.user = u.Username
	}
	return a
}

// auditLog is the append-only record of who changed which key: one JSON object per line, mode 0600. A
// record is written before the change it tells of, so that no change is without one; a second record
// tells when the change failed. The file is opened for each run, so logrotate may rename it at any time.
type auditLog struct{ file *os.File }

// auditRecord is one line of the audit log.
type auditRecord struct {
	Time        string `json:"time"`   // UTC, RFC 3339 with microseconds
	Action      string `json:"action"` // accept, reject, delete, sign
	ID          string `json:"id"`
	From        string `json:"from,omitempty"` // states
	To          string `json:"to,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"` // sha256 of the body, what the minion's key.finger shows
	User        string `json:"user"`
	UID         int    `json:"uid"`
	SudoUser    string `json:"sudo_user,omitempty"` // as sudo left it in the environment
	SudoUID     string `json:"sudo_uid,omitempty"`
	PID         int    `json:"pid"`
	Error       string `json:"error,omitempty"` // the change recorded before failed
}

// openAudit opens the audit log before the first change. One that was asked for and cannot be opened
// stops the run; the default one is only warned about, so that a host with other directories goes on.
func (t *tool) openAudit() error {
	path, asked := t.auditLog, t.auditLog != ""
	if !asked {
		path, asked = t.cfg.KeyAuditLog, t.cfg.Raw.Has("saltern_key_audit_log")
	}
	if path == "" || path == "none" || t.audit != nil {
		return nil
	}
	log, err := openAuditLog(path)
	if err != nil {
		if asked {
			return fmt.Errorf("audit log: %w", err)
		}
		t.log.Warn(fmt.Sprintf("Changes of keys are not recorded: %v", err))
		return nil
	}
	t.audit = log
	return nil
}

func openAuditLog(path string) (*auditLog, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = f.Chmod(0o600)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &auditLog{f}, nil
}

// write appends one record with one call, so that records of several runs do not mix.
func (a *auditLog) write(r auditRecord) error {
	line, err := json.Marshal(r)
	if err == nil {
		_, err = a.file.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

func (a *auditLog) sync() error {
	if a == nil {
		return nil
	}
	return a.file.Sync()
}

func (a *auditLog) close() error {
	if a == nil {
		return nil
	}
	return a.file.Close()
}

// auditActions are the words of the audit log, whatever the events of a release line are called.
var auditActions = map[string]string{"accepted": "accept", "rejected": "reject"}

func (t *tool) auditRecord(action string, k keyID) auditRecord {
	if word := auditActions[action]; word != "" {
		action = word
	}
	r := auditRecord{
		Time: time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00"), Action: action, ID: k.id,
		User: t.actor.user, UID: t.actor.uid, SudoUser: t.actor.sudoUser, SudoUID: t.actor.sudoUID, PID: os.Getpid(),
	}
	if k.state != pki.None {
		r.From = k.state.String()
	}
	return r
}

// record writes what is about to be done to a key.
func (t *tool) record(action string, k keyID, to pki.State, pem []byte) error {
	if t.audit == nil {
		return nil
	}
	r := t.auditRecord(action, k)
	if to != pki.None {
		r.To = to.String()
	}
	var err error
	if r.Fingerprint, err = pki.Fingerprint(pem, "sha256"); err != nil {
		return err
	}
	return t.audit.write(r)
}

// recordFailure takes back what record told of.
func (t *tool) recordFailure(action string, k keyID, cause error) error {
	if t.audit == nil {
		return nil
	}
	r := t.auditRecord(action, k)
	r.Error = cause.Error()
	return t.audit.write(r)
}
