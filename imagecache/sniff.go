package imagecache

import (
	"bytes"
	"unicode/utf8"
)

// foreign are the heads of images that may have a parent and are not read
// here. nova's libvirt driver makes none of them.
var foreign = []struct {
	off         int
	magic, name string
}{
	{0, "QED\x00", "qed"}, {0, "KDMV", "vmdk"}, {0, "COWD", "vmdk"}, {0, "# Disk DescriptorFile", "vmdk"},
	{0, "vhdxfile", "vhdx"}, {0, "conectix", "vhd"}, {64, "\x7f\x10\xda\xbe", "vdi"},
	{0, "WithoutFreeSpace", "parallels"}, {0, "WithouFreSpacExt", "parallels"},
}

// plain are the heads of raw disks: they refer to nothing.
var plain = []struct {
	off   int
	magic string
}{
	{510, "\x55\xaa"}, {1080, "\x53\xef"}, {0, "XFSB"}, {4086, "SWAPSPACE2"}, {4086, "SWAP-SPACE"},
	{0, "LUKS\xba\xbe"}, {536, "LVM2 001"}, {3, "NTFS"}, {0, "\x1f\x8b"}, {0, "\xfd7zXZ\x00"}, {257, "ustar"},
	{0, "\x7fELF"}, {0, "070701"},
}

// sniff tells what a head without the qcow2 magic is. Without a magic a file
// cannot be opened as qcow2 and so has no backing file; but a disk whose
// header was lost in a crash looks like that too, so only what is positively
// something else has a Format.
func sniff(head []byte) (Header, error) {
	for _, f := range foreign {
		if at(head, f.off, f.magic) {
			return Header{}, bad("format %s is not read by this package", f.name)
		}
	}
	if len(head) == 0 {
		return Header{Format: "empty"}, nil
	}
	for _, p := range plain {
		if at(head, p.off, p.magic) {
			return Header{Format: "raw"}, nil
		}
	}
	if text(head) {
		return Header{Format: "text"}, nil
	}
	return Header{}, nil
}

func at(head []byte, off int, magic string) bool {
	return len(head) >= off+len(magic) && string(head[off:off+len(magic)]) == magic
}

// text reports whether the head is UTF-8 without NULs; the last rune may be
// cut by the end of the head.
func text(head []byte) bool {
	if bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	if len(head) == headSize {
		for range utf8.UTFMax - 1 {
			if r, n := utf8.DecodeLastRune(head); r != utf8.RuneError || n != 1 {
				break
			}
			head = head[:len(head)-1]
		}
	}
	return utf8.Valid(head)
}
