//go:build !linux

package metrics

// Other systems do not tell without a library of their own.
func openFDs() int64       { return -1 }
func residentBytes() int64 { return -1 }
