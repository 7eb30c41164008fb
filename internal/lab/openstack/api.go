package openstack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// A login speaks to the services as one user.
type login struct {
	c       *Cloud
	token   string
	project string
}

// apis are the ports and versions of the services.
var apis = map[string]string{"identity": ":5000/v3", "compute": ":8774/v2.1", "image": ":9292/v2", "network": ":9696/v2.0", "volume": ":8776/v3"}

// signIn gets a token for a user of User.
func (c *Cloud) signIn(u User) (*login, error) {
	l := &login{c: c}
	domain := map[string]any{"id": "default"}
	var out struct {
		Token struct{ Project struct{ ID string } }
	}
	header, err := l.call("POST", "identity/auth/tokens", map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{
			"user": map[string]any{"name": u.Name, "domain": domain, "password": u.password}}},
		"scope": map[string]any{"project": map[string]any{"name": u.Project, "domain": domain}}}}, &out)
	if err != nil {
		return nil, err
	}
	l.token, l.project = header.Get("X-Subject-Token"), out.Token.Project.ID
	return l, nil
}

// call asks the API that path begins with, and decodes its answer. A body that
// is no io.Reader is sent as JSON.
func (l *login) call(method, path string, in, out any) (http.Header, error) {
	req, err := l.request(method, path, in)
	if err != nil {
		return nil, err
	}
	return send(req, out)
}

func (l *login) request(method, path string, in any) (*http.Request, error) {
	service, rest, _ := strings.Cut(path, "/")
	body, isData := in.(io.Reader)
	if in != nil && !isData {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, "http://"+l.c.Addr+apis[service]+"/"+rest, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Auth-Token", l.token)
	req.Header.Set("X-OpenStack-Nova-API-Version", "2.79") // 2.74 names the host of a new server
	req.Header.Set("Content-Type", "application/json")
	if isData {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	return req, nil
}

func send(req *http.Request, out any) (http.Header, error) {
	client := http.Client{Timeout: 3 * time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %.600s", req.Method, req.URL, resp.Status, b)
	}
	if out == nil || len(b) == 0 {
		return resp.Header, nil
	}
	return resp.Header, json.Unmarshal(b, out)
}

// made is the row that a request to create something answers with.
type made map[string]struct {
	ID string
}

// create creates something and returns its id.
func (l *login) create(path, kind string, row map[string]any) (string, error) {
	var out made
	_, err := l.call("POST", path, map[string]any{kind: row}, &out)
	return out[kind].ID, err
}
