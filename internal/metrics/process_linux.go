package metrics

import (
	"os"
	"strconv"
	"strings"
)

// openFDs is the number of open descriptors. Newer kernels give it as the size of the directory.
func openFDs() int64 {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return -1
	}
	defer dir.Close()
	if info, err := dir.Stat(); err == nil && info.Size() > 0 {
		return info.Size() - 1 // the one that looks
	}
	var n int64
	for {
		names, err := dir.Readdirnames(1024)
		n += int64(len(names))
		if err != nil || len(names) == 0 {
			return n - 1
		}
	}
}

func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return -1
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return -1
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return -1
	}
	return pages * int64(os.Getpagesize())
}
