package scenario

import "regexp"

// Catalogue is every group for a column, in the order they run. Group and step names are the same in every
// column.
func Catalogue(c *Column) []Group {
	groups := []Group{baselineGroup(c), salternGroup(c)}
	groups = append(groups, tierGroups(c)...)
	groups = append(groups, levelGroups(c)...)
	groups = append(groups, linkGroups(c)...)
	groups = append(groups, originGroups(c)...)
	groups = append(groups, faninGroups(c)...)
	groups = append(groups, failoverGroups(c)...)
	groups = append(groups, rotationGroups(c)...)
	groups = append(groups, keystoreGroups(c)...)
	groups = append(groups, keywheelGroups(c)...)
	groups = append(groups, salttokenGroups(c)...)
	groups = append(groups, presignGroups(c)...)
	groups = append(groups, brokerGroups(c)...)
	groups = append(groups, relayGroups(c)...)
	groups = append(groups, exportGroups(c)...)
	return append(groups, compareGroups(c)...)
}

// choose keeps the steps whose full name matches, and those they want.
func choose(groups []Group, match *regexp.Regexp) []Group {
	wanted := make(map[string]bool)
	for _, g := range groups {
		for _, s := range g.Steps {
			if name := fullName(g, s); match.MatchString(name) {
				wanted[name] = true
				if g.Skip != "" || s.Skip != "" {
					continue
				}
				for _, other := range s.Wants {
					wanted[other] = true
				}
			}
		}
	}
	var chosen []Group
	for _, g := range groups {
		var steps []Step
		for _, s := range g.Steps {
			if wanted[fullName(g, s)] {
				steps = append(steps, s)
			}
		}
		if len(steps) > 0 {
			g.Steps = steps
			chosen = append(chosen, g)
		}
	}
	return chosen
}

func fullName(g Group, s Step) string { return g.Name + "/" + s.Name }
