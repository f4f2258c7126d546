// Command soak keeps a tier working for a long time with one master of masters dead and one behind a line that flaps, and
// fails when anything grows or anything is lost:
//
//	mom-a        mom-b            nobody
//	  │            ┊ resets, silence  ┊          every second
//	  └──── 2 syndics, each beside a master with simulated minions ────
//
//	go run ./internal/soak -saltern bin/saltern -for 30m        (make soak)
//
// Jobs are published at mom-a, at mom-b and at the masters below the whole time. Each second every daemon is asked for its
// memory, descriptors and goroutines; each interval is one line. In the end the line heals, every job gets its returns,
// also one that fell into the last cut and is found by the next look for missed publications, and the queues run empty;
// the job stores of both masters of masters must hold every return of every job. The exit status is 0 when all is well, 1
// when something grew, was lost, ran twice or was late, 2 when it could not be run.
//
// Threading: one goroutine bends the line, one each publishes at mom-a, mom-b and below; main looks and decides. It starts
// processes and imports neither master nor syndic.
package main
