package pki

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"
)

// The file of the shared key is text, one fact per line, and ends with a check sum over all lines before it:
//
//	saltern-shared-key 1
//	key <76 characters>
//	created <seconds>
//	serial <highest serial that may have been sent>
//	previous <76 characters> <seconds until it opens boxes>      only within the grace period
//	sum <hex SHA-256>
const sharedKeyMagic = "saltern-shared-key 1"

// modeSecret is the mode of files that hold key strings (spec: auth §3).
const modeSecret fs.FileMode = 0o600

var (
	errNoSharedKey  = errors.New("no shared key file")
	errBadSharedKey = errors.New("shared key file is damaged")
)

type sharedKeyFile struct {
	key, previous    string
	created, retired time.Time
	serial           uint64
}

func (s *sharedKeyFile) write(path string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nkey %s\ncreated %d\nserial %d\n", sharedKeyMagic, s.key, s.created.Unix(), s.serial)
	if s.previous != "" {
		// Rounded up, or a grace of less than a second would be over in the file.
		fmt.Fprintf(&b, "previous %s %d\n", s.previous, s.retired.Add(time.Second-1).Unix())
	}
	sum := sha256.Sum256([]byte(b.String()))
	fmt.Fprintf(&b, "sum %s\n", hex.EncodeToString(sum[:]))
	return writeFile(path, []byte(b.String()), modeSecret, powerProof)
}

// readSharedKeyFile returns errNoSharedKey for a missing file; errors never quote the content.
func readSharedKeyFile(path string) (*sharedKeyFile, error) {
	data, err := readRegular(path, 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoSharedKey
	}
	if err != nil {
		return nil, err
	}
	return parseSharedKeyFile(string(data))
}

func parseSharedKeyFile(text string) (*sharedKeyFile, error) {
	at := strings.LastIndex(text, "sum ")
	if at < 0 {
		return nil, errBadSharedKey
	}
	sum := sha256.Sum256([]byte(text[:at]))
	if text[at:] != "sum "+hex.EncodeToString(sum[:])+"\n" {
		return nil, errBadSharedKey
	}
	lines := strings.Split(strings.TrimSuffix(text[:at], "\n"), "\n")
	if len(lines) < 4 || lines[0] != sharedKeyMagic {
		return nil, errBadSharedKey
	}
	var s sharedKeyFile
	for _, line := range lines[1:] {
		if !s.field(strings.Fields(line)) {
			return nil, errBadSharedKey
		}
	}
	if s.key == "" || s.serial > math.MaxInt64 {
		return nil, errBadSharedKey
	}
	return &s, nil
}

func (s *sharedKeyFile) field(words []string) bool {
	if len(words) < 2 {
		return false
	}
	var err error
	switch words[0] {
	case "key":
		s.key = words[1]
		_, err = NewCipher(s.key)
	case "created":
		s.created, err = parseSeconds(words[1])
	case "serial":
		s.serial, err = strconv.ParseUint(words[1], 10, 64)
	case "previous":
		if len(words) != 3 {
			return false
		}
		s.previous = words[1]
		if _, err = NewCipher(s.previous); err == nil {
			s.retired, err = parseSeconds(words[2])
		}
	default:
		return false
	}
	return err == nil
}

func parseSeconds(text string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(n, 0), err
}
