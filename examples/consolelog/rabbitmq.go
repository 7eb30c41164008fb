package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stackmend/stackmend/consolelog"
)

// rabbitmq reads nodes and queues from the management API, or nodes from a
// file.
func (s *settings) rabbitmq(ctx context.Context, src *consolelog.Source) error {
	nodes := func(r io.Reader) (err error) { src.Brokers, err = consolelog.ReadBrokers(r); return err }
	queues := func(r io.Reader) (err error) { src.Queues, err = consolelog.ReadQueues(r); return err }
	if !strings.Contains(s.broker, "://") {
		return read(s.broker, nodes)
	}
	base, err := url.Parse(s.broker)
	if err != nil {
		return errors.New("-rabbitmq is not a URL") // it may hold a password: it is not repeated
	}
	if err := s.ask(ctx, base, "/api/nodes", nodes); err != nil {
		return err
	}
	return s.ask(ctx, base, "/api/queues", queues)
}

// askTimeout is for one answer of the management API, whose brokers may be in
// need.
const askTimeout = 20 * time.Second

// ask reads one answer of the management API.
func (s *settings) ask(ctx context.Context, base *url.URL, path string, f func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	at := *base.JoinPath(path)
	at.User = nil
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return err
	}
	if user := base.User.Username(); user != "" {
		request.SetBasicAuth(user, s.getenv("RABBITMQ_PASSWORD"))
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", at.String(), answer.Status)
	}
	return f(answer.Body)
}
