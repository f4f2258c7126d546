package jobcache

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var recordTime = time.Date(2026, 11, 20, 13, 46, 16, 184545000, time.UTC)

func sampleJob() Job {
	return Job{
		JID: testJID, Load: []byte("\x81\xa3fun\xa9test.ping"), Minions: []string{"m1", "m2"},
		Missing: []string{"ghost"}, NoCache: true, Received: recordTime,
	}
}

// TestRecord_format pins the bytes on disk: a change here needs a new record version.
func TestRecord_format(t *testing.T) {
	const stamp = "\x18\xe9\xc4\xdc\x1f\x85\x7e\xe8"
	job := sampleJob()
	got := appendJob(nil, &job)
	want := "\x01\x03" + stamp + "\x0f\x81\xa3fun\xa9test.ping" + "\x02\x02m1\x02m2" + "\x01\x05ghost"
	if string(got) != want {
		t.Errorf("job:\n got %q\nwant %q", got, want)
	}
	ret := make([]byte, returnHeader+4)
	putReturn(ret, recordTime, []byte("body"))
	if want := "\x01" + stamp + "body"; string(ret) != want {
		t.Errorf("return:\n got %q\nwant %q", ret, want)
	}
	if got, want := string(appendSyndic(nil, recordTime, []string{"s1"})), "\x01"+stamp+"\x01\x02s1"; got != want {
		t.Errorf("syndic:\n got %q\nwant %q", got, want)
	}
	if got, want := string(appendEndTime(nil, "then")), "\x01then"; got != want {
		t.Errorf("end time: %q", got)
	}
	keys := map[string]string{
		string(appendJobKey(nil, "7", kindJob, "")):                   "j/7\x00a",
		string(appendJobKey(nil, "7", kindReturn, "m1")):              "j/7\x00rm1",
		string(appendTimeKey(nil, prefixArrival, recordTime, "7")):    "t/" + stamp + "7",
		string(appendTimeKey(nil, prefixAlive, recordTime, "a\xffb")): "x/" + stamp + "a\xffb",
	}
	for got, want := range keys {
		if got != want {
			t.Errorf("key %q, want %q", got, want)
		}
	}
}

func TestRecord_jobRoundTrip(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, job := range map[string]Job{
		"full":       sampleJob(),
		"no load":    {JID: "a", Received: recordTime},
		"empty load": {JID: "a", Load: []byte{}, Received: recordTime},
		"long":       {JID: "a", Load: bytes.Repeat([]byte{0}, 70000), Minions: []string{long, ""}, Received: time.Unix(0, 0).UTC()},
	} {
		t.Run(name, func(t *testing.T) {
			b := appendJob(nil, &job)
			got, err := decodeJob(job.JID, b)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(job, got); d != "" {
				t.Error(d)
			}
			if _, err := decodeJob("a", append(b, 0)); !errors.Is(err, ErrRecord) {
				t.Errorf("trailing byte: %v", err)
			}
			if len(b) > 2000 {
				return
			}
			for i := range b {
				if _, err := decodeJob("a", b[:i]); !errors.Is(err, ErrRecord) {
					t.Errorf("cut at %d: %v", i, err)
				}
			}
		})
	}
}

func TestRecord_refusesOtherVersions(t *testing.T) {
	job := sampleJob()
	b := appendJob(nil, &job)
	b[0] = 2
	if _, err := decodeJob("a", b); !errors.Is(err, ErrRecord) {
		t.Errorf("job: %v", err)
	}
	if _, _, err := decodeJobHead("a", b); !errors.Is(err, ErrRecord) {
		t.Errorf("head: %v", err)
	}
	if _, err := decodeReturn("a", "m", []byte("\x0212345678x")); !errors.Is(err, ErrRecord) {
		t.Errorf("return: %v", err)
	}
	if _, _, err := decodeSyndic("a", []byte("\x0212345678\x00")); !errors.Is(err, ErrRecord) {
		t.Errorf("syndic: %v", err)
	}
	if _, err := decodeEndTime("a", nil); !errors.Is(err, ErrRecord) {
		t.Errorf("end time: %v", err)
	}
}

func TestRecord_impossibleCountIsNotBelieved(t *testing.T) {
	b := []byte("\x0112345678\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
	allocs := testing.AllocsPerRun(10, func() {
		if _, list, err := decodeSyndic("a", b); err == nil || list != nil {
			t.Errorf("%v %v", list, err)
		}
	})
	if allocs > 10 {
		t.Errorf("%.0f allocations", allocs)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	job := sampleJob()
	f.Add(appendJob(nil, &job))
	f.Add(appendJob(nil, &Job{Received: recordTime}))
	f.Add(appendSyndic(nil, recordTime, []string{"s1", "s2"}))
	f.Add([]byte("\x0112345678body"))
	f.Add([]byte("\x01\x03123456789\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Add(appendEntry(nil, Publication{Time: recordTime, Load: []byte("load")}))
	f.Add(appendRawList(nil, []string{"m1", strings.Repeat("m", 40)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if j, err := decodeJob("a", b); err == nil {
			again, err := decodeJob("a", appendJob(nil, &j))
			if err != nil || !cmp.Equal(j, again) {
				t.Errorf("job changes: %v\n%s", err, cmp.Diff(j, again))
			}
			if flags, at, err := decodeJobHead("a", b); err != nil || !at.Equal(j.Received) || flags&flagNoCache != 0 != j.NoCache {
				t.Errorf("head differs: %v %v %v", flags, at, err)
			}
		}
		if at, list, err := decodeSyndic("a", b); err == nil {
			at2, list2, err := decodeSyndic("a", appendSyndic(nil, at, list))
			if err != nil || !at.Equal(at2) || !cmp.Equal(list, list2) {
				t.Errorf("syndic list changes: %v", err)
			}
		}
		if at, load, err := decodeEntry(b); err == nil {
			if again := appendEntry(nil, Publication{Time: at, Load: load}); !bytes.Equal(again, b) {
				t.Error("journal entry changes")
			}
		}
		if r, err := decodeReturn("a", "m", b); err == nil {
			again := make([]byte, returnHeader+len(r.Body))
			putReturn(again, r.Received, r.Body)
			if !bytes.Equal(again, b) {
				t.Error("return changes")
			}
		}
		if list, err := parseRawList(b); err == nil {
			again, err := parseRawList(appendRawList(nil, list))
			if err != nil || !cmp.Equal(list, again) {
				t.Errorf("raw list changes: %v", err)
			}
		}
		if at, jid, ok := parseTimeKey(prefixArrival, b); ok {
			if !bytes.Equal(appendTimeKey(nil, prefixArrival, at, jid), b) {
				t.Error("time key changes")
			}
		}
	})
}
