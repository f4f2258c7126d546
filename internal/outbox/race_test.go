//go:build race

package outbox

// raceEnabled says that the test binary itself takes several times its memory and time.
const raceEnabled = true
