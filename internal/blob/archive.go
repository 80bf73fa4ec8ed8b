package blob

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"lambent.dev/lambent/internal/lambda"
)

const (
	maxEntries        = 65_535
	maxDirectoryBytes = 8 << 20 // of the zip's central directory
	maxPathBytes      = 1024
	maxNameBytes      = 255
	maxDepth          = 64 // of folders in each other
	maxLinkBytes      = 1023
)

var (
	errBroken = &lambda.Error{Kind: lambda.InvalidParameterValue,
		Message: "Could not unzip uploaded file. Please check your file, then try to upload again."}
	errTooBig = &lambda.Error{Kind: lambda.InvalidParameterValue,
		Message: fmt.Sprintf("Unzipped size must be smaller than %d bytes", lambda.MaxUnzippedBytes)}
	errTooMany = &lambda.Error{Kind: lambda.InvalidParameterValue,
		Message: fmt.Sprintf("The package holds too many files: at most %d files and folders can be unpacked.", maxEntries)}
)

// refused says what is wrong with one entry.
func refused(name, reason string) error {
	if len(name) > 100 {
		name = name[:100] + "..."
	}
	return lambda.Errorf(lambda.InvalidParameterValue, "The package cannot be unpacked: %q %s.", name, reason)
}

// broken keeps the cause of a damaged zip for the operator.
func broken(err error) error {
	return &lambda.Error{Kind: errBroken.Kind, Message: errBroken.Message, Err: err}
}

type entryKind uint8

const (
	folder entryKind = iota
	file
	link
)

// entry is one accepted member of a package.
type entry struct {
	path       string // slash-separated, clean, relative
	kind       entryKind
	executable bool
	zip        *zip.File
}

// archive is a package whose directory has been read and found acceptable.
type archive struct {
	entries  []entry // folders and files in the zip's order, then links
	folders  map[string]bool
	unzipped int64 // as declared; unpacking holds it to that
}

// read checks the directory of a package. It writes nothing and allocates little more than the
// directory itself.
func read(data []byte) (*archive, error) {
	counted := &directoryReader{data: bytes.NewReader(data)}
	r, err := zip.NewReader(counted, int64(len(data)))
	switch {
	case counted.err != nil:
		return nil, counted.err
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return nil, broken(err)
	case len(r.File) > maxEntries:
		return nil, errTooMany
	}
	counted.done = true
	a := &archive{folders: map[string]bool{}}
	if err := a.take(r.File); err != nil {
		return nil, err
	}
	if err := noOverlap(r.File); err != nil {
		return nil, err
	}
	return a, nil
}

// directoryReader bounds what reading a zip's directory may cost, before its entries exist in
// memory: each has a signature, so that signatures count entries.
type directoryReader struct {
	data  *bytes.Reader
	bytes int
	count int
	done  bool
	err   error
}

var directorySignature = []byte("PK\x01\x02")

func (d *directoryReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.data.ReadAt(p, off)
	if d.done {
		return n, err
	}
	d.bytes += n
	d.count += bytes.Count(p[:n], directorySignature)
	switch {
	// The search for the end of the directory reads up to 66 KB of it a second time.
	case d.count > maxEntries+2048:
		d.err = errTooMany
	case d.bytes > maxDirectoryBytes:
		d.err = &lambda.Error{Kind: lambda.InvalidParameterValue,
			Message: fmt.Sprintf("The package cannot be unpacked: its directory is larger than %d bytes.", maxDirectoryBytes)}
	}
	if d.err != nil {
		return 0, d.err
	}
	return n, err
}

// take fills the archive from a zip's directory, in its order.
func (a *archive) take(files []*zip.File) error {
	var links []entry
	taken := map[string]bool{} // files and links
	for _, f := range files {
		e, err := accept(f)
		if err != nil {
			return err
		}
		if e.path == "" {
			continue // the package's own folder
		}
		if e.kind != folder {
			if f.UncompressedSize64 > lambda.MaxUnzippedBytes {
				return errTooBig
			}
			if a.unzipped += int64(f.UncompressedSize64); a.unzipped > lambda.MaxUnzippedBytes {
				return errTooBig
			}
			if taken[e.path] {
				return refused(e.path, "is there twice")
			}
			taken[e.path] = true
		}
		if a.addFolders(e); len(a.folders)+len(taken) > maxEntries {
			return errTooMany
		}
		if e.kind == link {
			links = append(links, e)
		} else {
			a.entries = append(a.entries, e)
		}
	}
	for path := range taken {
		if a.folders[path] {
			return refused(path, "is there twice, as a file and as a folder")
		}
	}
	a.entries = append(a.entries, links...)
	return nil
}

// addFolders notes all folders that an entry needs; they count as entries.
func (a *archive) addFolders(e entry) {
	path := e.path
	if e.kind != folder {
		path = parent(path)
	}
	for ; path != "" && !a.folders[path]; path = parent(path) {
		a.folders[path] = true
	}
}

func parent(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return ""
}

// accept judges one entry by what the directory says of it.
func accept(f *zip.File) (entry, error) {
	path, err := cleanPath(f.Name)
	if err != nil {
		return entry{}, err
	}
	if f.Flags&1 != 0 {
		return entry{}, refused(f.Name, "is encrypted")
	}
	if f.Method != zip.Store && f.Method != zip.Deflate {
		return entry{}, refused(f.Name, fmt.Sprintf("is compressed by method %d: only 0 (stored) and 8 (deflate) are known", f.Method))
	}
	mode := f.Mode()
	e := entry{path: path, zip: f, executable: mode&0o111 != 0}
	switch {
	case strings.HasSuffix(f.Name, "/") || mode.IsDir():
		e.kind = folder
		if f.UncompressedSize64 != 0 {
			return entry{}, refused(f.Name, "is a folder with content")
		}
	case mode.IsRegular():
		e.kind = file
	case mode.Type() == linkMode:
		e.kind = link
		if f.UncompressedSize64 == 0 || f.UncompressedSize64 > maxLinkBytes {
			return entry{}, refused(f.Name, "is a link without an end")
		}
	default:
		return entry{}, refused(f.Name, "is neither a file, a folder nor a link")
	}
	if path == "" && e.kind != folder {
		return entry{}, refused(f.Name, "has no name")
	}
	return e, nil
}

// cleanPath answers an entry's name as a relative path without empty or "." parts.
func cleanPath(name string) (string, error) {
	switch {
	case len(name) > maxPathBytes:
		return "", refused(name, fmt.Sprintf("is longer than %d bytes", maxPathBytes))
	case strings.IndexByte(name, 0) >= 0:
		return "", refused(name, "holds a NUL")
	case strings.IndexByte(name, '\\') >= 0:
		return "", refused(name, "holds a backslash: folders are separated by /")
	case strings.HasPrefix(name, "/"):
		return "", refused(name, "is an absolute name")
	}
	parts := make([]string, 0, 8)
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == ".":
		case part == "..":
			return "", refused(name, "leads out of the package")
		case len(part) > maxNameBytes:
			return "", refused(name, fmt.Sprintf("holds a name of more than %d bytes", maxNameBytes))
		default:
			parts = append(parts, part)
		}
	}
	if len(parts) > maxDepth {
		return "", refused(name, fmt.Sprintf("lies more than %d folders deep", maxDepth))
	}
	return strings.Join(parts, "/"), nil
}

// staysInside says whether a link at path with this target leads, read as text, to a place in
// the package. What it leads to over other links is seen once it is made.
func staysInside(path, target string) bool {
	if target == "" || target[0] == '/' || strings.IndexByte(target, 0) >= 0 {
		return false
	}
	depth := strings.Count(path, "/")
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return false
			}
		default:
			depth++
		}
	}
	return true
}

// noOverlap refuses zips whose entries share compressed bytes: a few of those make a bomb.
func noOverlap(files []*zip.File) error {
	type extent struct{ from, to int64 }
	extents := make([]extent, 0, len(files))
	for _, f := range files {
		if f.CompressedSize64 == 0 {
			continue
		}
		from, err := f.DataOffset()
		if err != nil {
			return broken(err)
		}
		to := from + int64(f.CompressedSize64)
		if to < from {
			return broken(io.ErrUnexpectedEOF)
		}
		extents = append(extents, extent{from, to})
	}
	slices.SortFunc(extents, func(a, b extent) int {
		switch {
		case a.from < b.from:
			return -1
		case a.from > b.from:
			return 1
		}
		return 0
	})
	for i := 1; i < len(extents); i++ {
		if extents[i].from < extents[i-1].to {
			return broken(errors.New("entries overlap"))
		}
	}
	return nil
}
