package cliargs

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Exit statuses of the stock commands (spec: config-and-daemons §6.5).
const (
	ExitOK      = 0
	ExitGeneric = 1
	ExitUsage   = 64
)

// ExitError ends a command with a status. Text is written to stderr with a newline; an empty Text
// writes nothing, because the command has already said what there is to say.
type ExitError struct {
	Code int
	Text string
}

func (e *ExitError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("exit status %d", e.Code)
	}
	return e.Text
}

// Exit returns an ExitError without text, or nil for status 0.
func Exit(code int) error {
	if code == ExitOK {
		return nil
	}
	return &ExitError{Code: code}
}

// UsageError is a fault of the command line: printed below the usage line, exit status 64.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{Text: fmt.Sprintf(format, args...)}
}

// Execute runs cmd with args (without the program name), prints what went wrong to the command's
// error stream and returns the exit status: 0, 64 after a usage error, the code of an ExitError, else
// 1. It never ends the process.
func Execute(cmd *cobra.Command, args []string) int {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := run(cmd, args)
	if err == nil {
		return ExitOK
	}
	stderr := cmd.ErrOrStderr()
	var usage *UsageError
	if errors.As(err, &usage) {
		report(stderr, "Usage: %s\n\n%s: error: %s\n", cmd.UseLine(), cmd.Name(), usage.Text)
		return ExitUsage
	}
	var exit *ExitError
	if errors.As(err, &exit) {
		if exit.Text != "" {
			report(stderr, "%s\n", exit.Text)
		}
		return exit.Code
	}
	report(stderr, "Error: %v\n", err)
	return ExitGeneric
}

func run(cmd *cobra.Command, args []string) error {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if !isCompletion(args) {
		normal, err := Normalize(cmd.Flags(), args)
		if err != nil {
			return err
		}
		args = normal
	}
	if args == nil {
		args = []string{} // nil would make cobra read os.Args
	}
	cmd.SetArgs(args)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &UsageError{Text: err.Error()} })
	return cmd.Execute()
}

func isCompletion(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// report writes a message for people; when even stderr is gone there is nobody left to tell.
func report(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
