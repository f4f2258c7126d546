package wire

import "crypto/sha256"

// Mark is a JobMark; the zero one is that of no job.
type Mark [16]byte

// JobMark is what tells two jobs with one id apart: function and target, without the target where masters on the way may
// have put another in its place (compound ones with groups). 16 bytes of a hash, since a target can be a list of
// thousands and marks are kept by the ten thousand; zero when a value cannot be encoded, which is like none.
func JobMark(fun, tgt any, tgtType string) Mark {
	b, err := Append(nil, fun, Wire)
	if err == nil && tgtType != "compound" && tgtType != "nodegroup" {
		b, err = Append(b, tgt, Wire)
	}
	if err != nil {
		return Mark{}
	}
	sum := sha256.Sum256(b)
	return Mark(sum[:16])
}

// MarkOf is the JobMark of a publication, or of a publish request.
func MarkOf(load *Map) Mark {
	fun, _ := load.Get("fun")
	tgt, _ := load.Get("tgt")
	return JobMark(fun, tgt, load.Str("tgt_type"))
}
