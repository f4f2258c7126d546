package outbox

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// What a re-executed test binary does instead of testing.
const (
	childDir  = "OUTBOX_TEST_DIR"
	childTask = "OUTBOX_TEST_TASK"
)

func childMain(dir string) int {
	var err error
	switch os.Getenv(childTask) {
	case "fill":
		err = childFill(dir)
	case "idle":
		err = childIdle(dir)
	case "million":
		err = childMillion(dir)
	default:
		err = errors.New("unknown task")
	}
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	return 0
}

// child starts the test binary with a task and returns its lines.
func child(t *testing.T, task, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childTask+"="+task)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

const killItems = 5000

// childFill says "stored N" after every promise, acknowledges the first hundred, and then waits to be killed.
func childFill(dir string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	q, err := s.Queue("mom")
	if err != nil {
		return err
	}
	stored := make(chan Outcome, killItems)
	for i := range killItems {
		body := fmt.Sprintf("%05d", i)
		s.Put([]Entry{{q, Item{Kind: 1, Key: "jid\x00" + body, Body: []byte(body)}}}, func(out []Outcome) { stored <- out[0] })
	}
	for range killItems {
		if o := <-stored; o != (Outcome{}) {
			return fmt.Errorf("outcome %+v", o)
		}
	}
	items, err := q.Take(100, 1<<20)
	if err != nil {
		return err
	}
	if err := q.Ack(items); err != nil {
		return err
	}
	if err := s.Sync(); err != nil {
		return err
	}
	if items, err = q.Take(100, 1<<20); err != nil {
		return err
	}
	if err := q.Ack(items); err != nil { // not synced: may come back
		return err
	}
	fmt.Println("stored", killItems)
	select {} // until killed
}

func TestKill_losesNothing(t *testing.T) {
	dir := t.TempDir()
	cmd, lines := child(t, "fill", dir)
	if !lines.Scan() || lines.Text() != "stored "+strconv.Itoa(killItems) {
		t.Errorf("child says %q", lines.Text())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Fatalf("killed child ended with %v", err)
	}

	s := openTest(t, dir, Options{})
	q := openQueue(t, s, "mom")
	audit(t, s)
	items := take(t, q, killItems)
	acked := killItems - len(items)
	if acked != 100 && acked != 200 {
		t.Fatalf("%d items are gone, want 100 or 200", acked)
	}
	for i, it := range items {
		if want := fmt.Sprintf("%05d", i+acked); string(it.Body) != want || it.Key != "jid\x00"+want {
			t.Fatalf("item %d is %q %q, want %s", i, it.Key, it.Body, want)
		}
	}
	for _, key := range []string{"00000", "00150", "04999"} {
		if o := putOne(q, 1, "jid\x00"+key, key); !o.Duplicate {
			t.Errorf("%s again: %+v", key, o)
		}
	}
	mustAck(t, q, items)
	mustSync(t, s)
	audit(t, s)
	if n := stats(t, q).Items; n != 0 {
		t.Errorf("%d items are left", n)
	}
}

// rss is the resident memory of this process in KiB, as the kernel counts it.
func rss() (int, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
		}
	}
	return 0, errors.New("no VmRSS")
}
