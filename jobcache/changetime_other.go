//go:build !linux

package jobcache

import (
	"io/fs"
	"time"
)

// changeTime is when the content last changed: the change time of the inode has no portable name.
func changeTime(info fs.FileInfo) time.Time {
	return info.ModTime()
}
