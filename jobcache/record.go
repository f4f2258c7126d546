package jobcache

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/jobcache/durable"
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
	d := durable.Reader{Rest: b}
	d.Version(recordVersion)
	flags := d.Byte()
	j := Job{JID: jid, NoCache: flags&flagNoCache != 0, Published: flags&flagPublish != 0, Received: d.Time()}
	load := d.Bytes()
	if flags&flagLoad != 0 {
		j.Load = append([]byte{}, load...)
	}
	j.Minions = d.List()
	j.Missing = d.List()
	return j, recordEnd(&d, "job", jid)
}

// setJobTime fills the time into a record made by appendJob.
func setJobTime(record []byte, received time.Time) {
	binary.BigEndian.PutUint64(record[2:], uint64(received.UnixNano()))
}

// decodeJobHead reads what a write needs to know of a job: its flags and its time.
func decodeJobHead(jid string, b []byte) (flags byte, received time.Time, err error) {
	d := durable.Reader{Rest: b}
	d.Version(recordVersion)
	flags, received = d.Byte(), d.Time()
	if d.Bad {
		return 0, time.Time{}, recordEnd(&d, "job", jid)
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
	d := durable.Reader{Rest: b}
	d.Version(recordVersion)
	r := Return{JID: jid, MinionID: minionID, Received: d.Time()}
	if d.Bad {
		return Return{}, recordEnd(&d, "return", jid)
	}
	r.Body = d.Rest
	return r, nil
}

func appendSyndic(dst []byte, received time.Time, minions []string) []byte {
	dst = append(dst, recordVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(received.UnixNano()))
	return appendList(dst, minions)
}

func decodeSyndic(jid string, b []byte) (time.Time, []string, error) {
	d := durable.Reader{Rest: b}
	d.Version(recordVersion)
	at, list := d.Time(), d.List()
	return at, list, recordEnd(&d, "syndic list", jid)
}

func appendEndTime(dst []byte, text string) []byte {
	return append(append(dst, recordVersion), text...)
}

func decodeEndTime(jid string, b []byte) (string, error) {
	d := durable.Reader{Rest: b}
	d.Version(recordVersion)
	if d.Bad {
		return "", recordEnd(&d, "end time", jid)
	}
	return string(d.Rest), nil
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

func recordEnd(d *durable.Reader, what, jid string) error {
	if !d.Whole() {
		return fmt.Errorf("%w: %s of job %q", ErrRecord, what, jid)
	}
	return nil
}
