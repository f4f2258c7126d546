package saltkey

import (
	"slices"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/version"
)

// instead is what a run does in an aspect where it differs from stock on purpose; stock is what stock
// does there.
func instead(t *testing.T, column string, c goldenCase, a Aspect, stock string) string {
	t.Helper()
	if texts, ok := insteadTexts[c.Name]; ok {
		for _, key := range []string{column + " " + string(a), string(a)} {
			if text, ok := texts[key]; ok {
				return text
			}
		}
	}
	switch {
	case c.Name == "version":
		return "salt-key " + version.String() + "\n"
	case a == Caches:
		return withoutLine(stock, "ghost")
	case a == Added && strings.HasPrefix(c.Name, "gensig"), a == Made && strings.HasPrefix(c.Name, "gensig"):
		return withSHA224(stock)
	case a == Signature:
		return rightSignatures(t, stock)
	case a == Added:
		return strings.ReplaceAll(stock, "content=''", "content='golden'")
	case a == EventsFired:
		return strings.NewReplacer("accepted ", "accept ", "rejected ", "reject ").Replace(stock)
	case strings.HasPrefix(c.Name, "finger"):
		return bodyFingers(t, stock)
	case strings.HasPrefix(c.Name, "genkeys"):
		return rightPair(c, a, stock)
	case a == Stderr:
		return ""
	}
	return "nothing is known about this case"
}

var insteadTexts = map[string]map[string]string{
	"finger-master": {
		"stdout": "Local Keys:\nmaster.pub:  b4:57:22:f6:30:21:55:4e:09:de:8b:22:56:0e:1a:3b:64:01:e5:8d:69:7e:05:25:17:c2:82:40:57:e3:15:84\n",
	},
	"accept-comma-overlap": {
		"stdout":         "The following keys are going to be accepted:\nUnaccepted Keys:\ndelta\nKey for minion delta accepted.\n",
		"3008 events":    "accepted delta",
		"default events": "accept delta",
	},
	"accept-denied-dup": {
		"stdout":        "The following keys are going to be accepted:\nDenied Keys:\nalpha\n",
		"stderr":        "[ERROR   ] Key of alpha is accepted already and the denied one is another: not replaced without --force\n",
		"events":        "",
		"files removed": "",
		"files added":   "",
	},
	"accept-prompt-eof": {"stderr": "Error: EOF when reading a line\n"},
	"accept-invalid":    {"stdout": "The following keys are going to be accepted:\nUnaccepted Keys:\njunk\n"},
	"accept-mixed-invalid": {
		"stdout": "The following keys are going to be accepted:\nUnaccepted Keys:\ndelta\njunk\nweb2.example.com\nKey for minion delta accepted.\nKey for minion web2.example.com accepted.\n",
	},
	"accept-all": {
		"stdout": "The following keys are going to be accepted:\nUnaccepted Keys:\ndelta\njunk\nweb2.example.com\nKey for minion delta accepted.\nKey for minion web2.example.com accepted.\n",
	},
	"accept-out-quiet": {"stdout": "The following keys are going to be accepted:\nKey for minion delta accepted.\n"},
	"list-out-quiet":   {"stdout": ""},
	"list-out-newline_values_only": {
		"stdout": "delta\njunk\nweb2.example.com\necho\nalpha\nBravo\nweb1.example.com\nalpha\nfoxtrot\n",
	},
	"reject-all": {
		"default stdout":        "The following keys are going to be rejected:\nUnaccepted Keys:\ndelta\njunk\nweb2.example.com\nKey for minion delta rejected.\nKey for minion junk rejected.\nKey for minion web2.example.com rejected.\n",
		"default events":        "reject delta\nreject junk\nreject web2.example.com",
		"default files removed": "0644 pki/minions_pre/delta\n0644 pki/minions_pre/junk\n0644 pki/minions_pre/web2.example.com",
		"default files added":   "0400 cache/.dfn content='golden'\n0600 pki/minions_rejected/delta\n0600 pki/minions_rejected/junk\n0600 pki/minions_rejected/web2.example.com",
	},
	"reject-invalid": {
		"default events":        "reject junk",
		"default files removed": "0644 pki/minions_pre/junk",
		"default files added":   "0400 cache/.dfn content='golden'\n0600 pki/minions_rejected/junk",
	},
	"delete-all-args": {
		"stdout": "", "stderr": "Error: Delete all takes no arguments. Use -d to delete specified keys\n",
		"events": "", "files removed": "", "files added": "", "caches removed": "",
	},
}

func withoutLine(text, line string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return l == line }), "\n")
}

// withSHA224 adds the second signature beside each.
func withSHA224(listing string) string {
	lines := strings.Split(listing, "\n")
	for _, line := range lines {
		if strings.Contains(line, "_pubkey_signature") {
			lines = append(lines, strings.Replace(line, "_pubkey_signature", "_pubkey_signature.sha224", 1))
		}
	}
	return sorted(lines)
}

// rightSignatures are the signatures of the fixture keys that minions accept.
func rightSignatures(t *testing.T, stock string) string {
	sigs := fixtures(t).Signatures
	name, text, _ := strings.Cut(stock, " ")
	if strings.TrimSpace(text) != sigs["sha1_over_file_with_trailing_newline"] {
		t.Fatalf("stock's signature is another: %q", text)
	}
	return sorted([]string{
		name + " " + sigs["sha1_over_stripped_pem"] + "\n",
		name + ".sha224 " + sigs["sha224_over_stripped_pem"] + "\n",
	})
}

// bodyFingers replaces fingerprints over whole files by those over the bodies.
func bodyFingers(t *testing.T, stock string) string {
	var fix struct {
		Keys map[string]struct {
			Body         map[string]string `json:"finger_body"`
			Whole        map[string]string `json:"finger_whole_file"`
			PrivateBody  string            `json:"private_finger_body_sha256"`
			PrivateWhole string            `json:"private_finger_whole_file_sha256"`
		}
	}
	readVector(t, "cli-key-fixtures.json", &fix)
	var pairs []string
	for _, key := range fix.Keys {
		for hash, whole := range key.Whole {
			pairs = append(pairs, whole, key.Body[hash])
		}
		if key.PrivateWhole != "" {
			pairs = append(pairs, key.PrivateWhole, key.PrivateBody)
		}
	}
	return strings.NewReplacer(pairs...).Replace(stock)
}

// rightPair is --gen-keys without 3008's traceback.
func rightPair(c goldenCase, a Aspect, stock string) string {
	switch {
	case a == Stderr:
		return ""
	case a == Stdout && slices.Contains(c.Argv, "--out=json"):
		return "{\n    \"return\": \"<fingerprint>\"\n}\n"
	case a == Stdout:
		return "return:\n    <fingerprint>\n"
	}
	lines := strings.Split(stock, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return !strings.Contains(l, " throw.") }), "\n")
}
