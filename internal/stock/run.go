package stock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Result is what one command left behind.
type Result struct {
	Argv   []string
	Stdout string
	Stderr string
	Code   int // exit status
	Took   time.Duration
}

// ErrTimeout is returned when a command or condition did not end within its deadline.
var ErrTimeout = errors.New("deadline passed")

// pipeGrace is how long a finished command's output may stay open in a stray child.
const pipeGrace = 2 * time.Second

// Run executes argv in its own process group and collects its output. A command that outlives timeout is
// killed with its group and ErrTimeout returned together with what it wrote. A non-zero status is no error.
func Run(ctx context.Context, argv, env []string, timeout time.Duration) (Result, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(limited, argv[0], argv[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = pipeGrace
	begun := time.Now()
	err := cmd.Run()
	result := Result{
		Argv: argv, Stdout: stdout.String(), Stderr: stderr.String(),
		Took: time.Since(begun), Code: -1,
	}
	if cmd.ProcessState != nil {
		result.Code = cmd.ProcessState.ExitCode()
	}
	switch exit := (*exec.ExitError)(nil); {
	case ctx.Err() != nil:
		return result, ctx.Err()
	case limited.Err() != nil:
		return result, fmt.Errorf("%s: no end within %s: %w", result.Line(), timeout, ErrTimeout)
	case err == nil, errors.As(err, &exit), errors.Is(err, exec.ErrWaitDelay):
		return result, nil
	default:
		return result, fmt.Errorf("run %s: %w", argv[0], err)
	}
}

// Line is the command line as a person would type it.
func (r Result) Line() string {
	words := make([]string, len(r.Argv))
	for i, word := range r.Argv {
		if word == "" || strings.ContainsAny(word, " *?'\"[]{}()<>|;&$") {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words[i] = word
	}
	return strings.Join(words, " ")
}

// killGroup kills every process of the group led by pid; a group that is gone is no error.
func killGroup(pid int) error {
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill process group %d: %w", pid, err)
	}
	return nil
}
