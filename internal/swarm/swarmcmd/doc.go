// Package swarmcmd is the command line of the swarm: options in, progress on stderr, figures as JSON on
// stdout. "saltern swarm" and the stand-alone saltern-swarm are the same command.
//
//	flags ──► swarm.Config ──► Swarm.Run ──► SIGINT, SIGTERM or --duration ──► swarm.Stats as JSON
//
// Threading: one command at a time. It imports internal/swarm and nothing of a daemon.
package swarmcmd
