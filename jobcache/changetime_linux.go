package jobcache

import (
	"io/fs"
	"syscall"
	"time"
)

// changeTime is when the inode last changed, a rename or a new mode included.
func changeTime(info fs.FileInfo) time.Time {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Ctim.Unix())
	}
	return info.ModTime()
}
