// Package stock finds stock Salt installations on the machine and runs their daemons and commands on
// free loopback ports, so that saltern can be tried against the real thing.
//
//	STOCK_SALT ──Find──▶ Salt ─┐
//	                           ├─ Software ─▶ Start  ─▶ Process (own process group, own log)
//	bin/saltern ──────▶ Saltern┘             └▶ Run   ─▶ Result  (stdout, stderr, status)
//	MasterConfig, MinionConfig ─Write─▶ a config directory both kinds read
//	sock_dir/master_event_pub.ipc ─DialBus─▶ Bus (own frame reader, remembers what it saw)
//
// Where stock Salt is, is told by three variables:
//
//	STOCK_SALT             colon-separated source trees (salt/, scripts/) or install prefixes (bin/salt-master)
//	STOCK_SALT_PYTHON      interpreter for source trees; default python3
//	STOCK_SALT_PYTHONPATH  colon-separated directories put on PYTHONPATH; a subdirectory of one of them named
//	                       like a release ("3007.8") or its series ("3007") is put before it for that release only
//
// Threading: a Process and a Bus may be used from several goroutines; each owns one goroutine which ends
// with Stop, Kill or Close. Everything that waits polls a condition under a deadline.
//
// The package never imports anything else of saltern: it judges the product from outside, by files,
// sockets and commands.
package stock
