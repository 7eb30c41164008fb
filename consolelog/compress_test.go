package consolelog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
)

// TestPacer: a rate limit holds over the whole range.
func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace, began := pacer(1<<20), time.Now()
		for _, mib := range []int64{1, 2, 10} {
			if err := pace(t.Context(), mib<<20); err != nil {
				t.Fatal(err)
			}
			if took, want := time.Since(began), time.Duration(mib)*time.Second; took != want {
				t.Errorf("%d MiB took %v, want %v", mib, took, want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := pace(ctx, 1<<40); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

// TestCompress: with any number of workers, zstd gives back what was read.
func TestCompress(t *testing.T) {
	line := make([]byte, 1<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(line) // never fails
	plain := bytes.Repeat(line, (chunkBytes+12345)/len(line))
	for _, workers := range []int{1, 3} {
		var packed bytes.Buffer
		asked := 0
		err := compress(t.Context(), &packed, io.NewSectionReader(bytes.NewReader(plain), 0, int64(len(plain))), workers, pacer(0), func(int64) error { asked++; return nil })
		if err != nil || asked != 2 {
			t.Fatalf("%v, asked %d times", err, asked)
		}
		d, err := zstd.NewReader(&packed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(d)
		d.Close()
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d workers: %d bytes back, %v", workers, len(got), err)
		}
	}
}

// TestCompressStops: at a gate, at a full disk, and where the log was cut.
func TestCompressStops(t *testing.T) {
	plain := bytes.NewReader(make([]byte, 3*chunkBytes))
	gate := errors.New("gate")
	proceed := func(int64) error { return nil }
	if err := compress(t.Context(), io.Discard, io.NewSectionReader(plain, 0, 3*chunkBytes), 2, pacer(0), func(int64) error { return gate }); !errors.Is(err, gate) {
		t.Errorf("at a gate: %v", err)
	}
	if err := compress(t.Context(), full{}, io.NewSectionReader(plain, 0, 3*chunkBytes), 2, pacer(0), proceed); !errors.Is(err, errFull) {
		t.Errorf("at a full disk: %v", err)
	}
	if err := compress(t.Context(), io.Discard, io.NewSectionReader(plain, 0, 4*chunkBytes), 2, pacer(0), proceed); !errors.Is(err, errShort) {
		t.Errorf("of a log that was cut: %v", err)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
