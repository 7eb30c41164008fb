package dbarchive

import "context"

// maxReaders is how many connections measure trees for a plan, side by side.
// What they read they do not lock.
const maxReaders = 3

// readers opens connections beside the survey's own, as many as there is work
// for and as the pool may have: one is kept for ending statements.
func (v *survey) readers(ctx context.Context) (ss []*session, err error) {
	n := int(min(maxReaders, v.st.Instances.Qualify/pageSize))
	if most := v.s.db.Stats().MaxOpenConnections; most > 0 {
		n = min(n, most-2)
	}
	for len(ss) < n && err == nil {
		var s *session
		if s, err = open(ctx, v.s.db); err == nil {
			ss = append(ss, s)
		}
	}
	return ss, err
}

// A measuring is a page whose trees are being measured.
type measuring struct {
	page
	err  error
	over chan struct{}
}

// ahead reads the pages of a range and hands them in order to each, which says
// whether it wants more. Meanwhile the others measure the next pages.
func (l *layout) ahead(ctx context.Context, s *session, others []*session, r reading, each func(page) (bool, error)) error {
	if len(others) == 0 {
		others = []*session{s}
	}
	free := make(chan *session, len(others))
	for _, o := range others {
		free <- o
	}
	ctx, cancel := context.WithCancel(ctx)
	var queue []*measuring
	defer func() {
		cancel()
		for _, m := range queue {
			<-m.over
		}
	}()
	for last := false; ; {
		for !last && len(queue) < len(others) {
			p, err := l.roots(ctx, s, r)
			if err != nil {
				return err
			}
			queue = append(queue, l.aside(ctx, free, p, r))
			last, r.after = p.done, p.last
		}
		m := queue[0]
		<-m.over
		queue = queue[1:]
		if m.err != nil {
			return m.err
		}
		if more, err := each(m.page); err != nil || !more || m.done {
			return err
		}
	}
}

// aside measures a page in a session that is free, or will be.
func (l *layout) aside(ctx context.Context, free chan *session, p page, r reading) *measuring {
	m := &measuring{page: p, over: make(chan struct{})}
	go func() {
		defer close(m.over)
		s := <-free
		defer func() { free <- s }()
		m.err = l.judge(ctx, s, m.all, r)
	}()
	return m
}
