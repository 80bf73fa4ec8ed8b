package interpreter

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed client
var clientFiles embed.FS

// clientFolder answers the folder that holds the runtime clients, named by their content. It is
// written where it is missing or not whole. The caller holds f.mu.
func (f *Finder) clientFolder() (string, error) {
	if f.clients != "" {
		return f.clients, nil
	}
	files := map[string][]byte{}
	digest := sha256.New()
	err := fs.WalkDir(clientFiles, "client", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := clientFiles.ReadFile(path)
		if err != nil {
			return err
		}
		files[path[len("client/"):]] = text
		digest.Write([]byte(path + "\x00"))
		digest.Write(text)
		return nil
	})
	if err != nil {
		return "", err
	}
	folder := filepath.Join(f.options.DataDir, "clients", hex.EncodeToString(digest.Sum(nil))[:16])
	for name, text := range files {
		if err := writeClient(filepath.Join(folder, name), text); err != nil {
			return "", err
		}
	}
	f.clients = folder
	return folder, nil
}

// writeClient writes one file, readable for every environment's user, unless it is there.
func writeClient(path string, text []byte) error {
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, text) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return replaceFile(path, text, 0o644)
}
