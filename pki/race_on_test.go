//go:build race

package pki

// raceEnabled: the race detector allocates where the program does not.
const raceEnabled = true
