// Package access answers who may publish what.
//
// In this release it holds the two rules that every publication passes: the blacklist
// (publisher_acl_blacklist) and the list of rights that a syndic hands down with a job
// (auth_list). External authentication and per-user lists are not served; the master refuses to
// start when they are configured, because an ignored access list is a hole.
//
//	publish request ── Blacklist ──▶ key ──▶ AuthList (rights of the caller upstream) ──▶ send
//
// Everything here is a pure function of its arguments and safe for concurrent use. The package
// never imports a daemon, a socket or a key store.
package access
