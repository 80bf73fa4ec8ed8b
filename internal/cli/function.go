package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/spf13/cobra"
)

func (s *session) function() *cobra.Command {
	return family("function", "List, show and delete functions", s.functionList(), s.functionShow(), s.functionDelete())
}

func (s *session) functionList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the account's functions", Args: none}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		functions, raw, err := r.functions(cmd.Context())
		switch {
		case err != nil:
			return err
		case *output == formatJSON:
			return s.json(raw)
		case len(functions) == 0:
			fmt.Fprintln(s.Err, "There is no function yet: \"lambent deploy DIR\" makes one.")
			return nil
		}
		var rows [][]string
		for _, f := range functions {
			rows = append(rows, []string{
				aws.ToString(f.FunctionName), string(f.Runtime), aws.ToString(f.Handler),
				fmt.Sprintf("%d MB", aws.ToInt32(f.MemorySize)), fmt.Sprintf("%d s", aws.ToInt32(f.Timeout)),
				size(f.CodeSize), modified(f.LastModified),
			})
		}
		return s.table([]string{"NAME", "RUNTIME", "HANDLER", "MEMORY", "TIMEOUT", "CODE", "MODIFIED"}, rows)
	}
	return cmd
}

// functions answers all pages, and their functions' own bytes as one page.
func (r *remote) functions(ctx context.Context) ([]types.FunctionConfiguration, []byte, error) {
	var all []types.FunctionConfiguration
	page := struct{ Functions []json.RawMessage }{Functions: []json.RawMessage{}}
	var body []byte
	pages := lambda.NewListFunctionsPaginator(r.lambda, &lambda.ListFunctionsInput{})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx, keepBody(&body))
		if err != nil {
			return nil, nil, err
		}
		var raw struct{ Functions []json.RawMessage }
		if err := json.Unmarshal(body, &raw); err != nil {
			return nil, nil, err
		}
		all = append(all, out.Functions...)
		page.Functions = append(page.Functions, raw.Functions...)
	}
	raw, err := json.Marshal(page)
	return all, raw, err
}

// modified shows Lambda's form of a time.
func modified(value *string) string {
	t, err := time.Parse("2006-01-02T15:04:05.999-0700", aws.ToString(value))
	if err != nil {
		return aws.ToString(value)
	}
	return clockTime(t)
}

func (s *session) functionShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show NAME[:QUALIFIER]", Short: "Show a function", Args: one("one function's name"),
		ValidArgsFunction: s.completeFunction,
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		var raw []byte
		f, err := r.lambda.GetFunction(cmd.Context(), &lambda.GetFunctionInput{FunctionName: &args[0]}, keepBody(&raw))
		switch {
		case err != nil:
			return err
		case *output == formatJSON:
			return s.json(raw)
		}
		return s.showFunction(f)
	}
	return cmd
}

func (s *session) showFunction(f *lambda.GetFunctionOutput) error {
	c := f.Configuration
	if c == nil {
		return fmt.Errorf("the server's answer has no configuration")
	}
	var variables, reserved string
	if c.Environment != nil { // names only: values are often secrets
		variables = strings.Join(slices.Sorted(maps.Keys(c.Environment.Variables)), ", ")
	}
	if f.Concurrency != nil && f.Concurrency.ReservedConcurrentExecutions != nil {
		reserved = fmt.Sprint(*f.Concurrency.ReservedConcurrentExecutions)
	}
	var tags []string
	for _, k := range slices.Sorted(maps.Keys(f.Tags)) {
		tags = append(tags, k+"="+f.Tags[k])
	}
	return s.facts(
		[2]string{"Name", aws.ToString(c.FunctionName)},
		[2]string{"ARN", aws.ToString(c.FunctionArn)},
		[2]string{"Version", aws.ToString(c.Version)},
		[2]string{"Description", aws.ToString(c.Description)},
		[2]string{"State", string(c.State)},
		[2]string{"Note", aws.ToString(c.StateReason)},
		[2]string{"Last update", string(c.LastUpdateStatus)},
		[2]string{"Update note", aws.ToString(c.LastUpdateStatusReason)},
		[2]string{"Runtime", string(c.Runtime)},
		[2]string{"Handler", aws.ToString(c.Handler)},
		[2]string{"Memory", fmt.Sprintf("%d MB", aws.ToInt32(c.MemorySize))},
		[2]string{"Timeout", fmt.Sprintf("%d s", aws.ToInt32(c.Timeout))},
		[2]string{"Variables", variables},
		[2]string{"Reserved", reserved},
		[2]string{"Code", size(c.CodeSize) + ", sha256 " + aws.ToString(c.CodeSha256)},
		[2]string{"Modified", modified(c.LastModified)},
		[2]string{"Tags", strings.Join(tags, ", ")},
	)
}

func (s *session) functionDelete() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete NAME[:VERSION]", Short: "Delete a function, or one version of it",
		Long:              "Delete a function, or one version of it. On a terminal it asks first; without one it goes on.",
		Args:              one("one function's name"),
		ValidArgsFunction: s.completeFunction,
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := s.confirm(cmd.Context(), yes || !s.InTTY, fmt.Sprintf("Delete the function %s?", args[0])); err != nil {
			return err
		}
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		if _, err := r.lambda.DeleteFunction(cmd.Context(), &lambda.DeleteFunctionInput{FunctionName: &args[0]}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.Out, "deleted %s\n", args[0])
		return err
	}
	return cmd
}

// completeFunction completes a function's name, for as long as a person waits for a Tab.
func (s *session) completeFunction(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	r, err := s.connect(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	functions, _, err := r.functions(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, f := range functions {
		if name := aws.ToString(f.FunctionName); strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
