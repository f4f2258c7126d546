package config

import "fmt"

// GranularLevels is log_granular_levels as level by logger name; a value that is no text is left as its text, so that
// whoever knows the levels can name it.
func (c *Master) GranularLevels() map[string]string {
	levels := map[string]string{}
	if c.LogGranular == nil {
		return levels
	}
	for name, value := range c.LogGranular.All() {
		text, ok := value.Text()
		if !ok {
			text = fmt.Sprint(value.Any())
		}
		levels[fmt.Sprint(name)] = text
	}
	return levels
}
