package keyshare

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/saltern-io/saltern/pki"
)

// RedisStore is a place where masters leave their decisions for each other. The directory of each master stays its truth:
// without Redis everything works, decisions only travel later. Every entry is signed by the master that wrote it, so
// that whoever can write to Redis can withhold decisions but make none.
//
//	<prefix>keys   hash: id → {entry, sig}
//	<prefix>seq    number of changes
type RedisStore struct {
	client redis.UniversalClient
	prefix string

	verified map[string]bool // hashes of what was found to be signed by a pinned key; bounded by maxEntries
	pins     string          // with which pins
}

// OpenRedis takes a URL, redis://[user:password@]host:port/db, and a prefix for the names there. It does not connect yet.
func OpenRedis(url, prefix string) (*RedisStore, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("the Redis URL cannot be read") // it may hold a password
	}
	opts.Protocol = 2 // old servers know no other
	return &RedisStore{client: redis.NewClient(opts), prefix: prefix}, nil
}

// Close ends the connections.
func (r *RedisStore) Close() error { return r.client.Close() }

// stored is one value of the hash.
type stored struct {
	Entry json.RawMessage `json:"entry"`
	Sig   string          `json:"sig"`
}

// put replaces a value only when it is what the writer has read; an empty new value removes it.
var put = redis.NewScript(`
local cur = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if cur ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return redis.call('INCR', KEYS[2])
`)

const (
	redisDomain = "saltern key entry\n"
	redisPage   = 1000
	redisTries  = 3 // when others write at the same time
)

func (r *RedisStore) keys() []string { return []string{r.prefix + "keys", r.prefix + "seq"} }

// SyncRedis takes the decisions of the others from the store and leaves there what is newer here. key is this
// master's own and signs what it writes.
func (s *Share) SyncRedis(ctx context.Context, r *RedisStore, key *pki.PrivateKey) (Report, error) {
	var report Report
	err := s.with(func(l *ledgerFile) error {
		for range redisTries {
			again, err := s.syncRedis(ctx, l, r, key, &report)
			if err != nil || !again {
				return err
			}
		}
		return errors.New("others write to the store all the time, the next round goes on")
	})
	if err != nil {
		err = fmt.Errorf("keys in Redis: %w", err)
	}
	return report, err
}

func (s *Share) syncRedis(ctx context.Context, l *ledgerFile, r *RedisStore, key *pki.PrivateKey, report *Report) (again bool, err error) {
	seq, err := r.client.Get(ctx, r.prefix+"seq").Uint64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, err
	}
	digest := ledgerDigest(l.Keys)
	if seq != 0 && seq == l.Seen && l.Store == digest {
		report.From, report.Conflicts = "redis", sortedConflicts(l.Conflicts)
		return false, nil
	}
	there, raw, err := s.readRedis(ctx, r, key.Public())
	if err != nil {
		return false, err
	}
	applied, err := s.merge(l, "redis", there)
	applied.Applied = append(report.Applied, applied.Applied...)
	*report = applied
	if err != nil {
		return false, err
	}
	lost, err := s.writeRedis(ctx, l, r, key, there, raw)
	if err != nil || lost {
		return lost, err
	}
	// Also what was written just now counts as seen, unless somebody else wrote in between.
	l.Seen, l.Store = seq, ledgerDigest(l.Keys)
	if after, err := r.client.Get(ctx, r.prefix+"seq").Uint64(); err == nil && after == seq+uint64(r.writes(l, there)) {
		l.Seen = after
	}
	return false, nil
}

// writes is how many entries of the ledger are newer than those of the store: as many as writeRedis has written.
func (r *RedisStore) writes(l *ledgerFile, there []Entry) (n int) {
	known := map[string]Version{}
	for _, e := range there {
		known[e.ID] = e.Version
	}
	for id, rec := range l.Keys {
		if rec.Version.Compare(known[id]) == After {
			n++
		}
	}
	return n
}

// readRedis reads and checks the whole hash. An entry that no pinned master has signed stops it: somebody is at the store
// who should not be, or a pin is missing here.
func (s *Share) readRedis(ctx context.Context, r *RedisStore, own *pki.PublicKey) (list []Entry, raw map[string]string, err error) {
	n, err := r.client.HLen(ctx, r.prefix+"keys").Result()
	if err != nil {
		return nil, nil, err
	}
	if n > maxEntries {
		return nil, nil, fmt.Errorf("%d entries, at most %d are read", n, maxEntries)
	}
	if err := s.forgetVerified(r); err != nil {
		return nil, nil, err
	}
	raw = map[string]string{}
	iter := r.client.HScan(ctx, r.prefix+"keys", 0, "", redisPage).Iterator()
	for iter.Next(ctx) {
		id := iter.Val()
		if !iter.Next(ctx) {
			break
		}
		raw[id] = iter.Val()
		if len(raw) > maxEntries {
			return nil, nil, fmt.Errorf("more than %d entries", maxEntries)
		}
	}
	if err := iter.Err(); err != nil {
		return nil, nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(raw)) {
		e, err := s.openStored(r, raw[id], own)
		if err == nil && e.ID != id {
			err = fmt.Errorf("%w: it is about %q", ErrEntry, e.ID)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("entry %.100q: %w", id, err)
		}
		list = append(list, e)
	}
	return list, raw, nil
}

// forgetVerified drops what is known of signatures when the pins have changed.
func (s *Share) forgetVerified(r *RedisStore) error {
	names, err := s.Peers()
	if err != nil {
		return err
	}
	pins := ""
	for _, name := range names {
		key, err := s.Peer(name)
		if err != nil {
			return err
		}
		pins += name + keyHash(key.Clean())
	}
	if r.verified == nil || r.pins != pins || len(r.verified) > maxEntries {
		r.verified, r.pins = map[string]bool{}, pins
	}
	return nil
}

func (s *Share) openStored(r *RedisStore, raw string, own *pki.PublicKey) (e Entry, err error) {
	if len(raw) > 2*maxPub+maxNodes*64 {
		return e, fmt.Errorf("%w: %d bytes", ErrEntry, len(raw))
	}
	var st stored
	if err := json.Unmarshal([]byte(raw), &st); err != nil {
		return e, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	sum := sha256.Sum256([]byte(raw))
	hash := hex.EncodeToString(sum[:])
	if !r.verified[hash] {
		sig, err := base64.StdEncoding.DecodeString(st.Sig)
		if err != nil {
			return e, fmt.Errorf("%w: signature: %w", ErrEntry, err)
		}
		if _, err := s.whoSigned(append([]byte(redisDomain), st.Entry...), sig, own); err != nil {
			return e, err
		}
		r.verified[hash] = true
	}
	if err := json.Unmarshal(st.Entry, &e); err != nil {
		return e, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return e, e.Check()
}

// writeRedis leaves every decision in the store that is newer than the one there, and removes expired tombstones. lost
// tells that somebody else wrote one of them meanwhile.
func (s *Share) writeRedis(ctx context.Context, l *ledgerFile, r *RedisStore, key *pki.PrivateKey, there []Entry, raw map[string]string) (lost bool, err error) {
	known := make(map[string]Entry, len(there))
	for _, e := range there {
		known[e.ID] = e
		if _, kept := l.Keys[e.ID]; !kept && s.expired(e) {
			if err := put.Run(ctx, r.client, r.keys(), e.ID, raw[e.ID], "").Err(); err != nil {
				return false, err
			}
		}
	}
	list, err := s.entries(l, "", maxEntries)
	if err != nil {
		return false, err
	}
	for _, e := range list {
		if e.Version.Compare(known[e.ID].Version) != After {
			continue
		}
		value, err := sealStored(e, key)
		if err != nil {
			return false, err
		}
		seq, err := put.Run(ctx, r.client, r.keys(), e.ID, raw[e.ID], value).Uint64()
		if err != nil {
			return false, err
		}
		lost = lost || seq == 0
	}
	return lost, nil
}

func sealStored(e Entry, key *pki.PrivateKey) (string, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	sig, err := key.Sign(signing, append([]byte(redisDomain), text...))
	if err != nil {
		return "", err
	}
	value, err := json.Marshal(stored{Entry: text, Sig: base64.StdEncoding.EncodeToString(sig)})
	return string(value), err
}

// ledgerDigest changes when a decision does.
func ledgerDigest(keys map[string]Record) string {
	sum := sha256.New()
	enc := json.NewEncoder(sum)
	for _, id := range slices.Sorted(maps.Keys(keys)) {
		_ = enc.Encode([]any{id, keys[id]}) // a hash takes everything
	}
	return hex.EncodeToString(sum.Sum(nil))
}
