// Package manual writes manual pages from what the programs know of themselves: a command's own options,
// and the table of configuration options.
//
//	*cobra.Command ──► WriteCommand ──► salt-key.1        option table ──► WriteOptions ──► saltern-options.5
//
// Threading: nothing here is shared. It imports config for the option table and nothing else of this
// module, reads no file and runs no command.
package manual
