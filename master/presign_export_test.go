package master

// PrivateOperations counts what was done with the master's key, and with the signing key; the latter is
// not held when a prepared signature is served.
func (m *Master) PrivateOperations() (own, signing uint64, held bool) {
	keys := m.masterKeys.Load()
	if keys.Signing == nil {
		return keys.Master.Operations(), 0, false
	}
	return keys.Master.Operations(), keys.Signing.Operations(), true
}
