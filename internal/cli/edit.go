package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"lambent.dev/lambent/internal/cli/client"
)

func (s *session) letterEdit() *cobra.Command {
	var payload, patch string
	cmd := &cobra.Command{
		Use:   "edit ID",
		Short: "Correct a dead letter's payload",
		Long: `Correct a dead letter's payload: replace it, patch it, or without either open it in $EDITOR.
What it was before is kept with the letter.`,
		Example: `  lambent deadletter edit ID --payload @order.json
  lambent deadletter edit ID --patch '{"currency":"EUR","note":null}'`,
		Args: one("one dead letter's id"),
	}
	flags := cmd.Flags()
	flags.StringVar(&payload, "payload", "", "the new payload: `JSON`, @FILE or - for standard input, less one line end")
	flags.StringVar(&patch, "patch", "", "a JSON merge patch of the payload: `JSON`, @FILE or -")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		change, err := s.change(cmd.Context(), flags.Changed("payload"), payload, flags.Changed("patch"), patch)
		if err != nil {
			return err
		}
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		if change == nil {
			// Ctrl-C belongs to the editor from here on.
			ctx = context.WithoutCancel(ctx)
			if change, err = s.openEditor(ctx, r, args[0]); err != nil || change == nil {
				return err
			}
		}
		raw, err := r.own.Call(ctx, http.MethodPatch, client.Path("deadletters", args[0]), nil, change, nil)
		switch {
		case err != nil:
			return err
		case *output == formatJSON:
			return s.json(raw)
		}
		_, err = fmt.Fprintf(s.Out, "edited %s\n\nNext:\n  lambent deadletter redrive %s\n", args[0], args[0])
		return err
	}
	return cmd
}

// change reads the flags of edit into a request's body; nil asks for the editor.
func (s *session) change(ctx context.Context, hasPayload bool, payload string, hasPatch bool, patch string) (map[string]any, error) {
	switch {
	case hasPayload && hasPatch:
		return nil, usagef("give --payload or --patch, not both")
	case hasPayload:
		content, err := s.readJSON(ctx, "payload", payload)
		if err != nil {
			return nil, err
		}
		if payload == "-" { // the line end that echo and editors add is none of the payload
			content = bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
		}
		if !utf8.Valid(content) {
			return nil, usagef("--payload is not UTF-8")
		}
		return map[string]any{"payload": string(content)}, nil
	case hasPatch:
		object, err := s.readPatch(ctx, "patch", patch)
		if err != nil {
			return nil, err
		}
		return map[string]any{"patch": object}, nil
	case !s.InTTY || !s.OutTTY:
		return nil, usagef("say what changes: --payload JSON|@FILE|- or --patch JSON")
	}
	return nil, nil
}

// openEditor lets a person change a letter's payload. A nil change says that nothing changed.
func (s *session) openEditor(ctx context.Context, r *remote, id string) (map[string]any, error) {
	letter, _, err := r.letter(ctx, id)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "lambent-*.json") // 0600: payloads are nobody else's business
	if err != nil {
		return nil, err
	}
	name := file.Name()
	_, err = file.WriteString(letter.Payload)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(name))
	}
	editor := orElse(s.Env("VISUAL"), orElse(s.Env("EDITOR"), "vi"))
	cmd := exec.Command("sh", "-c", editor+` "$1"`, "editor", name) // the variable may hold arguments
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.In, s.Out, s.Err
	if err := cmd.Run(); err != nil {
		return nil, errors.Join(fmt.Errorf("the editor %q failed (%s), nothing was changed: set EDITOR", editor, err), os.Remove(name))
	}
	edited, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	text := sameEnd(letter.Payload, edited)
	if text == letter.Payload {
		fmt.Fprintln(s.Err, "Nothing was changed.")
		return nil, os.Remove(name)
	}
	var v json.RawMessage
	if err := json.Unmarshal([]byte(text), &v); err != nil || !utf8.ValidString(text) {
		return nil, fmt.Errorf("the text is not JSON and was not sent; it is kept: \"lambent deadletter edit %s --payload @%s\" once it is corrected", id, name)
	}
	return map[string]any{"payload": text}, os.Remove(name)
}

// sameEnd takes away the line end that editors put at a file's end, unless it was there before.
func sameEnd(before string, edited []byte) string {
	if !bytes.HasSuffix([]byte(before), []byte("\n")) {
		edited = bytes.TrimSuffix(edited, []byte("\n"))
		edited = bytes.TrimSuffix(edited, []byte("\r"))
	}
	return string(edited)
}
