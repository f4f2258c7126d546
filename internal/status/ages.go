package status

import "time"

// maxMarks bounds the memory of one queue. When it is full every second mark goes, so that old ones stay.
const maxMarks = 64

// minMarkGap is the least time between two marks of a queue.
const minMarkGap = time.Second

// Ages finds out how long the oldest item of a queue waits, for queues that keep no times: when n items came
// in so far and w of them wait, the oldest is the one that came in as number n-w+1, and it was there already
// at every earlier look that had counted so far. The result is therefore a lower bound that is at most the
// time between two looks too small.
//
// The zero value is ready for use. It belongs to whoever makes the reports.
type Ages struct{ queues map[string][]mark }

// mark says that so many items had come in by then.
type mark struct {
	at    time.Time
	taken int64
}

// Oldest notes a look at the queue and returns the age of its oldest item. taken is how many items have ever
// come in, waiting how many of them are there.
func (a *Ages) Oldest(queue string, taken, waiting int64, now time.Time) Age {
	if a.queues == nil {
		a.queues = make(map[string][]mark)
	}
	marks := a.queues[queue]
	if n := len(marks); n > 0 && (taken < marks[n-1].taken || now.Before(marks[n-1].at)) {
		marks = nil // another life of the queue, or the clock went back
	}
	oldest := taken - waiting + 1
	for len(marks) > 0 && marks[0].taken < oldest {
		marks = marks[1:] // too early to have seen it, now and for ever
	}
	if n := len(marks); n == 0 || now.Sub(marks[n-1].at) >= minMarkGap {
		if n >= maxMarks {
			marks = thin(marks)
		}
		marks = append(marks, mark{now, taken})
	}
	a.queues[queue] = marks
	if waiting <= 0 || marks[0].taken < oldest {
		return 0
	}
	return Age(now.Sub(marks[0].at))
}

// thin keeps the first of every two marks.
func thin(marks []mark) []mark {
	kept := make([]mark, 0, maxMarks)
	for i := 0; i < len(marks); i += 2 {
		kept = append(kept, marks[i])
	}
	return kept
}
