package awswire

// Principal is who sent a request. Handlers take it as an argument: whatever they read or
// write belongs to its Account and Region.
type Principal struct {
	Account   string // 12 digits
	AccessKey string // "" in development mode without credentials
	Region    string // from the credential's scope, else the default
	Root      bool   // the installation's root key
}

// Credentials knows the access keys.
type Credentials interface {
	// Lookup answers an access key's secret, its account, and whether it is the root key. The
	// error's kind is UnrecognizedClient for a key that is unknown, deleted or disabled.
	Lookup(accessKey string) (secret, account string, root bool, err error)
}
