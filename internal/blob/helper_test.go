package blob

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io/fs"
	"testing"
	"time"
)

var epoch = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

func fixed() time.Time { return epoch }

// member is one entry of a package under test.
type member struct {
	name    string
	content string
	mode    fs.FileMode // 0: 0644
	method  uint16
	flags   uint16
}

// pack makes a zip that archive/zip is willing to write.
func pack(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		if m.mode == 0 {
			m.mode = 0o644
		}
		h.SetMode(m.mode)
		if m.method != 0 {
			h.Method = m.method
			h.Flags = m.flags
			h.CRC32 = crc32.ChecksumIEEE([]byte(m.content))
			h.CompressedSize64 = uint64(len(m.content))
			h.UncompressedSize64 = uint64(len(m.content))
			f, err := w.CreateRaw(h)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write([]byte(m.content)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.content) > 0 {
			if _, err := f.Write([]byte(m.content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// raw is a stored entry whose headers say whatever a test wants.
type raw struct {
	name       string
	data       []byte // as stored
	method     uint16
	flags      uint16
	attributes uint32
	size       uint32 // declared; 0: len(data)
	crc        uint32 // 0: the right one
	at         int    // offset of the local header; 0: its own
}

// build writes a zip byte for byte.
func build(entries ...raw) []byte {
	var b, dir bytes.Buffer
	le := binary.LittleEndian
	for _, e := range entries {
		at := b.Len()
		if e.at != 0 {
			at = e.at
		}
		if e.size == 0 {
			e.size = uint32(len(e.data))
		}
		if e.crc == 0 {
			e.crc = crc32.ChecksumIEEE(e.data)
		}
		common := make([]byte, 0, 26)
		common = le.AppendUint16(common, 20)
		common = le.AppendUint16(common, e.flags)
		common = le.AppendUint16(common, e.method)
		common = le.AppendUint32(common, 0)
		common = le.AppendUint32(common, e.crc)
		common = le.AppendUint32(common, uint32(len(e.data)))
		common = le.AppendUint32(common, e.size)
		common = le.AppendUint16(common, uint16(len(e.name)))
		common = le.AppendUint16(common, 0)
		if e.at == 0 {
			b.WriteString("PK\x03\x04")
			b.Write(common)
			b.WriteString(e.name)
			b.Write(e.data)
		}
		dir.WriteString("PK\x01\x02\x14\x03")
		dir.Write(common)
		dir.Write(make([]byte, 6))
		var tail []byte
		tail = le.AppendUint32(tail, e.attributes)
		tail = le.AppendUint32(tail, uint32(at))
		dir.Write(tail)
		dir.WriteString(e.name)
	}
	start := b.Len()
	b.Write(dir.Bytes())
	var end []byte
	end = append(end, "PK\x05\x06\x00\x00\x00\x00"...)
	end = le.AppendUint16(end, uint16(len(entries)))
	end = le.AppendUint16(end, uint16(len(entries)))
	end = le.AppendUint32(end, uint32(dir.Len()))
	end = le.AppendUint32(end, uint32(start))
	end = le.AppendUint16(end, 0)
	b.Write(end)
	return b.Bytes()
}
