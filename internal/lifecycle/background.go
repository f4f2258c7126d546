package lifecycle

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Go process cannot fork safely, so -d starts the program a second time, detached, and waits until
// it reports readiness over a pipe (spec: config-and-daemons §6.7):
//
//	parent: StartBackground ── exec self, setsid, stdio = /dev/null ──► child: BackgroundChild
//	        waits  ◄───────────── pipe: "ok" | "fail <status> <text>" ──        Ready | Fail
//	        exits with the status

// backgroundEnv names the descriptor of the pipe in the child's environment.
const backgroundEnv = "SALTERN_BACKGROUND_FD"

// backgroundFD is the first descriptor after the standard three.
const backgroundFD = 3

// maxReport bounds what the parent reads from the child.
const maxReport = 4096

// StartBackground runs this program again in the background with the same arguments and waits up to
// wait for its report. It returns the exit status for this process: 0 once the child is ready, the
// child's status when it failed (its text goes to stderr), ExitTempFail when it did not report in
// time, in which case the child is ended. Nothing is printed on success.
func StartBackground(wait time.Duration, stderr io.Writer) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return ExitGeneric, fmt.Errorf("start in the background: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return ExitGeneric, fmt.Errorf("start in the background: %w", err)
	}
	defer r.Close()
	cmd := &exec.Cmd{
		Path: self, Args: os.Args, ExtraFiles: []*os.File{w},
		Env:         append(os.Environ(), backgroundEnv+"="+strconv.Itoa(backgroundFD)),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return ExitGeneric, fmt.Errorf("start in the background: %w", err)
	}
	if err := r.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return ExitGeneric, errors.Join(fmt.Errorf("start in the background: %w", err), cmd.Process.Kill())
	}
	line, err := bufio.NewReader(io.LimitReader(r, maxReport)).ReadString('\n')
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		fmt.Fprintf(stderr, "The daemon did not become ready within %v\n", wait)
		kill := cmd.Process.Kill()
		_, waitErr := cmd.Process.Wait()
		return ExitTempFail, errors.Join(kill, waitErr)
	case err != nil:
		return ended(cmd, stderr)
	}
	status, text := parseReport(line)
	if status == ExitOK {
		return ExitOK, cmd.Process.Release()
	}
	if text != "" {
		fmt.Fprintln(stderr, text)
	}
	_, err = cmd.Process.Wait()
	return status, err
}

// ended is a child that closed the pipe without a report: its exit status tells.
func ended(cmd *exec.Cmd, stderr io.Writer) (int, error) {
	state, err := cmd.Process.Wait()
	if err != nil {
		return ExitGeneric, fmt.Errorf("start in the background: %w", err)
	}
	if code := state.ExitCode(); code > 0 {
		return code, nil
	}
	fmt.Fprintf(stderr, "The daemon ended before it was ready: %v\n", state)
	return ExitGeneric, nil
}

func parseReport(line string) (status int, text string) {
	line = strings.TrimSpace(line)
	if line == "ok" {
		return ExitOK, ""
	}
	rest, ok := strings.CutPrefix(line, "fail ")
	if !ok {
		return ExitGeneric, ""
	}
	code, quoted, _ := strings.Cut(rest, " ")
	status, err := strconv.Atoi(code)
	if err != nil || status <= 0 || status > 255 {
		status = ExitGeneric
	}
	if text, err = strconv.Unquote(quoted); err != nil {
		text = quoted
	}
	return status, text
}

// Background is the child's end of the pipe. A nil *Background belongs to a process in the
// foreground; its methods do nothing.
type Background struct{ pipe *os.File }

// BackgroundChild returns the pipe when this process was started by StartBackground, nil otherwise.
// It must be called once, before other descriptors are opened.
func BackgroundChild() *Background {
	fd, err := strconv.Atoi(os.Getenv(backgroundEnv))
	if err != nil || fd != backgroundFD {
		return nil
	}
	// The variable must not reach processes this one starts.
	if os.Unsetenv(backgroundEnv) != nil {
		return nil
	}
	syscall.CloseOnExec(fd)
	syscall.Umask(0o022)
	return &Background{pipe: os.NewFile(uintptr(fd), "background")}
}

// Ready tells the waiting parent to exit 0 and leaves the working directory, which a daemon must not
// keep busy; paths that are still relative stop working then.
func (b *Background) Ready() error {
	if b == nil {
		return nil
	}
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("go to the background: %w", err)
	}
	return b.report("ok\n")
}

// Fail tells the waiting parent why there will be no daemon and which status to exit with.
func (b *Background) Fail(status int, text string) error {
	if b == nil {
		return nil
	}
	if len(text) > maxReport/2 {
		text = text[:maxReport/2]
	}
	return b.report(fmt.Sprintf("fail %d %s\n", status, strconv.Quote(text)))
}

func (b *Background) report(line string) error {
	_, err := b.pipe.WriteString(line)
	if err := errors.Join(err, b.pipe.Close()); err != nil {
		return fmt.Errorf("report to the starting process: %w", err)
	}
	return nil
}
