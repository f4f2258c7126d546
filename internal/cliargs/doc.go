// Package cliargs gives cobra commands the manners of the stock ones: options as Python's optparse reads
// them, usage errors in its form with exit status 64, and function arguments parsed as YAML.
//
//	os.Args ──Execute──► Normalize (prefixes, "--opt value", unknown options) ──► pflag ──► RunE
//	                         │                                                             │
//	                         └── usage error, 64                          ExitError{Code}, ┘
//
// Threading: nothing here is shared; one command line at a time.
//
// It never imports a daemon package, and reads no file and no environment.
//
// spec: config-and-daemons §5, key-management-cli §3 and §5.1, local-client-and-salt-cli §3.
package cliargs
