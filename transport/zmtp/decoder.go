package zmtp

import "fmt"

// Portions in which a frame's memory grows while its bytes arrive: a size that a peer only announces costs nothing.
const (
	firstPortion = 64 << 10
	directRead   = 4 << 10 // what is still to come is read in place from this size on
)

// limits bound what one connection may send.
type limits struct {
	frameBytes   int64
	frames       int
	messageBytes int64
	command      int64
}

// itemKind says what a decoder found.
type itemKind uint8

const (
	itemNone    itemKind = iota // all bytes used, nothing complete
	itemMessage                 // frames
	itemOver                    // frames are the start of a message above a limit; the rest was thrown away
	itemCommand                 // command, valid until the next call
)

type item struct {
	kind    itemKind
	frames  [][]byte // the receiver's
	command []byte
}

// decoder cuts a stream of bytes into messages and commands. Between messages it owns no memory.
type decoder struct {
	lim  *limits
	v2   bool
	n    uint8 // bytes in head
	head [longHeader]byte
	part *partial // an unfinished frame or message
}

// partial is a message, or a frame, that has begun.
type partial struct {
	frames [][]byte
	bytes  int64 // of frames
	over   bool  // above a limit: further frames are thrown away

	open    bool // a frame has begun
	flags   byte
	skip    bool   // its bytes are thrown away
	left    uint64 // bytes still to come
	body    []byte // bytes that came
	command bool
}

var emptyFrame = []byte{}

// pending returns how many bytes of unfinished things are held, plus one while there is any.
func (d *decoder) pending() int64 {
	if d.part == nil {
		return int64(d.n)
	}
	return 1 + d.part.bytes + int64(len(d.part.body)) + int64(d.n)
}

// feed reads on in b until something is complete or b is used up. It returns how many bytes it used.
func (d *decoder) feed(b []byte) (used int, it item, err error) {
	for {
		if d.part == nil || !d.part.open {
			n, ok, err := d.begin(b[used:])
			used += n
			if err != nil || !ok {
				return used, it, err
			}
		}
		n := d.fill(b[used:])
		used += n
		if d.part.left > 0 {
			return used, it, nil
		}
		if it = d.finish(); it.kind != itemNone {
			return used, it, nil
		}
		if used == len(b) {
			return used, it, nil
		}
	}
}

// begin reads a frame header. ok is false when it is not complete.
func (d *decoder) begin(b []byte) (used int, ok bool, err error) {
	src, old := b, int(d.n)
	if old > 0 || len(b) < longHeader {
		used = copy(d.head[old:], b)
		d.n += uint8(used)
		src = d.head[:d.n]
	}
	h, n, err := parseHeader(src, d.v2)
	if err != nil || n == 0 {
		return used, false, err
	}
	d.n = 0
	used = n - old
	if err := d.admit(h); err != nil {
		return used, false, err
	}
	return used, true, nil
}

// admit checks a frame against the limits and makes room for it.
func (d *decoder) admit(h frameHeader) error {
	command := h.flags&flagCommand != 0
	limit := d.lim.frameBytes
	if command {
		limit = d.lim.command
	}
	if limit >= 0 && h.size > uint64(limit) {
		return fmt.Errorf("%w: %d bytes", ErrFrameSize, h.size)
	}
	if d.part == nil {
		d.part = &partial{}
	}
	p := d.part
	p.open, p.flags, p.left, p.command, p.body = true, h.flags, h.size, command, nil
	if !command {
		over := len(p.frames) >= d.lim.frames || d.lim.messageBytes >= 0 && p.bytes+int64(h.size) > d.lim.messageBytes
		p.over = p.over || over && len(p.frames) > 0
	}
	p.skip = p.over && !command
	return nil
}

// fill takes bytes of the open frame from b.
func (d *decoder) fill(b []byte) int {
	p := d.part
	n := int(min(p.left, uint64(len(b))))
	p.left -= uint64(n)
	if p.skip || n == 0 {
		return n
	}
	if p.body == nil && p.left > 0 {
		p.body = make([]byte, 0, min(uint64(n)+p.left, firstPortion))
	}
	p.body = append(p.body, b[:n]...)
	return n
}

// space returns memory of the open frame to read into directly, nil when reading through a buffer is as good.
func (d *decoder) space() []byte {
	p := d.part
	if p == nil || !p.open || p.skip || p.left < directRead {
		return nil
	}
	if cap(p.body)-len(p.body) < directRead {
		grown := make([]byte, len(p.body), min(uint64(len(p.body))+p.left, uint64(max(2*cap(p.body), firstPortion))))
		copy(grown, p.body)
		p.body = grown
	}
	return p.body[len(p.body):min(uint64(cap(p.body)), uint64(len(p.body))+p.left)]
}

// took says that n bytes were read into space.
func (d *decoder) took(n int) {
	p := d.part
	p.body = p.body[:len(p.body)+n]
	p.left -= uint64(n)
}

// finish ends the open frame.
func (d *decoder) finish() item {
	p := d.part
	p.open = false
	if p.command {
		body := p.body
		p.body = nil
		if p.frames == nil && !p.over {
			d.part = nil
		}
		return item{kind: itemCommand, command: body}
	}
	if !p.skip {
		if p.body == nil {
			p.body = emptyFrame
		}
		if p.frames == nil {
			p.frames = make([][]byte, 0, 2)
		}
		p.frames = append(p.frames, p.body)
		p.bytes += int64(len(p.body))
	}
	p.body = nil
	if p.flags&flagMore != 0 {
		return item{}
	}
	d.part = nil
	if p.over {
		return item{kind: itemOver, frames: p.frames}
	}
	return item{kind: itemMessage, frames: p.frames}
}
