package wire

// Reply values of the file functions when there is nothing, as raw MessagePack. They are shared and must not be written to.
// Spec: file-server §1.
var (
	FileFindNone        = Raw(pair("path", "", "rel", ""))  // _file_find
	FileHashNone        = Raw{0xa0}                         // _file_hash: ""
	FileHashAndStatNone = Raw{0x92, 0xa0, 0xc0}             // _file_hash_and_stat: ["", nil]
	ServeFileNone       = Raw(pair("data", "", "dest", "")) // _serve_file
	FileListNone        = Raw{0x90}                         // _file_list, _file_list_emptydirs, _dir_list, _file_envs: []
	SymlinkListNone     = Raw{0x80}                         // _symlink_list: {}
	FileRecvRefused     = Raw{0xc2}                         // _file_recv: false
)

func pair(k1, v1, k2, v2 string) []byte {
	w := beginMap(nil, Wire)
	w.str(k1, v1)
	w.str(k2, v2)
	return w.end()
}
