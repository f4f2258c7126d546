package event

import "strings"

// Tags without a variable part (spec: event-bus §6).
const (
	TagAuth            = "salt/auth"
	TagKey             = "salt/key"
	TagKeyRotate       = "key" // the AES key was rotated
	TagMinionStartOld  = "minion_start"
	TagSyndicStartOld  = "syndic_start"
	TagPresencePresent = "salt/presence/present"
	TagPresenceChange  = "salt/presence/change"
	TagTick            = "saltern/tick" // see ServerConfig; ignored by every stock reader
)

// TagJob is the oldest form, the bare job id; stock fires it up to 3007.
func TagJob(jid string) string { return jid }

// TagJobNew announces a job and its minions.
func TagJobNew(jid string) string { return "salt/job/" + jid + "/new" }

// TagJobPublish carries the load as it goes to the minions (3007 and later).
func TagJobPublish(jid string) string { return "salt/job/" + jid + "/publish" }

// TagJobReturn is one minion's return.
func TagJobReturn(jid, minionID string) string { return "salt/job/" + jid + "/ret/" + minionID }

// TagJobPrefix begins all tags of a job but the bare one; stock's command subscribes to it without the last slash.
func TagJobPrefix(jid string) string { return "salt/job/" + jid + "/" }

// TagJobError is a refused publication; without a job id it is salt/job/error.
func TagJobError(jid string) string {
	if jid == "" {
		return "salt/job/error"
	}
	return "salt/job/" + jid + "/error"
}

// TagStateError is one failed state of a job.
func TagStateError(jid, minionID, fun string) string {
	return "salt/job/" + jid + "/sub/" + minionID + "/error/" + fun
}

// TagMinionStart is fired by a minion that has started.
func TagMinionStart(minionID string) string { return "salt/minion/" + minionID + "/start" }

// TagMinionRefresh tells that a minion's cached grains and pillar are new; it has no salt/ in front.
func TagMinionRefresh(minionID string) string { return "minion/refresh/" + minionID }

// TagSyndicStart is fired by a syndic that has started.
func TagSyndicStart(syndicID string) string { return "salt/syndic/" + syndicID + "/start" }

// TagSyndicForward is the second tag of an event that a syndic forwards.
func TagSyndicForward(syndicID, tag string) string { return "syndic/" + syndicID + "/" + tag }

// isReturn tells whether tag is one of TagJobReturn.
func isReturn(tag string) bool {
	rest, ok := strings.CutPrefix(tag, "salt/job/")
	if !ok {
		return false
	}
	_, rest, ok = strings.Cut(rest, "/")
	return ok && strings.HasPrefix(rest, "ret/")
}
