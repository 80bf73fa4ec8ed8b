package cli

import (
	"fmt"
	"net/http"
	"regexp"

	"github.com/spf13/cobra"

	"lambent.dev/lambent/internal/cli/client"
)

func (s *session) account() *cobra.Command {
	key := family("key", "Make, list and delete an account's access keys", s.keyCreate(), s.keyList(), s.keyDelete())
	return family("account", "Make, list and delete accounts and their keys", s.accountCreate(), s.accountList(), s.accountDelete(), key)
}

// checkAccount checks an account's id.
func checkAccount(id string) error {
	if !regexp.MustCompile(`^\d{12}$`).MatchString(id) {
		return usagef("an account's id has 12 digits, and %q has not", id)
	}
	return nil
}

func (s *session) accountCreate() *cobra.Command {
	cmd := &cobra.Command{Use: "create ID", Short: "Make an account", Args: one("one account id of 12 digits")}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkAccount(args[0]); err != nil {
			return err
		}
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		raw, err := r.own.Call(cmd.Context(), http.MethodPut, client.Path("accounts", args[0]), nil, nil, nil)
		switch {
		case err != nil:
			return err
		case *output == formatJSON:
			return s.json(raw)
		}
		_, err = fmt.Fprintf(s.Out, "created account %s\n\nNext:\n  lambent account key create --account %s\n", args[0], args[0])
		return err
	}
	return cmd
}

func (s *session) accountList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the accounts", Args: none}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		var all client.Accounts
		raw, err := r.own.Call(cmd.Context(), http.MethodGet, client.Path("accounts"), nil, nil, &all)
		switch {
		case err != nil:
			return err
		case *output == formatJSON:
			return s.json(raw)
		case len(all.Accounts) == 0:
			fmt.Fprintln(s.Err, "There is no account yet: \"lambent account create ID\" makes one.")
			return nil
		}
		var rows [][]string
		for _, a := range all.Accounts {
			rows = append(rows, []string{a.ID, clockTime(a.CreatedAt)})
		}
		return s.table([]string{"ACCOUNT", "CREATED"}, rows)
	}
	return cmd
}

func (s *session) accountDelete() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete ID", Short: "Delete an account",
		Long: "Delete an account. On a terminal it asks first; without one it goes on.",
		Args: one("one account id of 12 digits"),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkAccount(args[0]); err != nil {
			return err
		}
		if err := s.confirm(cmd.Context(), yes || !s.InTTY, fmt.Sprintf("Delete the account %s?", args[0])); err != nil {
			return err
		}
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		if _, err := r.own.Call(cmd.Context(), http.MethodDelete, client.Path("accounts", args[0]), nil, nil, nil); err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.Out, "deleted account %s\n", args[0])
		return err
	}
	return cmd
}

// accountFlag gives a command its --account.
func accountFlag(cmd *cobra.Command) func() (string, error) {
	id := cmd.Flags().String("account", "", "the account's `ID`")
	return func() (string, error) {
		if *id == "" {
			return "", usagef("say whose key: --account ID")
		}
		return *id, checkAccount(*id)
	}
}

func (s *session) keyCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "create --account ID",
		Short:   "Make an access key; its secret is shown once",
		Long:    `Make an access key. Its secret is shown once, as a section of AWS's credentials file.`,
		Example: `  lambent account key create --account 111122223333 >> ~/.aws/credentials`,
		Args:    none,
	}
	output, account := outputFlag(cmd), accountFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		id, err := account()
		if err != nil {
			return err
		}
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		var key client.Key
		raw, err := r.own.Call(cmd.Context(), http.MethodPost, client.Path("accounts", id, "keys"), nil, nil, &key)
		switch {
		case err != nil:
			return err
		case *output == formatJSON:
			return s.json(raw)
		}
		_, err = fmt.Fprintf(s.Out, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", id, key.AccessKey, key.SecretKey)
		return err
	}
	return cmd
}

func (s *session) keyList() *cobra.Command {
	cmd := &cobra.Command{Use: "list --account ID", Short: "List an account's access keys", Args: none}
	output, account := outputFlag(cmd), accountFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		id, err := account()
		if err != nil {
			return err
		}
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		var all client.Keys
		raw, err := r.own.Call(cmd.Context(), http.MethodGet, client.Path("accounts", id, "keys"), nil, nil, &all)
		switch {
		case err != nil:
			return err
		case *output == formatJSON:
			return s.json(raw)
		case len(all.Keys) == 0:
			fmt.Fprintf(s.Err, "The account has no key yet: \"lambent account key create --account %s\" makes one.\n", id)
			return nil
		}
		var rows [][]string
		for _, k := range all.Keys {
			rows = append(rows, []string{k.AccessKey, clockTime(k.CreatedAt)})
		}
		return s.table([]string{"ACCESS KEY", "CREATED"}, rows)
	}
	return cmd
}

func (s *session) keyDelete() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete KEY --account ID", Short: "Delete an access key",
		Long: "Delete an access key. On a terminal it asks first; without one it goes on.",
		Args: one("one access key's id"),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	account := accountFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := account()
		if err != nil {
			return err
		}
		if err := s.confirm(cmd.Context(), yes || !s.InTTY, fmt.Sprintf("Delete the access key %s?", args[0])); err != nil {
			return err
		}
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		if _, err := r.own.Call(cmd.Context(), http.MethodDelete, client.Path("accounts", id, "keys", args[0]), nil, nil, nil); err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.Out, "deleted key %s\n", args[0])
		return err
	}
	return cmd
}
