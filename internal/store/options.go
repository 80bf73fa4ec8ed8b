package store

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"lambent.dev/lambent/internal/clock"
)

// Options says where and how the store is kept. Dir is required.
type Options struct {
	Dir          string      // made when it is not there
	FS           vfs.FS      // nil: the machine's
	Clock        clock.Clock // nil: the machine's
	Log          *slog.Logger
	ReserveBytes uint64 // room that new work leaves free; 0: an eighth of the disk, 8 MB to 256 MB
	CacheBytes   int64  // of blocks read; 0: 64 MB
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	return o
}

// Sizes. Memory is bounded by the cache and memtables; a small disk gets small files, so that
// its reserve holds a flush and a compaction.
const (
	smallDisk      = 1 << 30
	memTableBytes  = 32 << 20
	smallMemTable  = 1 << 20
	memTables      = 4
	tableBytes     = 4 << 20
	smallTable     = 512 << 10
	maxOpenFiles   = 512
	l0StopWrites   = 64
	l0Compaction   = 4
	bytesPerSync   = 1 << 20
	maxCompactions = 2
	baseLevelBytes = 64 << 20
	smallBase      = 4 << 20
	manifestBytes  = 16 << 20
	smallManifest  = 512 << 10
	pebbleFormat   = pebble.FormatValueSeparation
	blockKB        = 16
)

// pebbleOptions configures Pebble for a disk of total bytes; 0: unknown.
func (o Options) pebbleOptions(total uint64, fs vfs.FS, l *logger) *pebble.Options {
	p := &pebble.Options{
		FS:                          fs,
		FormatMajorVersion:          pebbleFormat,
		CacheSize:                   o.CacheBytes,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: memTables,
		L0CompactionThreshold:       l0Compaction,
		L0StopWritesThreshold:       l0StopWrites,
		LBaseMaxBytes:               baseLevelBytes,
		MaxOpenFiles:                maxOpenFiles,
		MaxManifestFileSize:         manifestBytes,
		BytesPerSync:                bytesPerSync,
		CompactionConcurrencyRange:  func() (int, int) { return 1, maxCompactions },
		Logger:                      l,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { l.background(err) },
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				l.log.Error("The store found damaged data", "file", i.Path, "error", i.Details)
			},
		},
	}
	p.TargetFileSizes[0] = tableBytes
	for i := range p.Levels {
		p.Levels[i].BlockSize = blockKB << 10
		p.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	// What reaches level 0 is soon merged or deleted again: compressing it costs accepts their time.
	p.Levels[0].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	if total > 0 && total < smallDisk {
		p.MemTableSize, p.LBaseMaxBytes, p.MaxManifestFileSize = smallMemTable, smallBase, smallManifest
		p.TargetFileSizes[0] = smallTable
	}
	return p
}

// logger carries Pebble's words to slog. What Pebble calls fatal makes the store fail.
type logger struct {
	log  *slog.Logger
	fail func(error)
}

// Infof implements pebble.Logger.
func (l *logger) Infof(format string, args ...any) { l.log.Debug(oneLine(format, args)) }

// Errorf implements pebble.Logger.
func (l *logger) Errorf(format string, args ...any) { l.log.Error(oneLine(format, args)) }

// Fatalf implements pebble.Logger. It returns; Commit looks for the failure before it
// acknowledges anything.
func (l *logger) Fatalf(format string, args ...any) { l.fail(fmt.Errorf(format, args...)) }

func (l *logger) background(err error) {
	if vfs.IsNoSpaceError(err) {
		l.log.Debug("The store waits for room on the disk", "error", err)
		return
	}
	l.log.Error("The store could not tidy up", "error", err)
}

func oneLine(format string, args []any) string {
	return strings.ReplaceAll(strings.TrimSpace(fmt.Sprintf(format, args...)), "\n", "; ")
}
