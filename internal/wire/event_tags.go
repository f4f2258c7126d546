package wire

import "strings"

// stockDropped are the tags that stock masters since 3006.12, 3007.4 and 3008 drop from the list form: a prefix and a suffix
// around anything, slashes included. Spec: master-functions §2.3.
var stockDropped = [...][2]string{
	{"salt/job/", "/publish"},
	{"salt/job/", "/new"},
	{"salt/job/", "/return"},
	{"salt/cloud/", ""},
	{"salt/run/", ""},
	{"salt/cluster/", ""},
	{"salt/wheel/", "/new"},
	{"salt/wheel/", "/return"},
}

// TagDropped tells whether stock drops an event of this tag that a minion or syndic sends in the list form. (Stock does not apply
// it to the single form; doing so is better.) 3006.10 has no such filter.
func TagDropped(tag string) bool {
	if tag == "salt/key" {
		return true
	}
	for _, p := range stockDropped {
		if between(tag, p[0], p[1]) {
			return true
		}
	}
	return false
}

// TagReserved tells whether only a master, or for its own jobs a known syndic, may fire an event of this tag: those of TagDropped and
// besides salt/job/*/ret/*, salt/auth, salt/wheel/*/ret and tags that are a bare jid. A pretag is
// chosen by the sender too, so test the joined tag as well.
func TagReserved(tag string) bool {
	if TagDropped(tag) || tag == "salt/auth" || between(tag, "salt/wheel/", "/ret") || IsJIDTag(tag) {
		return true
	}
	rest, ok := strings.CutPrefix(tag, "salt/job/")
	return ok && strings.Contains(rest, "/ret/")
}

// IsJIDTag tells whether a tag is a bare jid, 20 digits with or without "_" and more: the announcement of a job's minions.
func IsJIDTag(tag string) bool {
	if len(tag) < 20 || len(tag) > 20 && tag[20] != '_' {
		return false
	}
	for i := range 20 {
		if tag[i] < '0' || tag[i] > '9' {
			return false
		}
	}
	return true
}

// between tells whether the shell pattern prefix*suffix matches.
func between(s, prefix, suffix string) bool {
	return len(s) >= len(prefix)+len(suffix) && strings.HasPrefix(s, prefix) && strings.HasSuffix(s, suffix)
}
