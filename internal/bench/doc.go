// Command bench measures a master beside what its work costs physically on the same machine, in the same run.
//
//	bench ──┬─ floors: RSA and boxes in this process; echo, a bare ROUTER, as a child
//	        ├─ peers   ──REQ──► saltern master (child): sign-ins, returns     CPU from /proc/<pid>/stat
//	        └─ swarm ×N ──────► saltern master (child): whole jobs, memory    wall time, CPU, VmRSS
//
// The master is the real binary in a process of its own, so its CPU time and memory hold nothing of the
// load. The load shares the machine's cores with it: wall times are those of master and minions together.
// Every row is repeated; the table gives the least, the median and the most of what was seen, and compares
// the median with the aim.
//
// Threading: one goroutine per peer for as long as a round lasts; everything else is sequential.
//
// It never imports master or syndic: what it measures is what is shipped.
package main
