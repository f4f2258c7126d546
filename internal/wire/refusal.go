package wire

// Refusal is a complete reply body: what the wire says when there is no proper answer. The values below are shared
// and must not be written to.
type Refusal []byte

// Replies to requests that are not dispatched. Numbers are the rows of spec: transport §2.5.
var (
	BadLoadMap       = text1("msg", "bad load")                        // 1: no complete MessagePack object
	BadLoad          = text("bad load")                                // 2–5, 10–13
	NotDict          = text("payload and load must be a dict")         // 6
	NullID           = text("bad load: id contains a null byte")       // 7
	PayloadException = text("Some exception handling minion payload")  // 14, and a load without cmd
	ServerException  = text("Server-side exception handling payload")  // 15
	EmptyMap         = Refusal{0x80}                                   // unknown command, missing field
	NonceMissing     = text1("error", "Nonce not included in request") // private reply, level 2 and up
	AESKeyNotFound   = text1("error", "AES key not found")             // private reply, no accepted key
	ErrorBadLoad     = text1("error", "bad load")                      // private reply, key unreadable
	AuthBadEncAlgo   = Refusal(AppendAuthPlain(nil, "bad enc algo"))   // unsigned at every level
	AuthBadSigAlgo   = Refusal(AppendAuthPlain(nil, "bad sig algo"))   // unsigned at every level
	JIDNotAssigned   = clear1("error", "Master failed to assign jid")  // publish, jid cannot be had
	EmptyStr         = Refusal{0xa0}                                   // handler failed, encrypted
	Nil              = Refusal{0xc0}                                   // done, nothing to say
	True             = Refusal{0xc3}                                   // done
	False            = Refusal{0xc2}                                   // refused
)

// Errors that publish, runner and wheel answer with. Spec: master-functions §3.3 and §4.
var (
	AuthenticationError      = NamedError("AuthenticationError", "Authentication error occurred.")
	AuthorizationError       = NamedError("AuthorizationError", "Authorization error occurred.")
	TokenAuthenticationError = NamedError("TokenAuthenticationError",
		`Authentication failure of type "token" occurred.`)
	UserAuthenticationError = NamedError("UserAuthenticationError",
		`Authentication failure of type "user" occurred`)
	InvocationError = NamedError("SaltInvocationError",
		"A command invocation error occurred: Check syntax.")
)

// EauthAuthenticationError is the answer to a runner or wheel request whose user failed to log in or may not do it.
func EauthAuthenticationError(user string) Refusal {
	return NamedError("EauthAuthenticationError",
		`Authentication failure of type "eauth" occurred for user `+user+".")
}

// NamedError returns {"error": {"name": name, "message": message}}.
func NamedError(name, message string) Refusal {
	w := beginMap(nil, Wire)
	w.key("error")
	in := beginMap(w.dst, Wire)
	in.str("name", name)
	in.str("message", message)
	w.dst = in.end()
	return Refusal(w.end())
}

// ReturnerMissing is the answer to publish when the job cache that gives out job ids does not exist.
func ReturnerMissing(name string) Refusal {
	return text1("error", "Failed to allocate a jid. The requested returner '"+name+"' could not be loaded.")
}

// IDNotString is row 8: v is the decoded id, shown as Python writes it, cut at 64 bytes.
func IDNotString(v any) Refusal {
	b := append([]byte("bad load: id "), appendRepr(nil, v, 64)...)
	return Refusal(AppendBytes(nil, append(b, " is not a string"...), Wire))
}

// String tells which refusal it is, for logs.
func (r Refusal) String() string {
	v, err := Decode(r, Wire, OuterLimits)
	if err != nil {
		return "malformed refusal"
	}
	return string(appendRepr(nil, v, 200))
}

func text(s string) Refusal { return Refusal(AppendStr(nil, s, Wire)) }

func text1(key, s string) Refusal {
	w := beginMap(nil, Wire)
	w.str(key, s)
	return Refusal(w.end())
}

// clear1 returns {"enc": "clear", "load": {key: s}}.
func clear1(key, s string) Refusal {
	w := beginMap(nil, Wire)
	w.str("enc", EncClear)
	w.raw("load", text1(key, s))
	return Refusal(w.end())
}
