package wire

import "crypto/sha256"

// JobMark is what tells two jobs with one id apart: function and target, without the target where masters on the way may
// have put another in its place (compound ones with groups). 16 bytes, since a target can be a list of
// thousands and marks are kept by the ten thousand; "" when a value cannot be encoded, which is like none.
func JobMark(fun, tgt any, tgtType string) string {
	b, err := Append(nil, fun, Wire)
	if err == nil && tgtType != "compound" && tgtType != "nodegroup" {
		b, err = Append(b, tgt, Wire)
	}
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return string(sum[:16])
}

// MarkOf is the JobMark of a publication, or of a publish request.
func MarkOf(load *Map) string {
	fun, _ := load.Get("fun")
	tgt, _ := load.Get("tgt")
	return JobMark(fun, tgt, load.Str("tgt_type"))
}
