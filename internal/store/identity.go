package store

import (
	"errors"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// A file beside the store's folder says that the store was made. Without it, a folder that was
// emptied, or whose list of files is damaged, would read as a new store, and Pebble would delete
// what the list no longer names.

func identityPath(dir string) string { return dir + ".made" }

// checkMade looks, before anything is written, whether a store that was made is still there.
func (o Options) checkMade(p *pebble.Options) (made bool, err error) {
	_, err = o.FS.Stat(identityPath(o.Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = o.readFormat(p)
	}
	if err != nil {
		return true, &lambda.Error{Kind: lambda.PreconditionFailed, Err: err, Message: "The store in " + o.Dir +
			" is damaged or gone; nothing was changed. Restore it from a backup, or remove " + identityPath(o.Dir) + " to begin with what is readable."}
	}
	return true, nil
}

// readFormat opens the store to read only, which deletes nothing, and reads its format.
func (o Options) readFormat(p *pebble.Options) (err error) {
	p.ReadOnly = true
	var s Store
	if err := s.openPebble(o.Dir, p); err != nil {
		return err
	}
	_, closer, err := s.db.Get(kv.Key(kv.Meta, "version"))
	if err == nil {
		err = closer.Close()
	}
	return errors.Join(err, s.db.Close())
}

// writeMade keeps that the store was made.
func (o Options) writeMade() error {
	f, err := o.FS.Create(identityPath(o.Dir), "identity")
	if err != nil {
		return err
	}
	_, err = f.Write([]byte("The store beside this file was made. Lambent refuses to start when it is gone.\n"))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	parent, err := o.FS.OpenDir(o.FS.PathDir(o.Dir))
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}
