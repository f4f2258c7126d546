package stock

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the unit of times in /proc: USER_HZ, 100 on every Linux.
const clockTick = 10 * time.Millisecond

// CPU is the processor time that the whole process group has used, ended children included.
func (p *Process) CPU() (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	var ticks int64
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // has ended meanwhile
		}
		group, used, err := parseStat(string(text))
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", path, err)
		}
		if group == p.PID() {
			ticks += used
		}
	}
	return time.Duration(ticks) * clockTick, nil
}

// parseStat reads the process group and the ticks used by a process and its reaped children from
// "pid (name) state ppid pgrp … utime stime cutime cstime …".
func parseStat(text string) (group int, ticks int64, err error) {
	end := strings.LastIndexByte(text, ')')
	fields := strings.Fields(text[end+1:])
	const pgrp, utime, cstime = 2, 11, 14
	if end < 0 || len(fields) <= cstime {
		return 0, 0, fmt.Errorf("%d fields", len(fields))
	}
	if group, err = strconv.Atoi(fields[pgrp]); err != nil {
		return 0, 0, err
	}
	for _, field := range fields[utime : cstime+1] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, 0, err
		}
		ticks += n
	}
	return group, ticks, nil
}

// Sweep kills every process whose HOME is dir or below it, and returns how many there were. A harness that gives
// each of its processes such a HOME gets rid of daemons that have left their process group.
func Sweep(dir string) (int, error) {
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return 0, err
	}
	killed := 0
	for _, path := range environs {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // has ended meanwhile, or is somebody else's
		}
		if !livesIn(string(text), dir) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err == nil {
			killed++
		}
	}
	return killed, nil
}

func livesIn(environ, dir string) bool {
	for entry := range strings.SplitSeq(environ, "\x00") {
		if home, ok := strings.CutPrefix(entry, "HOME="); ok {
			return home == dir || strings.HasPrefix(home, dir+"/")
		}
	}
	return false
}
