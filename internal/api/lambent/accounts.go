package lambent

import (
	"strings"

	"lambent.dev/lambent/internal/lambda"
)

// accountID reads the account of a path.
func (c *call) accountID() (string, error) {
	id := c.r.PathValue("id")
	if len(id) != 12 || strings.Trim(id, "0123456789") != "" {
		return "", lambda.Errorf(lambda.InvalidParameterValue, "An account's id has 12 digits, not %.64q.", id)
	}
	return id, nil
}

func (s *Server) listAccounts(*call) (any, error) {
	all, err := s.Accounts.List()
	if err != nil {
		return nil, err
	}
	out := accountsView{Accounts: make([]accountView, 0, len(all))}
	for _, a := range all {
		out.Accounts = append(out.Accounts, accountView{ID: a.ID, CreatedAt: stampOf(a.CreatedAt)})
	}
	return out, nil
}

func (s *Server) getAccount(c *call) (any, error) {
	id, err := c.accountID()
	if err != nil {
		return nil, err
	}
	all, err := s.Accounts.List()
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.ID == id {
			return accountView{ID: a.ID, CreatedAt: stampOf(a.CreatedAt)}, nil
		}
	}
	return nil, lambda.Errorf(lambda.ResourceNotFound, "No account %s.", id)
}

func (s *Server) putAccount(c *call) (any, error) {
	id, err := c.accountID()
	if err != nil {
		return nil, err
	}
	a, err := s.Accounts.Create(id)
	if err != nil {
		return nil, err
	}
	return accountView{ID: a.ID, CreatedAt: stampOf(a.CreatedAt)}, nil
}

func (s *Server) deleteAccount(c *call) (any, error) {
	id, err := c.accountID()
	if err != nil {
		return nil, err
	}
	return nil, s.Accounts.Delete(id)
}

func (s *Server) listKeys(c *call) (any, error) {
	id, err := c.accountID()
	if err != nil {
		return nil, err
	}
	all, err := s.Keys.List(id)
	if err != nil {
		return nil, err
	}
	out := keysView{Keys: make([]keyView, 0, len(all))}
	for _, k := range all {
		out.Keys = append(out.Keys, keyView{AccessKeyID: k.AccessKey, CreatedAt: stampOf(k.CreatedAt)})
	}
	return out, nil
}

func (s *Server) createKey(c *call) (any, error) {
	id, err := c.accountID()
	if err != nil {
		return nil, err
	}
	k, err := s.Keys.Create(id)
	if err != nil {
		return nil, err
	}
	return newKeyView{keyView: keyView{AccessKeyID: k.AccessKey, CreatedAt: stampOf(k.CreatedAt)}, SecretAccessKey: k.Secret, Account: id}, nil
}

func (s *Server) deleteKey(c *call) (any, error) {
	id, err := c.accountID()
	if err != nil {
		return nil, err
	}
	return nil, s.Keys.Delete(id, c.r.PathValue("accessKey"))
}
