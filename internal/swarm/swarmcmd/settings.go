package swarmcmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// envPrefix stands before the name of every option in the environment: SALTERN_SWARM_MINIONS for
// --minions, with "_" for "-".
const envPrefix = "SALTERN_SWARM"

// settle fills in the options that the command line does not give: from the environment, then from the
// file of --config (YAML, JSON or TOML by its ending, keys as the long options). A name in the file that
// is no option is an error, because a load test with a mistyped size measures something else.
func (o *options) settle(cmd *cobra.Command) error {
	v := viper.New()
	v.SetEnvPrefix(envPrefix)
	v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	v.AutomaticEnv()
	flags := cmd.Flags()
	if o.configFile != "" {
		v.SetConfigFile(o.configFile)
		if err := v.ReadInConfig(); err != nil {
			return fmt.Errorf("--config: %w", err)
		}
		var faults []error
		for _, key := range v.AllKeys() {
			if flags.Lookup(key) == nil {
				faults = append(faults, fmt.Errorf("--config %s: no option %q", o.configFile, key))
			}
		}
		if err := errors.Join(faults...); err != nil {
			return err
		}
	}
	var faults []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || !v.IsSet(f.Name) || f.Name == "config" || f.Name == "help" {
			return
		}
		values := []string{v.GetString(f.Name)}
		if _, list := f.Value.(pflag.SliceValue); list {
			values = v.GetStringSlice(f.Name)
		}
		for _, value := range values {
			if err := flags.Set(f.Name, value); err != nil {
				faults = append(faults, fmt.Errorf("option %s from the environment or --config: %w", f.Name, err))
			}
		}
	})
	return errors.Join(faults...)
}
