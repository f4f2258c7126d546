package jid

import (
	"slices"
	"sync"
	"testing"
	"time"
)

func TestNew_isUTCMicroseconds(t *testing.T) {
	zone := time.FixedZone("x", 3*3600)
	tests := []struct {
		name string
		now  time.Time
		want string
	}{
		{"plain", time.Date(2026, 11, 20, 13, 48, 27, 331255999, time.UTC), "20261120134827331255"},
		{"other zone", time.Date(2026, 1, 1, 2, 0, 0, 1000, zone), "20251231230000000001"},
		{"small fields", time.Date(7, 1, 2, 3, 4, 5, 6000, time.UTC), "00070102030405000006"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := New(tt.now)
			if got != tt.want {
				t.Fatalf("New = %q, want %q", got, tt.want)
			}
			back, ok := Time(got)
			if !ok || !back.Equal(tt.now.Truncate(time.Microsecond)) {
				t.Fatalf("Time(%q) = %v, %v", got, back, ok)
			}
		})
	}
}

func TestValidAndStart(t *testing.T) {
	tests := []struct {
		in    string
		valid bool
		start string
	}{
		{"20261120134827331255", true, "2026, Nov 20 13:48:27.331255"},
		{"20260101000000000001", true, "2026, Jan 01 00:00:00.000001"},
		{"20261120134827331255_4711", true, "2026, Nov 20 13:48:27.331255"},
		{"20261120134827331255_", false, ""},
		{"20261120134827331255x4711", false, ""},
		{"20261120134827331255_47/1", false, ""},
		{"20261120134827331255_0123456789012345678901", false, ""},
		{"2026112013482733125", false, ""},
		{"202611201348273312550", false, ""},
		{"2026112013482733125x", false, ""},
		{"+2026112013482733125", false, ""},
		{"99999999999999999999", true, ""},
		{"20260230000000000000", true, ""},
		{"20260101240000000000", true, ""},
		{"20260101006000000000", true, ""},
		{"20260101000060000000", true, ""},
		{"20260001000000000000", true, ""},
		{"req", false, ""},
		{"", false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			if got := Valid(tt.in); got != tt.valid {
				t.Errorf("Valid = %v", got)
			}
			if got := Start(tt.in); got != tt.start {
				t.Errorf("Start = %q, want %q", got, tt.start)
			}
		})
	}
}

func TestGenerator_increasesWhenTheClockDoesNot(t *testing.T) {
	now := time.Date(2026, 12, 31, 23, 59, 59, 999998000, time.UTC)
	g := NewGenerator(func() time.Time { return now })
	got := []string{g.Next(), g.Next(), g.Next()}
	now = now.Add(-time.Hour)
	got = append(got, g.Next())
	want := []string{
		"20261231235959999998", "20261231235959999999", "20270101000000000000", "20270101000000000001",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestGenerator_After(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	g := NewGenerator(func() time.Time { return now })
	g.After("20260101000030000000")
	if got := g.Next(); got != "20260101000030000001" {
		t.Errorf("after an id of the near future: %s", got)
	}
	for _, s := range []string{"99991231000000000000", "20250101000000000000", "junk"} {
		g.After(s)
	}
	if got := g.Next(); got != "20260101000030000002" {
		t.Errorf("after ids to be ignored: %s", got)
	}
}

func TestGenerator_concurrent(t *testing.T) {
	var g Generator
	const workers, each = 8, 500
	out := make([][]string, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range each {
				out[w] = append(out[w], g.Next())
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, ids := range out {
		if !slices.IsSorted(ids) {
			t.Error("ids of one goroutine are not increasing")
		}
		for _, id := range ids {
			if seen[id] {
				t.Fatalf("%s given out twice", id)
			}
			seen[id] = true
		}
	}
}

func FuzzTime(f *testing.F) {
	f.Add("20261120134827331255")
	f.Add("20261120134827331255_1")
	f.Fuzz(func(t *testing.T, s string) {
		tm, ok := Time(s)
		if !ok {
			if Start(s) != "" {
				t.Fatal("a start without a time")
			}
			return
		}
		if New(tm) != s[:Len] || len(Start(s)) != 28 {
			t.Fatalf("%q is read as %v", s, tm)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	var g Generator
	b.ReportAllocs()
	for b.Loop() {
		g.Next()
	}
}
