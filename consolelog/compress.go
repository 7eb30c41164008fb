package consolelog

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// chunkBytes is what one worker compresses at a time, as a frame of its own:
// zstd -d takes frames one after the other for one file.
const chunkBytes = 4 << 20

// chunk is on its way from the reader over a worker to the writer.
type chunk struct {
	plain, packed []byte
	done          chan struct{}
}

// compress writes r as zstd frames with checksums. Memory is bounded by the
// workers; pace is called after each chunk, to wait, and proceed, to ask
// whether to go on.
func compress(ctx context.Context, w io.Writer, r *io.SectionReader, workers int, pace func(context.Context, int64) error, proceed func(read int64) error) error {
	g, ctx := errgroup.WithContext(ctx)
	order, jobs := make(chan *chunk, workers), make(chan *chunk, workers)
	free := make(chan *chunk, min(int64(2*workers+2), (r.Size()+chunkBytes-1)/chunkBytes))
	for range cap(free) {
		free <- &chunk{plain: make([]byte, min(chunkBytes, r.Size()))}
	}
	for range workers {
		g.Go(func() error { return pack(jobs) })
	}
	g.Go(func() error { return put(ctx, w, order, free) })
	g.Go(func() error {
		defer close(order)
		defer close(jobs)
		return cutUp(ctx, r, free, func(c *chunk) error {
			select {
			case order <- c: // as large as jobs: that has room then
				jobs <- c
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, pace, proceed)
	})
	return g.Wait()
}

// cutUp reads chunk after chunk.
func cutUp(ctx context.Context, r *io.SectionReader, free <-chan *chunk, give func(*chunk) error, pace func(context.Context, int64) error, proceed func(int64) error) error {
	read := int64(0)
	for read < r.Size() {
		var c *chunk
		select {
		case c = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		c.plain = c.plain[:min(chunkBytes, r.Size()-read)]
		if _, err := io.ReadFull(r, c.plain); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errShort
		} else if err != nil {
			return err
		}
		c.done = make(chan struct{})
		if err := give(c); err != nil {
			return err
		}
		read += int64(len(c.plain))
		if err := pace(ctx, read); err != nil {
			return err
		}
		if err := proceed(read); err != nil {
			return err
		}
	}
	return nil
}

// pack compresses chunks.
func pack(jobs <-chan *chunk) error {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	if err != nil {
		return err
	}
	defer enc.Close()
	for c := range jobs {
		c.packed = enc.EncodeAll(c.plain, c.packed[:0])
		close(c.done)
	}
	return nil
}

// put writes chunks in the order in which they were read.
func put(ctx context.Context, w io.Writer, order <-chan *chunk, free chan<- *chunk) error {
	for c := range order {
		select {
		case <-c.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := w.Write(c.packed); err != nil {
			return err
		}
		free <- c
	}
	return nil
}

// pacer returns what waits until so many bytes may have been read.
func pacer(perSecond int64) func(context.Context, int64) error {
	began := time.Now()
	return func(ctx context.Context, read int64) error {
		if perSecond <= 0 {
			return ctx.Err()
		}
		due := time.Duration(float64(read) / float64(perSecond) * float64(time.Second))
		t := time.NewTimer(due - time.Since(began))
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
