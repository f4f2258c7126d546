package config

import "testing"

func TestDefaultMaster(t *testing.T) {
	m := DefaultMaster()
	t.Logf("%+v", m)
	s := DefaultSyndic()
	t.Logf("%+v", s)
}
