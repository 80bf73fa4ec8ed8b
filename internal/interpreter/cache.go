package interpreter

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"
)

const (
	cacheName    = "interpreters.json"
	cacheVersion = 1 // of the questions and of what is kept
)

// cached is what a candidate answered, or why it is none.
type cached struct {
	Interpreter
	Modified       time.Time `json:"modified"`
	Size           int64     `json:"size"`
	TargetModified time.Time `json:"targetModified,omitzero"` // of what a shim leads to
	Error          string    `json:"error,omitempty"`
}

// stands says whether an answer still holds, the candidate itself being unchanged.
func (c cached) stands() bool {
	if c.TargetModified.IsZero() {
		return true
	}
	info, err := os.Stat(c.Executable)
	return err == nil && info.ModTime().Equal(c.TargetModified)
}

type cacheFile struct {
	Version int               `json:"version"`
	Entries map[string]cached `json:"entries"`
}

// loadCache answers what an earlier run kept; a file that can't be used is as good as none.
func loadCache(dir string) map[string]cached {
	text, err := os.ReadFile(filepath.Join(dir, cacheName))
	if err != nil {
		return nil
	}
	var file cacheFile
	if json.Unmarshal(text, &file) != nil || file.Version != cacheVersion {
		return nil
	}
	return file.Entries
}

// saveCache keeps the answers where they have changed.
func saveCache(dir string, old, entries map[string]cached) error {
	same := maps.EqualFunc(old, entries, func(a, b cached) bool {
		return a.Size == b.Size && a.Modified.Equal(b.Modified) && a.TargetModified.Equal(b.TargetModified)
	})
	if same {
		return nil
	}
	text, err := json.MarshalIndent(cacheFile{cacheVersion, entries}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, cacheName), text, 0o644)
}

// replaceFile writes a file so that readers see the old one or the new one, whole.
func replaceFile(path string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
