package keyshare

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/saltern-io/saltern/pki"
)

// An export is text: a first line, one JSON line about it, one JSON line per entry, and a last line with the signature
// over every byte before it. Nothing in it is secret.
const (
	exportMagic  = "saltern keys 1\n"
	exportSig    = "signature "
	maxExport    = 512 << 20
	exportDomain = "saltern key export\n" // in front of what is signed: the key signs other things as well
)

// ErrExport is returned for a file that is no export, or was cut or changed.
var ErrExport = errors.New("not an export of shared keys, or damaged")

type exportHead struct {
	From    string `json:"from"`
	Node    string `json:"node"`
	Time    int64  `json:"time"`
	Entries int    `json:"entries"`
}

// Export writes every decision, signed with key: the master's own or its signing key.
func (s *Share) Export(w io.Writer, key *pki.PrivateKey) (entries int, err error) {
	var text bytes.Buffer
	err = s.with(func(l *ledgerFile) error {
		list, err := s.entries(l, "", maxEntries)
		if err != nil {
			return err
		}
		entries = len(list)
		text.WriteString(exportMagic)
		enc := json.NewEncoder(&text)
		if err := enc.Encode(exportHead{From: s.opts.Name, Node: l.Node, Time: s.now().Unix(), Entries: len(list)}); err != nil {
			return err
		}
		for i := range list {
			if err := enc.Encode(&list[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	sig, err := key.Sign(signing, append([]byte(exportDomain), text.Bytes()...))
	if err != nil {
		return 0, fmt.Errorf("sign the export: %w", err)
	}
	text.WriteString(exportSig + base64.StdEncoding.EncodeToString(sig) + "\n")
	_, err = w.Write(text.Bytes())
	return entries, err
}

// Import takes the decisions of an export that a pinned peer has signed, or this master itself (own).
func (s *Share) Import(r io.Reader, own *pki.PublicKey) (Report, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxExport+1))
	if err != nil {
		return Report{}, err
	}
	if len(text) > maxExport {
		return Report{}, fmt.Errorf("%w: larger than %d bytes", ErrExport, maxExport)
	}
	body, sig, err := splitExport(text)
	if err != nil {
		return Report{}, err
	}
	from, err := s.whoSigned(append([]byte(exportDomain), body...), sig, own)
	if err != nil {
		return Report{}, err
	}
	head, list, err := parseExport(body)
	if err != nil {
		return Report{}, err
	}
	if from == "" {
		from = head.From
	}
	var report Report
	err = s.with(func(l *ledgerFile) error {
		report, err = s.merge(l, from, list)
		return err
	})
	return report, err
}

// splitExport parts the signed bytes from the signature. It looks at nothing that is not signed but for that.
func splitExport(text []byte) (body, sig []byte, err error) {
	at := bytes.LastIndex(text, []byte("\n"+exportSig))
	if at < 0 || !bytes.HasPrefix(text, []byte(exportMagic)) {
		return nil, nil, ErrExport
	}
	body = text[:at+1]
	line := bytes.TrimSuffix(text[at+1+len(exportSig):], []byte("\n"))
	if len(line) > 4096 {
		return nil, nil, ErrExport
	}
	sig, err = base64.StdEncoding.DecodeString(string(line))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: signature: %w", ErrExport, err)
	}
	return body, sig, nil
}

func parseExport(body []byte) (exportHead, []Entry, error) {
	var head exportHead
	dec := json.NewDecoder(bytes.NewReader(body[len(exportMagic):]))
	if err := dec.Decode(&head); err != nil {
		return head, nil, fmt.Errorf("%w: %w", ErrExport, err)
	}
	if head.Entries < 0 || head.Entries > maxEntries || len(head.From) > maxName {
		return head, nil, fmt.Errorf("%w: %d entries of %q", ErrExport, head.Entries, head.From)
	}
	var list []Entry
	for range head.Entries {
		var e Entry
		if err := dec.Decode(&e); err != nil {
			return head, nil, fmt.Errorf("%w: %w", ErrExport, err)
		}
		if err := e.Check(); err != nil {
			return head, nil, fmt.Errorf("%w: %w", ErrExport, err)
		}
		list = append(list, e)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return head, nil, fmt.Errorf("%w: more than it says", ErrExport)
	}
	return head, list, nil
}
