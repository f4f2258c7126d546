package saltkey

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
)

// options are the options of salt-key (spec: key-management-cli §3).
type options struct {
	list                           string
	accept, reject, remove         string
	print, finger                  string
	listAll, acceptAll, rejectAll  bool
	removeAll, printAll, fingerAll bool
	includeAll, includeAccepted    bool
	includeRejected, includeDenied bool
	yes, quiet                     bool
	rotate, preserve               string

	genKeys, genKeysDir           string
	keySize                       int
	genSignature, autoCreate      bool
	private, public, signatureDir string

	configDir, user                 string
	out, outFile, outIndent         string
	outAppend, noColor, forceColor  bool
	logLevel, logFile, logFileLevel string
	eauth, username, password       string
	makeToken                       bool
	showVersion, showVersionsReport bool
	hardCrash                       bool

	// What stock does not have.
	force, strictExit, watch bool
	verifySignature          bool
	compat, states, auditLog string
	acceptFrom               string
	olderThan, newerThan     time.Duration
}

// own are the options stock does not have: they never make an abbreviation of a stock option ambiguous.
var own = []string{
	"force", "strict-exit", "watch", "verify-signature", "compat", "state", "audit-log", "accept-from", "older-than", "newer-than",
}

func (o *options) register(cmd *cobra.Command) {
	o.actionFlags(cmd)
	o.makingFlags(cmd)
	o.ownFlags(cmd)
	o.commonFlags(cmd)
	cliargs.Own(cmd.Flags(), own...)
}

func (o *options) actionFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.list, "list", "l", "", "list keys of a state: acc, pre or un, rej, den, all")
	f.BoolVarP(&o.listAll, "list-all", "L", false, "list all keys (the default)")
	f.StringVarP(&o.accept, "accept", "a", "", "accept pending keys that match")
	f.BoolVarP(&o.acceptAll, "accept-all", "A", false, "accept all pending keys")
	f.StringVarP(&o.reject, "reject", "r", "", "reject pending keys that match")
	f.BoolVarP(&o.rejectAll, "reject-all", "R", false, "reject all pending keys")
	f.BoolVar(&o.includeAll, "include-all", false, "accept rejected, or reject accepted keys as well")
	f.BoolVar(&o.includeAccepted, "include-accepted", false, "reject accepted keys as well")
	f.BoolVar(&o.includeRejected, "include-rejected", false, "accept rejected keys as well")
	f.BoolVar(&o.includeDenied, "include-denied", false, "accept or reject denied keys as well")
	f.StringVarP(&o.print, "print", "p", "", "print public keys that match")
	f.BoolVarP(&o.printAll, "print-all", "P", false, "print all public keys")
	f.StringVarP(&o.remove, "delete", "d", "", "delete keys that match, in every state")
	f.BoolVarP(&o.removeAll, "delete-all", "D", false, "delete all keys")
	f.StringVarP(&o.finger, "finger", "f", "", "print fingerprints of keys that match")
	f.BoolVarP(&o.fingerAll, "finger-all", "F", false, "print all fingerprints")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "do not print errors")
	f.StringVar(&o.rotate, "rotate-aes-key", "", "whether deleting or rejecting makes the master take a new AES key (default True)")
	f.StringVar(&o.preserve, "preserve-minions", "", "whether deleting keeps the cached data of accepted minions (default False)")
}

func (o *options) makingFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.genKeys, "gen-keys", "", "make the key pair NAME.pem and NAME.pub")
	f.StringVar(&o.genKeysDir, "gen-keys-dir", ".", "directory of the key pair; made when missing")
	f.IntVar(&o.keySize, "keysize", 0, "bits of a new key, 2048 to 32768 (default: the option keysize, 2048)")
	f.BoolVar(&o.genSignature, "gen-signature", false, "sign the master's public key for masters that do not hold the signing key")
	f.BoolVar(&o.autoCreate, "auto-create", false, "make the signing key pair when there is none")
	f.StringVar(&o.private, "priv", "", "private signing key (default: master_sign.pem in pki_dir)")
	f.StringVar(&o.public, "pub", "", "public key to sign (default: master.pub in pki_dir)")
	f.StringVar(&o.signatureDir, "signature-path", "", "directory of the signature (default: pki_dir)")
}

func (o *options) ownFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.compat, "compat", "", "do as stock of this line does: 3006, 3007 or 3008")
	f.BoolVar(&o.strictExit, "strict-exit", false, "exit with 0 done, 1 failed, 2 nothing matched, 3 declined")
	f.BoolVar(&o.force, "force", false, "let another key replace an accepted one, and a signature the old one")
	f.StringVar(&o.states, "state", "", "only keys in these states: acc, pre or un, rej, den, separated by commas")
	f.DurationVar(&o.olderThan, "older-than", 0, "only keys that came longer ago, such as 90m or 720h")
	f.DurationVar(&o.newerThan, "newer-than", 0, "only keys that came within this time")
	f.StringVar(&o.acceptFrom, "accept-from", "", "accept the pending keys whose fingerprint is in this file, lines \"id fingerprint\"; - is stdin")
	f.BoolVar(&o.watch, "watch", false, "print changes of keys as they come, until Ctrl-C")
	f.StringVar(&o.auditLog, "audit-log", "", "file for the record of who changed what; none turns it off (default: saltern_key_audit_log)")
	f.BoolVar(&o.verifySignature, "verify-signature", false, "check a signature made by --gen-signature; exit 1 when minions would refuse it")
}

func (o *options) commonFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.configDir, "config-dir", "c", "", "configuration directory")
	f.StringVarP(&o.user, "user", "u", "", "account to work as (default: the option user)")
	cliargs.RegisterSaltfile(f)
	f.StringVar(&o.out, "out", "", "outputter: key, json, jsonl, yaml, nested, txt, raw, pprint, table, quiet, newline_values_only")
	cliargs.Alias(f, "out", "output")
	f.StringVar(&o.outIndent, "out-indent", "", "spaces per level")
	cliargs.Alias(f, "out-indent", "output-indent")
	f.StringVar(&o.outFile, "out-file", "", "write the keys to this file")
	cliargs.Alias(f, "out-file", "output-file")
	f.BoolVar(&o.outAppend, "out-file-append", false, "append to the file")
	cliargs.Alias(f, "out-file-append", "output-file-append")
	f.BoolVar(&o.noColor, "no-color", false, "no colours")
	cliargs.Alias(f, "no-color", "no-colour")
	f.BoolVar(&o.forceColor, "force-color", false, "colours even when stdout is no terminal")
	cliargs.Alias(f, "force-color", "force-colour")
	f.String("state-output", "", "accepted as by every Salt command; keys have no states to show")
	cliargs.Alias(f, "state-output", "state_output")
	f.String("state-verbose", "", "accepted as by every Salt command; keys have no states to show")
	cliargs.Alias(f, "state-verbose", "state_verbose")
	f.StringVar(&o.logLevel, "log-level", "", "level of messages on stderr (default: the option log_level, warning)")
	f.StringVar(&o.logFile, "log-file", "", "write messages to this file as well")
	f.StringVar(&o.logFileLevel, "log-file-level", "", "level of messages in that file")
	f.BoolVar(&o.hardCrash, "hard-crash", false, "exit with 1 where an error otherwise ends with 0")
	f.StringVar(&o.eauth, "eauth", "", "have a running master act, through its wheel functions, with this external authentication")
	cliargs.Alias(f, "eauth", "auth", "external-auth")
	f.BoolVarP(&o.makeToken, "make-token", "T", false, "with --eauth: have the master issue a token and keep it for later runs")
	f.StringVar(&o.username, "username", "", "user name for --eauth; asked for when missing")
	f.StringVar(&o.password, "password", "", "password for --eauth; asked for, without echo, when missing")
	f.BoolVar(&o.showVersion, "version", false, "print the version")
	f.BoolVarP(&o.showVersionsReport, "versions-report", "V", false, "print the versions of everything")
}
