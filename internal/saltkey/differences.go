package saltkey

// Aspect is a part of what a run does, as far as the golden cases record it.
type Aspect string

// The aspects.
const (
	Exit        Aspect = "exit status"
	Stdout      Aspect = "stdout"
	Stderr      Aspect = "stderr"
	EventsFired Aspect = "events"
	Removed     Aspect = "files removed"
	Added       Aspect = "files added"
	Caches      Aspect = "caches removed"
	OutFile     Aspect = "output file"
	Made        Aspect = "files made"
	Signature   Aspect = "signatures"
)

// Aspects are all of them.
var Aspects = []Aspect{Exit, Stdout, Stderr, EventsFired, Removed, Added, Caches, OutFile, Made, Signature}

// Default is the mode without --compat; it is compared with stock 3008.
const Default = "default"

// Difference is one thing that this command does otherwise than stock salt-key, on purpose.
type Difference struct {
	Name  string   // what it is about
	In    []string // modes: 3006, 3007, 3008, default
	Stock string   // what stock does
	Here  string   // what happens here
	Why   string
	Shows []Show // where golden cases show it; none: no golden case does
}

// Show is where golden cases show a difference.
type Show struct {
	In      []string
	Cases   []string
	Aspects []Aspect
}

var (
	all    = []string{Compat3006, Compat3007, Compat3008, Default}
	newest = []string{Compat3008, Default}
	ours   = []string{Default}
)

// Differences is the list: the golden tests fail for one that is missing here, and for one listed here
// that is gone; the reference page holds the same list. The order is that of the page.
var Differences = []Difference{
	{
		Name: "fingerprints", In: ours, Stock: "hashes the whole file, armour included", Here: "hashes the body, as 3006 and 3007 do",
		Why: "it is what minions show and compare; a whole-file value in `master_finger` never matches",
		Shows: []Show{{In: ours, Cases: []string{
			"finger-one", "finger-glob", "finger-all", "finger-golden", "finger-all-json", "finger-all-yaml", "finger-comma", "finger-bracket",
			"finger-neg", "finger-qmark", "finger-hash-md5", "finger-hash-sha1", "finger-hash-sha512", "finger-hash-SHA256",
		}, Aspects: []Aspect{Stdout}}},
	},
	{
		Name: "`-f master.pub`", In: ours, Stock: "prints nothing, because the name is a link", Here: "prints the fingerprint of the master's key",
		Why:   "instructions for setting up minions name this file",
		Shows: []Show{{In: ours, Cases: []string{"finger-master"}, Aspects: []Aspect{Stdout}}},
	},
	{
		Name: "event words", In: ours, Stock: "`act` is `accepted` or `rejected`", Here: "`accept` or `reject`, as 3006 and 3007",
		Why: "reactors in the field test for these words",
		Shows: []Show{{In: ours, Cases: []string{
			"accept-prompt-y", "accept-prompt-yes", "accept-prompt-empty", "accept-y", "accept-glob", "accept-comma", "accept-rejected-incl",
			"accept-rejected-incl-all", "accept-denied-incl", "accept-mixed-invalid", "accept-all", "accept-all-nojunk", "accept-all-incl-rejected",
			"accept-out-json", "accept-quiet", "accept-out-quiet", "accept-force-color", "reject-y", "reject-prompt-empty", "reject-accepted-incl",
			"reject-all-incl-accepted", "reject-denied-incl", "reject-incl-all", "reject-norotate", "two-actions",
		}, Aspects: []Aspect{EventsFired}}},
	},
	{
		Name: "keys that cannot be read, accepted", In: ours, Stock: "reports them as accepted although they stay where they are", Here: "reports only what was done",
		Why:   "the sentence is not true",
		Shows: []Show{{In: ours, Cases: []string{"accept-invalid", "accept-mixed-invalid", "accept-all"}, Aspects: []Aspect{Stdout}}},
	},
	{
		Name: "keys that cannot be read, rejected", In: ours, Stock: "leaves them pending and reports them as rejected", Here: "rejects them, as 3006 and 3007 do",
		Why: "to refuse garbage for good is what rejecting is for",
		Shows: []Show{
			{In: ours, Cases: []string{"reject-all"}, Aspects: []Aspect{Stdout, Stderr, EventsFired, Removed, Added}},
			{In: ours, Cases: []string{"reject-invalid"}, Aspects: []Aspect{Stderr, EventsFired, Removed, Added}},
		},
	},
	{
		Name: "`--out quiet`, `--out newline_values_only`", In: ours, Stock: "does not know them any more", Here: "knows them",
		Why:   "scripts use them",
		Shows: []Show{{In: ours, Cases: []string{"list-out-quiet", "list-out-newline_values_only", "accept-out-quiet"}, Aspects: []Aspect{Stdout, Stderr}}},
	},
	{
		Name: "accepted keys are not replaced", In: all, Stock: "`-a ID --include-denied` puts the denied key, an impostor's by its nature, in the place of the accepted one",
		Here: "refuses where the keys differ, unless `--force` is given", Why: "it hands the id to whoever sent the other key",
		Shows: []Show{
			{In: []string{Compat3006, Compat3007}, Cases: []string{"accept-denied-dup"}, Aspects: []Aspect{Stdout, Stderr, EventsFired, Removed}},
			{In: newest, Cases: []string{"accept-denied-dup"}, Aspects: []Aspect{Stdout, Stderr, EventsFired, Removed, Added}},
		},
	},
	{
		Name: "an id matched twice", In: all, Stock: "`-a delta,del*` fails halfway (3006, 3007) or does it twice (3008)", Here: "takes each id once", Why: "the key was accepted, and the error says otherwise",
		Shows: []Show{
			{In: []string{Compat3006, Compat3007}, Cases: []string{"accept-comma-overlap"}, Aspects: []Aspect{Stdout, Stderr}},
			{In: newest, Cases: []string{"accept-comma-overlap"}, Aspects: []Aspect{Stdout, EventsFired}},
		},
	},
	{
		Name: "`-D` with arguments", In: []string{Compat3006}, Stock: "3006 deletes all keys", Here: "refuses, as 3007 and 3008 do", Why: "`-D web1` means `-d web1`",
		Shows: []Show{{In: []string{Compat3006}, Cases: []string{"delete-all-args"}, Aspects: []Aspect{Stdout, Stderr, EventsFired, Removed, Added, Caches}}},
	},
	{
		Name: "cached data of others", In: all, Stock: "each delete and reject removes the cached data of every id without a key", Here: "removes that of the keys it was called for",
		Why: "grains and mine data of minions that were not named are not this command's to remove",
		Shows: []Show{{In: all, Cases: []string{
			"reject-y", "reject-prompt-empty", "reject-accepted-incl", "reject-all", "reject-all-incl-accepted", "reject-denied-incl", "reject-incl-all",
			"reject-norotate", "reject-invalid", "delete-prompt-y", "delete-y", "delete-two-states", "delete-denied", "delete-glob", "delete-all",
			"delete-norotate", "delete-preserve", "delete-preserve-pending", "delete-invalid", "delete-out-json", "delete-rotate-conf-false",
		}, Aspects: []Aspect{Caches}}},
	},
	{
		Name: "rotation flag", In: []string{Compat3006}, Stock: "3006 leaves `.dfn` empty", Here: "writes the master's id into it, as 3007 and 3008 do",
		Why: "a 3006 master does not look inside, a newer one ignores an empty flag for ever",
		Shows: []Show{{In: []string{Compat3006}, Cases: []string{
			"reject-y", "reject-prompt-empty", "reject-accepted-incl", "reject-all", "reject-all-incl-accepted", "reject-denied-incl", "reject-incl-all",
			"reject-invalid", "delete-prompt-y", "delete-y", "delete-two-states", "delete-denied", "delete-glob", "delete-all", "delete-preserve",
			"delete-preserve-pending", "delete-invalid", "delete-preserve-conf", "delete-out-json",
		}, Aspects: []Aspect{Added}}},
	},
	{
		Name: "`--gen-signature`", In: all, Stock: "signs the public key with its final newline, which no minion accepts", Here: "signs what minions verify, and for SHA-224 as well in a second file `.sha224`",
		Why: "the stock result cannot be used",
		Shows: []Show{
			{In: all, Cases: []string{"gensig-autocreate", "gensig-sizes"}, Aspects: []Aspect{Added}},
			{In: all, Cases: []string{"gensig-withsign", "gensig-json"}, Aspects: []Aspect{Added, Signature}},
			{In: all, Cases: []string{"gensig-again"}, Aspects: []Aspect{Signature}},
			{In: all, Cases: []string{"gensig-privpub"}, Aspects: []Aspect{Made, Signature}},
		},
	},
	{
		Name: "`--gen-signature`, which key", In: all, Stock: "looks for `master_sign.pem` only; 3008 exits 1 when the signature is switched on before it exists",
		Here: "looks for the name of `master_sign_key_name` first; makes the signature whatever is switched on", Why: "the master uses that name, and the order of the two steps is nobody's concern",
	},
	{
		Name: "`--gen-keys` of 3008", In: newest, Stock: "prints a traceback, and makes a master key pair in the same directory", Here: "prints the fingerprint and makes the pair asked for",
		Why:   "the files are right, the rest is a mistake",
		Shows: []Show{{In: newest, Cases: []string{"genkeys", "genkeys-json", "genkeys-again", "genkeys-3072"}, Aspects: []Aspect{Stdout, Stderr, Made}}},
	},
	{
		Name: "end of input at the prompt", In: newest, Stock: "3008 prints a Python traceback", Here: "prints `Error: EOF when reading a line`, as 3006 and 3007 do", Why: "there is no Python",
		Shows: []Show{{In: newest, Cases: []string{"accept-prompt-eof"}, Aspects: []Aspect{Stderr}}},
	},
	{
		Name: "`--version`, `-V`", In: all, Stock: "stock's release", Here: "saltern's", Why: "it is saltern",
		Shows: []Show{{In: all, Cases: []string{"version"}, Aspects: []Aspect{Stdout}}},
	},
	{
		Name: "`--eauth` with `-a`, `-r`, `-d`", In: all, Stock: "asks and then changes nothing, but for the deletion of one accepted key; prints `deleted` all the same",
		Here: "has the master change the keys that were shown, and reports what it says became of each", Why: "it is what was asked for",
	},
	{
		Name: "`--eauth`, names", In: all, Stock: "refuses backends that the client does not have, with a list", Here: "leaves it to the master, which answers that the authentication failed",
		Why: "the backend is the master's",
	},
	{
		Name: "`--eauth`, the question `username: `", In: all, Stock: "is on stdout", Here: "is on stderr", Why: "stdout is for what was asked for",
	},
	{
		Name: "`--eauth`, master away", In: all, Stock: "waits for three minutes and prints `Message timed out`",
		Here: "says at once that nobody listens", Why: "nobody does",
	},
	{
		Name: "`--eauth` with `--rotate-aes-key`, `--preserve-minions`", In: all, Stock: "ignores them: the master's own configuration decides", Here: "is refused with status 64",
		Why: "an option that does nothing is a trap",
	},
	{
		Name: "`--eauth` with a token file", In: all, Stock: "takes root's key instead of the token where it can read that, or else the token, and ignores `--username` and `--password`",
		Here: "takes the token, and that only where neither is given", Why: "who asks to act as somebody does not want to act as root",
	},
	{
		Name: "`-T`, `--username`, `--password` without `--eauth`", In: all, Stock: "are ignored", Here: "are refused with status 64", Why: "to act without them as somebody else would be worse",
	},
	{
		Name: "key sizes", In: all, Stock: "`--keysize` goes up to 32768", Here: "keys of more than 16384 bits are refused when they are made", Why: "libcrypto cannot use larger ones, so no minion could",
	},
	{
		Name: "file names", In: all, Stock: "3007 lists directories as keys; all list names with control characters", Here: "regular files with a valid id only", Why: "an id can be written to a terminal",
	},
}
