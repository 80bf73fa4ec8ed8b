package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// Archive is a packed function.
type Archive struct {
	Zip      []byte
	SHA256   string // base64, as Lambda's CodeSha256
	Files    int
	Unpacked int64
}

// errTooLarge stops a pack that can't end well.
var errTooLarge = errors.New("too large")

// limits are the largest sizes.
type limits struct{ packed, unpacked int64 }

func lambdaLimits() limits { return limits{lambda.MaxZipBytes, lambda.MaxUnzippedBytes} }

// Pack packs a folder. The error is a sentence for a person.
func Pack(dir string) (Archive, error) { return pack(dir, lambdaLimits()) }

func pack(dir string, most limits) (Archive, error) {
	ignore, err := readIgnore(dir)
	if err != nil {
		return Archive{}, err
	}
	p := newPacker(most)
	files := os.DirFS(dir)
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if ignore.Excluded(name, d.IsDir()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return p.add(files, name, d)
	})
	if err != nil {
		return Archive{}, packFault(dir, err)
	}
	if p.files == 0 {
		return Archive{}, fmt.Errorf("%s holds no file to pack", dir)
	}
	return p.finish(dir)
}

// PackFile packs one file, which is executable, under a name.
func PackFile(name, file string) (Archive, error) {
	p := newPacker(lambdaLimits())
	f, err := os.Open(file)
	if err != nil {
		return Archive{}, err
	}
	defer f.Close()
	if err := p.copy(name, 0o755, f); err != nil {
		return Archive{}, packFault(name, err)
	}
	return p.finish(name)
}

func readIgnore(dir string) (Ignore, error) {
	text, err := os.ReadFile(filepath.Join(dir, IgnoreFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Ignore{}, err
	}
	own, err := ParseIgnore(string(text))
	if err != nil {
		return Ignore{}, fmt.Errorf("%s, %w", filepath.Join(dir, IgnoreFile), err)
	}
	defaults, err := ParseIgnore(defaultIgnore)
	if err != nil {
		return Ignore{}, err
	}
	return Ignore{rules: append(defaults.rules, own.rules...)}, nil
}

func packFault(what string, err error) error {
	if errors.Is(err, errTooLarge) {
		return fmt.Errorf("%s is too large: Lambda takes %d MB packed and %d MB unpacked; leave out what it does not need with %s",
			what, lambda.MaxZipBytes>>20, lambda.MaxUnzippedBytes/1_048_576, IgnoreFile)
	}
	return err
}

// packer writes the zip file. Times are fixed and modes are normalised, so that the same files
// give the same bytes and an unchanged function is seen to be unchanged.
type packer struct {
	most     limits
	out      bytes.Buffer
	zip      *zip.Writer
	files    int
	unpacked int64
}

func newPacker(most limits) *packer {
	p := &packer{most: most}
	p.zip = zip.NewWriter(&p.out)
	return p
}

func (p *packer) add(files fs.FS, name string, d fs.DirEntry) error {
	switch {
	case d.IsDir():
		return nil // Lambda makes the folders that files need
	case d.Type()&fs.ModeSymlink != 0:
		target, err := fs.ReadLink(files, name)
		if err != nil {
			return err
		}
		if target = filepath.ToSlash(target); !inside(name, target) {
			return fmt.Errorf("%s links out of the folder, to %s: copy what it names into the folder, or leave it out with %s", name, target, IgnoreFile)
		}
		return p.copy(name, fs.ModeSymlink|0o777, strings.NewReader(target))
	case !d.Type().IsRegular():
		return fmt.Errorf("%s is not a file that can be packed: leave it out with %s", name, IgnoreFile)
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if executable(info) {
		mode = 0o755
	}
	f, err := files.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return p.copy(name, mode, f)
}

// inside says whether a link at name to target stays below the folder.
func inside(name, target string) bool {
	return !path.IsAbs(target) && filepath.IsLocal(filepath.FromSlash(path.Join(path.Dir(name), target)))
}

func (p *packer) copy(name string, mode fs.FileMode, from io.Reader) error {
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	header.SetMode(mode)
	w, err := p.zip.CreateHeader(header)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, io.LimitReader(from, p.most.unpacked-p.unpacked+1))
	p.files++
	p.unpacked += n
	if err == nil && (p.unpacked > p.most.unpacked || int64(p.out.Len()) > p.most.packed) {
		return errTooLarge
	}
	return err
}

func (p *packer) finish(what string) (Archive, error) {
	if err := p.zip.Close(); err != nil {
		return Archive{}, err
	}
	if int64(p.out.Len()) > p.most.packed {
		return Archive{}, packFault(what, errTooLarge)
	}
	sum := sha256.Sum256(p.out.Bytes())
	return Archive{
		Zip: p.out.Bytes(), SHA256: base64.StdEncoding.EncodeToString(sum[:]),
		Files: p.files, Unpacked: p.unpacked,
	}, nil
}
