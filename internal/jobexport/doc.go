// Package jobexport writes jobs and returns to Redis in the layout of Salt's own Redis returner, so that stock runners with
// master_job_cache: redis read them there (spec: job-cache §3).
//
//	master ──SavePublication, SaveReturn──► jobcache ── one group commit: records and their place in the export log
//	                                           │ Changes (in the order of the commits), Job, Return
//	                                           ▼
//	                                        Exporter ──pipeline of up to 500──► Redis ── all answered ──► ChangesDone
//
// A publication or a return never waits for this package, nor fails because of it: what is to be exported is written by the
// commit that makes it durable, and read from the disk when Redis is there. The position is the log itself, so it
// survives a restart and a kill. What a lost connection leaves open is written again: each command sets the same again.
//
// Differences from Salt's returner, all readable by it: the published load is never overwritten by a return; the load
// holds Minions; <minion>:<fun> expires with the job; returns with raw bytes are written, with the bytes as text.
//
// When the log is full the oldest changes are given up, counted and logged by the rate; what expired from the job cache
// before it was exported is counted too. What Redis refuses for good (a key of another type) is passed over and counted.
//
// Threading: one goroutine, Run. Stats may be called from anywhere. The package knows neither master nor transport.
package jobexport
