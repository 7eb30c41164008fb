package openstack

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// A cloud replays what real services answered (../testdata/api) to whoever
// logs in. Its fields break it.
type cloud struct {
	*httptest.Server
	t testing.TB

	mu     sync.Mutex
	logins int
	asked  []string                    // paths with queries, in order
	role   string                      // of the token
	expire int                         // the token ends after so many requests to nova; zero: never
	nova   map[string]http.HandlerFunc // in place of a recording, by path and query
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{t: t, role: "admin", nova: map[string]http.HandlerFunc{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/auth/tokens", c.login)
	mux.HandleFunc("GET /v3/auth/tokens", c.token)
	mux.HandleFunc("GET /compute/v2.1/", c.compute)
	mux.HandleFunc("GET /image/v2/images", c.images)
	mux.HandleFunc("GET /image/{$}", func(w http.ResponseWriter, _ *http.Request) {
		says(http.StatusMultipleChoices, `{"versions":[{"id":"v2.15","status":"CURRENT","links":[{"rel":"self","href":"`+c.URL+`/image/v2/"}]}]}`)(w, nil)
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *cloud) login(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	c.logins++
	w.Header().Set("X-Subject-Token", fmt.Sprintf("token-%d", c.logins))
	c.mu.Unlock()
	w.WriteHeader(http.StatusCreated)
	c.describe(w)
}

func (c *cloud) token(w http.ResponseWriter, r *http.Request) {
	if c.allowed(w, r) {
		c.describe(w)
	}
}

// describe writes the description of a token, after
// https://docs.openstack.org/api-ref/identity/v3/#password-authentication-with-scoped-authorization
func (c *cloud) describe(w http.ResponseWriter) {
	entry := func(kind, path string) string {
		return fmt.Sprintf(`{"type":%q,"name":%q,"endpoints":[{"interface":"public","region_id":"R","region":"R","url":"%s/%s"}]}`, kind, kind, c.URL, path)
	}
	fmt.Fprintf(w, `{"token":{"expires_at":"2099-01-01T00:00:00.000000Z","user":{"id":"u","name":"ops","domain":{"id":"default","name":"Default"}},
		"project":{"id":"p","name":"admin","domain":{"id":"default","name":"Default"}},"roles":[{"id":"r","name":%q}],"catalog":[%s,%s,%s]}}`,
		c.role, entry("compute", "compute/v2.1"), entry("identity", "v3"), entry("image", "image"))
}

// allowed refuses every token but the newest.
func (c *cloud) allowed(w http.ResponseWriter, r *http.Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Header.Get("X-Auth-Token") != fmt.Sprintf("token-%d", c.logins) {
		http.Error(w, `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}`, http.StatusUnauthorized)
		return false
	}
	return true
}

func (c *cloud) compute(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	path := strings.TrimPrefix(r.URL.RequestURI(), "/compute/v2.1/")
	c.asked = append(c.asked, path)
	if c.expire > 0 && len(c.asked) == c.expire {
		c.logins++ // the token that the caller has is none any more
	}
	c.mu.Unlock()
	if !c.allowed(w, r) {
		return
	}
	w.Header().Set("X-OpenStack-Nova-API-Version", r.Header.Get("X-OpenStack-Nova-API-Version"))
	if h := c.nova[path]; h != nil {
		h(w, r)
		return
	}
	name, _, _ := strings.Cut(path, "?")
	c.replay(w, map[string]string{"os-services": "os-services.json", "servers/detail": "servers-detail.json"}[name])
}

func (c *cloud) images(w http.ResponseWriter, r *http.Request) {
	switch {
	case !c.allowed(w, r):
	case r.URL.Query().Get("os_hidden") == "true":
		fmt.Fprint(w, `{"images":[],"first":"/v2/images","schema":"/v2/schemas/images"}`)
	case r.URL.Query().Get("marker") == "":
		c.replay(w, "images-page1-limit2.json")
	default:
		c.replay(w, "images.json")
	}
}

func (c *cloud) replay(w http.ResponseWriter, name string) {
	b, err := os.ReadFile("../testdata/api/" + name)
	if err != nil {
		c.t.Error(err)
	}
	w.Write(b)
}

// replays answers with a recording.
func (c *cloud) replays(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { c.replay(w, name) }
}

// says answers with a status and a body.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// env is an environment with nothing but this cloud.
func (c *cloud) env(name string) string {
	return map[string]string{"OS_AUTH_URL": c.URL + "/v3", "OS_USERNAME": "ops", "OS_PASSWORD": "a-secret-word",
		"OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_NAME": "admin", "OS_PROJECT_DOMAIN_NAME": "Default"}[name]
}

// clients logs in.
func (c *cloud) clients() Clients {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	k, err := Login(ctx, "", c.env)
	if err != nil {
		c.t.Fatal(err)
	}
	return k
}
