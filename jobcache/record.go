package jobcache

import (
	"encoding/binary"
	"fmt"
	"time"
)

const (
	recordVersion = 1

	flagLoad    = 1
	flagNoCache = 2
	flagPublish = 4
)

// appendJob encodes the job record of format 1 (see doc.go).
func appendJob(dst []byte, j *Job) []byte {
	var flags byte
	if j.Load != nil {
		flags |= flagLoad
	}
	if j.NoCache {
		flags |= flagNoCache
	}
	if j.Published {
		flags |= flagPublish
	}
	dst = append(dst, recordVersion, flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(j.Received.UnixNano()))
	dst = appendBytes(dst, j.Load)
	dst = appendList(dst, j.Minions)
	return appendList(dst, j.Missing)
}

// decodeJob reads a job record; nothing in the result aliases b.
func decodeJob(jid string, b []byte) (Job, error) {
	d := recordReader{rest: b}
	d.version()
	flags := d.byte()
	j := Job{JID: jid, NoCache: flags&flagNoCache != 0, Published: flags&flagPublish != 0, Received: d.time()}
	load := d.bytes()
	if flags&flagLoad != 0 {
		j.Load = append([]byte{}, load...)
	}
	j.Minions = d.list()
	j.Missing = d.list()
	return j, d.end("job", jid)
}

// setJobTime fills the time into a record made by appendJob.
func setJobTime(record []byte, received time.Time) {
	binary.BigEndian.PutUint64(record[2:], uint64(received.UnixNano()))
}

// decodeJobHead reads what a write needs to know of a job: its flags and its time.
func decodeJobHead(jid string, b []byte) (flags byte, received time.Time, err error) {
	d := recordReader{rest: b}
	d.version()
	flags, received = d.byte(), d.time()
	if d.bad {
		return 0, time.Time{}, d.end("job", jid)
	}
	return flags, received, nil
}

// returnHeader is the size of what stands before the body of a return.
const returnHeader = 1 + 8

// putReturn fills dst, which has exactly returnHeader+len(body) bytes.
func putReturn(dst []byte, received time.Time, body []byte) {
	dst[0] = recordVersion
	binary.BigEndian.PutUint64(dst[1:], uint64(received.UnixNano()))
	copy(dst[returnHeader:], body)
}

// decodeReturn reads a return record; the body aliases b.
func decodeReturn(jid, minionID string, b []byte) (Return, error) {
	d := recordReader{rest: b}
	d.version()
	r := Return{JID: jid, MinionID: minionID, Received: d.time()}
	if d.bad {
		return Return{}, d.end("return", jid)
	}
	r.Body = d.rest
	return r, nil
}

func appendSyndic(dst []byte, received time.Time, minions []string) []byte {
	dst = append(dst, recordVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(received.UnixNano()))
	return appendList(dst, minions)
}

func decodeSyndic(jid string, b []byte) (time.Time, []string, error) {
	d := recordReader{rest: b}
	d.version()
	at, list := d.time(), d.list()
	return at, list, d.end("syndic list", jid)
}

func appendEndTime(dst []byte, text string) []byte {
	return append(append(dst, recordVersion), text...)
}

func decodeEndTime(jid string, b []byte) (string, error) {
	d := recordReader{rest: b}
	d.version()
	if d.bad {
		return "", d.end("end time", jid)
	}
	return string(d.rest), nil
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func appendList(dst []byte, list []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, s := range list {
		dst = append(binary.AppendUvarint(dst, uint64(len(s))), s...)
	}
	return dst
}

// recordReader takes fields off a value. After the first fault every field is zero and bad is set, so
// that a decoder checks once, at its end.
type recordReader struct {
	rest []byte
	bad  bool
}

func (d *recordReader) fail() {
	d.bad, d.rest = true, nil
}

func (d *recordReader) byte() byte {
	if len(d.rest) == 0 {
		d.fail()
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *recordReader) version() {
	if d.byte() != recordVersion {
		d.fail()
	}
}

func (d *recordReader) time() time.Time {
	if len(d.rest) < 8 {
		d.fail()
		return time.Time{}
	}
	n := binary.BigEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return time.Unix(0, int64(n)).UTC()
}

func (d *recordReader) uvarint() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *recordReader) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// list believes a count only as far as the bytes that are left could hold it.
func (d *recordReader) list() []string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return nil
	}
	if n == 0 {
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, string(d.bytes()))
		if d.bad {
			return nil
		}
	}
	return list
}

func (d *recordReader) end(what, jid string) error {
	if d.bad || len(d.rest) != 0 {
		return fmt.Errorf("%w: %s of job %q", ErrRecord, what, jid)
	}
	return nil
}
