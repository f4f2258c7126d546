package check

import "encoding/binary"

// hostIsLittle tells the byte order of this host, in which /proc/net/tcp prints addresses.
var hostIsLittle = binary.NativeEndian.Uint16([]byte{1, 0}) == 1
