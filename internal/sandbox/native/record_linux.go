package native

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// record is what an environment leaves behind for Recover, from before its first resource is
// made until after its last is gone. It need not survive the machine: nor does the environment.
type record struct {
	Name      string `json:"name"`
	Slot      int    `json:"slot"`
	PID       int    `json:"pid,omitempty"`
	StartTime string `json:"startTime,omitempty"` // of PID, as the kernel counts; ids are reused
}

// memoryDirs are where hosts have a tmpfs. Records go there if they can, so that environments can
// be made while the disk is full.
var memoryDirs = [...]string{"/run", "/dev/shm"}

// records are the folders of records, each of this state directory alone. New ones go to the
// first that takes them; all are read.
type records struct {
	memory []string
	disk   string
}

// openRecords finds the folders. Those in memory are named after the state directory's path and
// after instance, which is written in it: a path may mean another folder in another container.
func openRecords(stateDir, instance string) (records, error) {
	r := records{disk: filepath.Join(stateDir, "environments")}
	if err := os.MkdirAll(r.disk, 0o700); err != nil {
		return records{}, err
	}
	digest := sha256.Sum256([]byte(stateDir + "\x00" + instance))
	for _, root := range memoryDirs {
		parent := filepath.Join(root, "lambent")
		dir := filepath.Join(parent, hex.EncodeToString(digest[:16]))
		if !onTmpfs(root) {
			continue
		}
		// Later ones are only read: an earlier process may not have had the first.
		first := len(r.memory) == 0
		if private(parent, first) && private(dir, first) {
			r.memory = append(r.memory, dir)
		}
	}
	return r, nil
}

func onTmpfs(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.TMPFS_MAGIC
}

// private says whether dir, made if need be, is a folder that nobody else can write to: what a
// record says is believed.
func private(dir string, create bool) bool {
	if create {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return false
		}
	}
	var st unix.Stat_t
	if unix.Lstat(dir, &st) != nil {
		return false
	}
	return st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Mode&0o022 == 0 && int(st.Uid) == os.Geteuid()
}

func (r records) dirs() []string { return append(slices.Clone(r.memory), r.disk) }

func (r records) write(rec record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("keep record: %w", err)
	}
	var errs []error
	for _, dir := range r.dirs() {
		if err = writeRecord(recordPath(dir, rec.Name), b); err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("keep record: %w", errors.Join(errs...))
}

func recordPath(dir, name string) string { return filepath.Join(dir, name+".json") }

func writeRecord(path string, text []byte) error {
	tmp := path + ".new"
	err := os.WriteFile(tmp, text, 0o600)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(tmp)))
	}
	return nil
}

func (r records) remove(name string) error {
	var errs []error
	for _, dir := range r.dirs() {
		path := recordPath(dir, name)
		errs = append(errs, ignoreMissing(os.Remove(path+".new")), ignoreMissing(os.Remove(path)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove record: %w", err)
	}
	return nil
}

// all answers every record. One that cannot be read (the writer died in the middle) still
// answers its name, by which its cgroup and disk are found.
func (r records) all() ([]record, error) {
	var all []record
	for _, dir := range r.dirs() {
		some, err := readRecords(dir)
		if err != nil {
			return nil, fmt.Errorf("read records: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

func readRecords(dir string) ([]record, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var all []record
	for _, e := range entries {
		name, ok := strings.CutSuffix(strings.TrimSuffix(e.Name(), ".new"), ".json")
		if !ok {
			continue
		}
		rec := record{}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if json.Unmarshal(b, &rec) != nil || rec.Name != name {
			rec = record{Name: name, Slot: -1}
		}
		all = append(all, rec)
	}
	return all, nil
}

// close removes the folders in memory, unless there are records in them, or other servers'.
func (r records) close() {
	for _, dir := range r.memory {
		if os.Remove(dir) == nil {
			_ = os.Remove(filepath.Dir(dir))
		}
	}
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// startTime answers when a process started, in the kernel's ticks; "" when it is gone.
func startTime(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	return parseStartTime(string(b))
}

// parseStartTime takes the 22nd field of /proc/PID/stat. The second, the name in brackets, may
// hold anything.
func parseStartTime(stat string) string {
	_, rest, ok := strings.Cut(stat[max(0, strings.LastIndexByte(stat, ')')):], ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return ""
	}
	return fields[19]
}
