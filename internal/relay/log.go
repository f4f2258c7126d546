package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Log is one stream of publications, and the random name of its life beside it: a server that was flushed, replaced or
// restarted without its data has another one.
type Log struct {
	client *redis.Client
	key    string
	most   int64
	keep   time.Duration
}

// NewLog names a stream. Writers trim it to about most entries and to keep.
func NewLog(client *redis.Client, key string, most int, keep time.Duration) *Log {
	return &Log{client: client, key: key, most: int64(most), keep: keep}
}

func (l *Log) lifeKey() string { return l.key + ":id" }

// Write appends entries in their order, as one pipeline. After an error some may be there: writing all again repeats them.
func (l *Log) Write(ctx context.Context, entries []Entry) error {
	pipe := l.client.Pipeline()
	pipe.SetNX(ctx, l.lifeKey(), rand.Text(), 0)
	for i := range entries {
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: l.key, MaxLen: l.most, Approx: true, Values: entries[i].values()})
	}
	cmds, err := pipe.Exec(ctx)
	for _, c := range cmds {
		if e := c.Err(); e != nil && !errors.Is(e, redis.Nil) {
			return fmt.Errorf("write to stream %s: %w", l.key, e)
		}
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("write to stream %s: %w", l.key, err)
	}
	return nil
}

// Trim drops entries that are older than the time to keep.
func (l *Log) Trim(ctx context.Context, now time.Time) error {
	err := l.client.XTrimMinIDApprox(ctx, l.key, strconv.FormatInt(now.Add(-l.keep).UnixMilli(), 10), 0).Err()
	if err != nil {
		return fmt.Errorf("trim stream %s: %w", l.key, err)
	}
	return nil
}

// LogState is where a stream stands.
type LogState struct {
	Life  string // "" = nobody has written yet
	First string // id of the oldest entry, "" = none
	Last  string // newest id ever given
	Len   int64
}

// State asks for it.
func (l *Log) State(ctx context.Context) (s LogState, err error) {
	if s.Life, err = l.client.Get(ctx, l.lifeKey()).Result(); err != nil && !errors.Is(err, redis.Nil) {
		return s, fmt.Errorf("look at stream %s: %w", l.key, err)
	}
	info, err := l.client.XInfoStream(ctx, l.key).Result()
	switch {
	case err != nil && strings.Contains(err.Error(), "no such key"):
		return s, nil
	case err != nil:
		return s, fmt.Errorf("look at stream %s: %w", l.key, err)
	}
	s.First, s.Last, s.Len = info.FirstEntry.ID, info.LastGeneratedID, info.Length
	return s, nil
}

// Read returns at most n entries behind an id, waiting for the first one. Entries that no tap wrote come as errors of their
// own place: bad tells how many were passed over, last is the id to go on from.
func (l *Log) Read(ctx context.Context, after string, n int64, wait time.Duration) (entries []Entry, last string, bad int, err error) {
	res, err := l.client.XRead(ctx, &redis.XReadArgs{Streams: []string{l.key, after}, Count: n, Block: wait}).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, after, 0, nil
	case err != nil:
		return nil, after, 0, fmt.Errorf("read stream %s: %w", l.key, err)
	}
	last = after
	for _, stream := range res {
		for _, m := range stream.Messages {
			last = m.ID
			e, err := parseEntry(m.ID, m.Values)
			if err != nil {
				bad++
				continue
			}
			entries = append(entries, e)
		}
	}
	return entries, last, bad, nil
}

// newestLook is how many entries from the end Newest looks at: gaps among them tell no key, and taps may open nothing.
const newestLook = 10

// Newest returns the last entries of the stream, newest first.
func (l *Log) Newest(ctx context.Context) (entries []Entry, err error) {
	res, err := l.client.XRevRangeN(ctx, l.key, "+", "-", newestLook).Result()
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", l.key, err)
	}
	for _, m := range res {
		if e, err := parseEntry(m.ID, m.Values); err == nil {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// beforeID compares two stream ids.
func beforeID(a, b string) bool {
	ams, aseq := splitID(a)
	bms, bseq := splitID(b)
	return ams < bms || ams == bms && aseq < bseq
}

func splitID(id string) (ms, seq uint64) {
	a, b, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(a, 10, 64) // 0 for what is no id: before everything
	seq, _ = strconv.ParseUint(b, 10, 64)
	return ms, seq
}
