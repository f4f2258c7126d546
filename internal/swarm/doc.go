// Package swarm is N simulated Salt minions in one process, on the real wire, without libzmq.
package swarm
