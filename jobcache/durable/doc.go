// Package durable holds what the stores on Pebble have in common: the job cache, and the outbox of syndics and relays.
//
//	Put ─┐
//	Put ─┼─► Queue (bounded by weight) ─► Take ─► one batch, one sync
//	Add ─┘
//
// Threading: a Queue is safe for concurrent use and has one taker. The package imports nothing of this module.
package durable
