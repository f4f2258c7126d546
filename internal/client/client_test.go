package client_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/client"
	"github.com/saltern-io/saltern/internal/client/clienttest"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
)

func open(t *testing.T, m *clienttest.Master) *client.Client {
	t.Helper()
	cfg, _, err := config.LoadClient(config.LoadOptions{ConfigDir: m.ConfigDir})
	if err != nil {
		t.Fatal(err)
	}
	id := client.Identify(client.CurrentAccount(), cfg.User)
	id.KeyUser = client.CurrentAccount().Name
	c, err := client.New(client.FromMaster(cfg, id, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

var ping = wire.PublishRequest{Tgt: "*", TgtType: "glob", Fun: "test.ping"}

func TestPublish_answers(t *testing.T) {
	empty := []byte{0xa0}
	refused := []byte(wire.PublishReply{ErrName: "AuthorizationError", Err: "Authorization error occurred."}.Append(nil))
	tests := []struct {
		name    string
		replies [][]byte // nil = publish
		asked   int
		want    error
		refused string
	}{
		{"published", [][]byte{nil}, 1, nil, ""},
		{"empty once", [][]byte{empty, nil}, 2, nil, ""},
		{"empty twice", [][]byte{empty, {0x80}}, 2, client.ErrKey, ""},
		{"refused", [][]byte{refused}, 1, nil, "Authorization error occurred."},
		{"plain error", [][]byte{mustEncode(wire.NewMap("error", "no room"))}, 1, nil, "no room"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := clienttest.Start(t, clienttest.Script{
				Minions: []string{"m1"},
				Reply:   func(n int, _ wire.PublishRequest) []byte { return tt.replies[n] },
			})
			reply, err := open(t, m).Publish(t.Context(), ping)
			var no *client.RefusedError
			switch {
			case tt.refused != "":
				if !errors.As(err, &no) || no.Message != tt.refused {
					t.Errorf("got %v, want a refusal %q", err, tt.refused)
				}
			case !errors.Is(err, tt.want):
				t.Errorf("got %v, want %v", err, tt.want)
			case err == nil && (reply.JID == "" || len(reply.Minions) != 1):
				t.Errorf("got %+v", reply)
			}
			requests := m.Requests()
			if len(requests) != tt.asked {
				t.Fatalf("%d requests, want %d", len(requests), tt.asked)
			}
			if requests[0].Key != clienttest.Key {
				t.Error("the key file's text was not sent")
			}
		})
	}
}

func TestPublish_nobodyMatches(t *testing.T) {
	m := clienttest.Start(t, clienttest.Script{Minions: []string{"m1"}})
	req := ping
	req.Tgt = "zzz*"
	if reply, err := open(t, m).Publish(t.Context(), req); err != nil || reply.JID != "" {
		t.Errorf("got %+v, %v; want no jid and no error", reply, err)
	}
}

func TestPublish_noAnswer(t *testing.T) {
	cfg := client.Config{Endpoint: "tcp://127.0.0.1:1", Timeout: 50 * time.Millisecond}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Publish(t.Context(), ping); !errors.Is(err, client.ErrNoAnswer) {
		t.Errorf("got %v, want ErrNoAnswer", err)
	}
}

func TestStart_masterDown(t *testing.T) {
	m := clienttest.Start(t, clienttest.Script{Minions: []string{"m1"}})
	if err := os.Remove(filepath.Join(m.Dir, "run", "publish_pull.ipc")); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, m).Start(t.Context(), ping, client.JobOptions{}); !errors.Is(err, client.ErrMasterDown) {
		t.Errorf("got %v, want ErrMasterDown", err)
	}
}

func TestStart_asksTheSilent(t *testing.T) {
	m := clienttest.Start(t, clienttest.Script{
		Minions: []string{"m1", "m2"},
		Run: func(id string, _ any, _ []any) clienttest.Return {
			return clienttest.Return{Value: id, Retcode: int64(0), Silent: id == "m2"}
		},
		Config: "timeout: 1\ngather_job_timeout: 0",
	})
	c := open(t, m)
	job, err := c.Start(t.Context(), ping, client.JobOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer job.Close()
	var got []string
	for r, err := range job.Results(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.ID)
	}
	if len(got) != 1 || got[0] != "m1" {
		t.Errorf("results of %v, want m1", got)
	}
	silent := c.Silent(job.JID, job.Unanswered())
	if len(silent) != 1 || silent[0].ID != "m2" || !silent[0].Failed() {
		t.Errorf("silent: %+v", silent)
	}
	requests := m.Requests()
	last := requests[len(requests)-1]
	if last.Fun != "saltutil.find_job" || len(last.Arg) != 1 || last.Arg[0] != job.JID {
		t.Errorf("last request %v %v, want find_job of %s", last.Fun, last.Arg, job.JID)
	}
}

func TestResults_cancelled(t *testing.T) {
	m := clienttest.Start(t, clienttest.Script{
		Minions: []string{"m1"},
		Run:     func(string, any, []any) clienttest.Return { return clienttest.Return{Silent: true} },
	})
	job, err := open(t, m).Start(t.Context(), ping, client.JobOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer job.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range job.Results(ctx) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", last)
	}
}

func TestIdentify(t *testing.T) {
	tests := []struct {
		account client.Account
		master  string
		want    client.Identity
	}{
		{client.Account{Name: "root", Root: true}, "root", client.Identity{User: "root", KeyUser: "root"}},
		{client.Account{Name: "root", Root: true}, "salt", client.Identity{User: "root", KeyUser: "salt"}},
		{client.Account{Name: "root", Root: true, SudoUser: "alice"}, "root", client.Identity{User: "sudo_alice", KeyUser: "root"}},
		{client.Account{Name: "bob", SudoUser: "alice"}, "root", client.Identity{User: "bob", KeyUser: "bob"}},
	}
	for _, tt := range tests {
		if got := client.Identify(tt.account, tt.master); got != tt.want {
			t.Errorf("%+v: got %+v, want %+v", tt.account, got, tt.want)
		}
	}
}

func mustEncode(v any) []byte {
	b, err := wire.Encode(v, wire.Wire)
	if err != nil {
		panic(err)
	}
	return b
}
