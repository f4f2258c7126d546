package wire

// The names of the commands, as they stand in the field cmd of a load. Spec: master-functions §1.2.
const (
	CmdAuth    = "_auth" // clear
	CmdPing    = "ping"  // clear
	CmdPublish = "publish"
	CmdGetTok  = "get_token"
	CmdMkToken = "mk_token"
	CmdWheel   = "wheel"
	CmdRunner  = "runner"

	CmdMasterTops        = "_master_tops" // this and all below: encrypted
	CmdMasterOpts        = "_master_opts"
	CmdMineGet           = "_mine_get"
	CmdMine              = "_mine"
	CmdMineDelete        = "_mine_delete"
	CmdMineFlush         = "_mine_flush"
	CmdFileRecv          = "_file_recv"
	CmdPillar            = "_pillar"
	CmdMinionEvent       = "_minion_event"
	CmdHandleMinionEvent = "_handle_minion_event"
	CmdReturn            = "_return"
	CmdSyndicReturn      = "_syndic_return"
	CmdMinionRunner      = "minion_runner"
	CmdPubRet            = "pub_ret"
	CmdMinionPub         = "minion_pub"
	CmdMinionPublish     = "minion_publish"
	CmdRevokeAuth        = "revoke_auth"
	CmdVerifyMinion      = "verify_minion"
	CmdServeFile         = "_serve_file"
	CmdFileFind          = "_file_find"
	CmdFileHash          = "_file_hash"
	CmdFileHashAndStat   = "_file_hash_and_stat"
	CmdFileList          = "_file_list"
	CmdFileListEmptyDirs = "_file_list_emptydirs"
	CmdDirList           = "_dir_list"
	CmdSymlinkList       = "_symlink_list"
	CmdFileEnvs          = "_file_envs"
)

// The two values of enc in a request envelope.
const (
	EncClear = "clear"
	EncAES   = "aes"
	encPub   = "pub" // inside the load of a successful _auth reply
)
