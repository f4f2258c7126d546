// Package minioncache keeps what each minion told the master about itself: grains and pillar
// (data.p) and mine data (mine.p), in the files that stock tools on the host read.
//
//	<cachedir>/minions/<id>/data.p   {grains, pillar}      written by every pillar request
//	<cachedir>/minions/<id>/mine.p   function → value      written by mine requests
//
// Files are new-spec MessagePack, mode 0600, replaced by rename (spec: master-functions §2.2, §6).
// A Cache is safe for concurrent use: changes of one minion's mine are serialised. Callers check
// ids with pki.CheckID before they get here; the package checks again what reaches the disk.
package minioncache
