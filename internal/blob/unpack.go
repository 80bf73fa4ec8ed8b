package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"lambent.dev/lambent/internal/lambda"
)

const linkMode = fs.ModeSymlink

// unpack writes the archive into root, an empty folder. Nothing is synced yet.
func (a *archive) unpack(ctx context.Context, root *os.Root) error {
	made := make(map[string]bool, len(a.folders))
	buf := make([]byte, 64<<10)
	for _, e := range a.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		dir := e.path
		if e.kind != folder {
			dir = parent(dir)
		}
		if err := makeFolders(root, made, dir); err != nil {
			return err
		}
		var err error
		switch e.kind {
		case folder:
		case file:
			err = writeFile(root, e, buf)
		case link:
			err = writeLink(root, e)
		}
		if err != nil {
			return err
		}
	}
	return a.followLinks(root)
}

func makeFolders(root *os.Root, made map[string]bool, path string) error {
	if path == "" || made[path] {
		return nil
	}
	if err := makeFolders(root, made, parent(path)); err != nil {
		return err
	}
	if err := root.Mkdir(path, 0o755); err != nil {
		return err
	}
	made[path] = true
	return root.Chmod(path, 0o755) // whatever the umask
}

func writeFile(root *os.Root, e entry, buf []byte) error {
	mode := fs.FileMode(0o644)
	if e.executable {
		mode = 0o755
	}
	content, err := e.zip.Open()
	if err != nil {
		return broken(err)
	}
	defer content.Close()
	f, err := root.OpenFile(e.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	err = errors.Join(copyExactly(f, content, int64(e.zip.UncompressedSize64), buf), f.Chmod(mode))
	return errors.Join(err, f.Close())
}

// copyExactly copies what the directory declared, and not a byte more.
func copyExactly(to io.Writer, from io.Reader, declared int64, buf []byte) error {
	src := readFaults{from}
	n, err := io.CopyBuffer(onlyWriter{to}, io.LimitReader(src, declared), buf)
	if err != nil {
		return err
	}
	// The end brings the check of the sum, and must be there.
	m, err := src.Read(buf[:1])
	if n != declared || m != 0 || !errors.Is(err, io.EOF) {
		return broken(err)
	}
	return nil
}

// readFaults gives errors of the zip their kind, so that they differ from those of the disk.
type readFaults struct{ io.Reader }

func (r readFaults) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = broken(err)
	}
	return n, err
}

// onlyWriter hides ReadFrom, which would not use the buffer.
type onlyWriter struct{ io.Writer }

func writeLink(root *os.Root, e entry) error {
	content, err := e.zip.Open()
	if err != nil {
		return broken(err)
	}
	defer content.Close()
	target, err := io.ReadAll(io.LimitReader(content, maxLinkBytes+1))
	if err != nil || uint64(len(target)) != e.zip.UncompressedSize64 {
		return broken(err)
	}
	if !staysInside(e.path, string(target)) {
		return refused(e.path, "is a link that leads out of the package")
	}
	return root.Symlink(string(target), e.path)
}

// followLinks sees where links lead over other links. One that leads to nothing is harmless.
func (a *archive) followLinks(root *os.Root) error {
	for _, e := range a.entries {
		if e.kind != link {
			continue
		}
		if _, err := root.Stat(e.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return refused(e.path, "is a link that leads out of the package or to itself")
		}
	}
	return nil
}

// kinded gives an error its kind at the package's border.
func kinded(err error) error {
	var known *lambda.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case isFull(err):
		return &lambda.Error{Kind: lambda.Unavailable, Message: "The package cannot be kept just now: the disk is full.", Err: err}
	}
	return &lambda.Error{Kind: lambda.Internal, Message: "The package could not be kept.", Err: err}
}
