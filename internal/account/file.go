package account

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// WriteCredentials writes a key as AWS's credentials file has it, 0600, so that the AWS tools can
// be pointed at it. It replaces a file that is there.
func WriteCredentials(path string, k Key) (err error) {
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", k.AccessKey, k.Secret)
	f, err := os.CreateTemp(filepath.Dir(path), ".root-credentials-*") // made 0600
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("account: %w", errors.Join(err, os.Remove(f.Name())))
		}
	}()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
