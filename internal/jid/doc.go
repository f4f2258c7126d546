// Package jid makes and reads job ids: 20 digits, the UTC time in microseconds. Spec: master-functions §5.
//
//	20261120134827331255
//	└─ year, month, day, hour, minute, second, microsecond
//
// Functions are pure; a Generator may be shared by any number of goroutines. The package imports nothing of this module.
package jid
