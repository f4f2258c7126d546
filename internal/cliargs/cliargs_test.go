package cliargs

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/saltern-io/saltern/internal/wire"
)

func testFlags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	fs.StringP("list", "l", "", "")
	fs.BoolP("list-all", "L", false, "")
	fs.IntP("timeout", "t", 5, "")
	fs.BoolP("verbose", "v", false, "")
	fs.String("out", "", "")
	Alias(fs, "out", "output")
	fs.String("times", "", "") // not of stock
	Own(fs, "times")
	return fs
}

func TestNormalize(t *testing.T) {
	tests := []struct{ in, want, err string }{
		{"* test.ping", "-- * test.ping", ""},
		{"--list-a", "--list-all", ""},
		{"--lis x", "", "ambiguous option: --lis (--list, --list-all?)"},
		{"--list x", "--list=x", ""},
		{"--list=x", "--list=x", ""},
		{"-lall m1", "--list=all -- m1", ""},
		{"-vt3 m1 -L", "--verbose --timeout=3 --list-all -- m1", ""},
		{"-t -1", "--timeout=-1", ""},
		{"--output json", "--output=json", ""},
		{"--outp json", "--output=json", ""},
		{"--tim 1", "--timeout=1", ""},
		{"--times 1", "--times=1", ""},
		{"--times=a --ti 1", "--times=a --timeout=1", ""},
		{"m1 -- -v", "-- m1 -v", ""},
		{"m1 -", "-- m1 -", ""},
		{"--nope", "", "no such option: --nope"},
		{"-x", "", "no such option: -x"},
		{"-t", "", "-t option requires 1 argument"},
		{"--timeout big", "", "option --timeout: invalid integer value: 'big'"},
		{"--verbose=1", "", "--verbose option does not take a value"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := Normalize(testFlags(), strings.Fields(tt.in))
			if tt.err != "" {
				var usage *UsageError
				if !errors.As(err, &usage) || usage.Text != tt.err {
					t.Fatalf("got error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestExecute(t *testing.T) {
	tests := []struct {
		name, args string
		run        error
		code       int
		stderr     string
	}{
		{"good", "-v", nil, 0, ""},
		{"usage", "--nope", nil, 64, "Usage: thing [options]\n\nthing: error: no such option: --nope\n"},
		{"silent status", "", Exit(2), 2, ""},
		{"status with text", "", &ExitError{Code: 42, Text: "Incomplete options passed."}, 42, "Incomplete options passed.\n"},
		{"other error", "", errors.New("disk full"), 1, "Error: disk full\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stderr bytes.Buffer
			cmd := &cobra.Command{
				Use: "thing [options]", DisableFlagsInUseLine: true,
				RunE: func(*cobra.Command, []string) error { return tt.run },
			}
			cmd.Flags().BoolP("verbose", "v", false, "")
			cmd.SetErr(&stderr)
			if code := Execute(cmd, strings.Fields(tt.args)); code != tt.code {
				t.Errorf("status %d, want %d", code, tt.code)
			}
			if stderr.String() != tt.stderr {
				t.Errorf("stderr %q, want %q", stderr.String(), tt.stderr)
			}
		})
	}
}

func TestYAMLArg(t *testing.T) {
	tests := []struct {
		in   string
		want any
	}{
		{"1", int64(1)},
		{"1.5", 1.5},
		{"True", true},
		{"yes", true},
		{"None", nil},
		{"null", nil},
		{"0644", int64(644)},
		{"1_000", "1_000"},
		{"hello", "hello"},
		{"", ""},
		{"  ", "  "},
		{"a: b", "a: b"},
		{"- a", "- a"},
		{"#x", "#x"},
		{"a #b", "a #b"},
		{"[1] #b", []any{int64(1)}},
		{"[1,\n2]", "[1,\n2]"},
		{"1\t", "1\t"},
		{"!", "!"},
		{"|", "|"},
		{"'5'", "5"},
		{"[1, two]", []any{int64(1), "two"}},
		{"[1", "[1"},
		{"{a: 1}", wire.NewMap("a", int64(1))},
		{"2026-01-02", "2026-01-02"},
		{"12:30:45", int64(45045)},
		{"99999999999999999999", "99999999999999999999"},
		{"18446744073709551615", uint64(18446744073709551615)},
		{"x\ny: 1", "x\ny: 1"},
		{"*", "*"},
		{"a\rw: 1", "a\rw: 1"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			if diff := cmp.Diff(encoded(t, tt.want), encoded(t, YAMLArg(tt.in))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	b, err := wire.Encode(v, wire.Local)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseInput(t *testing.T) {
	got := ParseInput([]string{"1", "x=y", "a==b", "pw=1", "é=2", "1x=2", "k.l-m=[1]"}, []string{"pw"})
	want := []any{
		int64(1), "a==b", "1x=2",
		wire.NewMap(KwargMark, true, "x", "y", "pw", "1", "é", int64(2), "k.l-m", []any{int64(1)}),
	}
	if diff := cmp.Diff(encoded(t, want), encoded(t, got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func FuzzYAMLArg(f *testing.F) {
	for _, s := range []string{"[1, {a: b}]", "!!binary aGk=", "&a [*a]", "{<<: {a: 1}}", "'x", "1e3", "? a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if _, err := wire.Encode(YAMLArg(word), wire.Wire); err != nil {
			t.Fatalf("%q gives what cannot be sent: %v", word, err)
		}
	})
}
