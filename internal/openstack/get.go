package openstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
)

// Errors of asking.
var (
	// ErrDenied: 401 or 403. What was asked for is not known.
	ErrDenied = errors.New("openstack: denied")
	// ErrPaging: links to pages that lead nowhere, or round in a circle.
	ErrPaging = errors.New("openstack: pages do not end")
)

// maxPages bounds a list. Nova has 1000 rows on a page.
const maxPages = 100_000

// get asks for one page and reads its body as it comes. Links are never
// followed to another place: behind a proxy they name one that may not be
// there, or not be safe for a token.
func get(ctx context.Context, c *gophercloud.ServiceClient, query url.Values, read func(io.Reader) error, path ...string) (http.Header, error) {
	u := c.ServiceURL(path...)
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	resp, err := c.Get(ctx, u, nil, &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK}, KeepResponseBody: true})
	if err != nil {
		return nil, asked(u, err)
	}
	defer resp.Body.Close()
	if err := read(resp.Body); err != nil {
		return nil, asked(u, err)
	}
	return resp.Header, nil
}

// asked says what was asked, and of an error's page no more than its begin.
func asked(u string, err error) error {
	if gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) || gophercloud.ResponseCodeIs(err, http.StatusForbidden) {
		return fmt.Errorf("%w: GET %s: %w", ErrDenied, u, brief(err))
	}
	return fmt.Errorf("openstack: GET %s: %w", u, brief(err))
}

// brief keeps the status and some of the body: a proxy answers with pages.
func brief(err error) error {
	var code gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &code) {
		return &StatusError{Code: code.Actual, Body: fmt.Sprintf("%.300q", code.Body)}
	}
	return err
}

// A StatusError is an answer other than 200.
type StatusError struct {
	Code int
	Body string // its begin, quoted
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%d %s: %s", e.Code, http.StatusText(e.Code), e.Body)
}

// pages asks for page after page. each returns the link to the next one.
func pages(query url.Values, ask func(url.Values) (next string, err error)) error {
	seen := map[string]bool{}
	for range maxPages {
		next, err := ask(query)
		if err != nil || next == "" {
			return err
		}
		marker, err := markerOf(next)
		if err != nil {
			return err
		}
		if seen[marker] {
			return fmt.Errorf("%w: the marker %q came twice", ErrPaging, marker)
		}
		seen[marker] = true
		query = withMarker(query, marker)
	}
	return fmt.Errorf("%w: after %d", ErrPaging, maxPages)
}

func markerOf(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrPaging, err)
	}
	m := u.Query().Get("marker")
	if m == "" {
		return "", fmt.Errorf("%w: no marker in %.200q", ErrPaging, link)
	}
	return m, nil
}

func withMarker(q url.Values, marker string) url.Values {
	next := url.Values{"marker": {marker}}
	for k, v := range q {
		if k != "marker" {
			next[k] = v
		}
	}
	return next
}
