package config

// notices reports what the files say and this release does not do.
func (b *binder) notices(tree *Map) {}
