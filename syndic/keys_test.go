package syndic

import (
	"context"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
)

func TestAcknowledged(t *testing.T) {
	for _, tt := range []struct {
		reply []byte
		ok    bool
	}{
		{wire.AppendNil(nil), true},
		{wire.AppendBool(nil, true), true},
		{wire.AppendStr(nil, "", wire.Wire), false},
		{wire.AppendMapHeader(nil, 0), false},
		{wire.AppendBool(nil, false), false},
	} {
		if err := acknowledged(tt.reply); (err == nil) != tt.ok {
			t.Errorf("%x: %v", tt.reply, err)
		}
	}
}

func TestBackoff(t *testing.T) {
	b := newBackoff(100*time.Millisecond, time.Second)
	if !b.first() {
		t.Error("not the first")
	}
	for _, want := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		want *= time.Millisecond
		if d := b.delay(); d > want || d < want*3/4 {
			t.Errorf("%v, want up to %v", d, want)
		}
	}
	if b.first() {
		t.Error("still the first")
	}
	if b.reset(); !b.first() || b.delay() > 100*time.Millisecond {
		t.Error("not reset")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if sleep(ctx, time.Hour, nil) {
		t.Error("sleeps in an ended context")
	}
	early := make(chan struct{}, 1)
	early <- struct{}{}
	if !sleep(context.Background(), time.Hour, early) {
		t.Error("woken is not ended")
	}
}

func TestAcceptanceWait(t *testing.T) {
	cfg := config.DefaultSyndic()
	u := &Upstream{cfg: cfg}
	cfg.AcceptanceWait, cfg.AcceptanceWaitMax = 10*time.Second, 0
	if d := u.acceptanceWait(5); d != 10*time.Second {
		t.Errorf("%v", d)
	}
	cfg.AcceptanceWaitMax = 25 * time.Second
	for n, want := range []time.Duration{10, 20, 25, 25} {
		if d := u.acceptanceWait(n); d != want*time.Second {
			t.Errorf("%d: %v", n, d)
		}
	}
}
