package openstack

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
)

const yaml = `
clouds:
  prod:
    region_name: R1
    interface: internal
    auth: {auth_url: "https://keystone.example/v3", username: ops, project_name: admin, user_domain_name: Default, project_domain_name: Default}
  nowhere:
    auth: {username: ops}
`

const secureYAML = `clouds: {prod: {auth: {password: a-secret-word}}}`

func TestFromClouds(t *testing.T) {
	a, err := FromClouds("prod", strings.NewReader(yaml), strings.NewReader(secureYAML))
	if err != nil {
		t.Fatal(err)
	}
	if a.options.Password != "a-secret-word" || !a.options.AllowReauth || a.endpoint.Region != "R1" || a.endpoint.Availability != gophercloud.AvailabilityInternal {
		t.Errorf("%s %+v", a, a.endpoint)
	}
	for _, c := range []struct{ name, file string }{{"", yaml}, {"other", yaml}, {"nowhere", yaml}, {"prod", "clouds: ["}, {"prod", ""}} {
		if _, err := FromClouds(c.name, strings.NewReader(c.file), nil); err == nil {
			t.Errorf("%q of %.20q: no error", c.name, c.file)
		}
	}
}

// What is in the environment of the process is not read: the caller hands in
// what he means.
func TestNoHiddenEnvironment(t *testing.T) {
	t.Setenv("OS_REGION_NAME", "hidden")
	t.Setenv("OS_INTERFACE", "admin")
	t.Setenv("OS_CLOUD", "nowhere")
	a, err := FromClouds("prod", strings.NewReader(yaml), nil)
	if err != nil || a.endpoint.Region != "R1" || a.endpoint.Availability != gophercloud.AvailabilityInternal {
		t.Errorf("%v %+v", err, a.endpoint)
	}
}

func TestFromEnv(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{"openstack/clouds.yaml": yaml, "openstack/secure.yaml": secureYAML} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := func(vars ...string) Env {
		return func(name string) string {
			for i := 0; i < len(vars); i += 2 {
				if vars[i] == name {
					return vars[i+1]
				}
			}
			return ""
		}
	}
	for _, e := range []Env{env("OS_CLOUD", "prod", "XDG_CONFIG_HOME", dir), env("OS_CLOUD", "prod", "OS_CLIENT_CONFIG_FILE", filepath.Join(dir, "openstack/clouds.yaml"))} {
		if a, err := FromEnv("", e); err != nil || a.options.Password != "a-secret-word" {
			t.Errorf("%v: %s", err, a)
		}
	}
	if _, err := FromEnv("prod", env("OS_CLIENT_CONFIG_FILE", filepath.Join(dir, "none.yaml"))); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	a, err := FromEnv("", env("OS_AUTH_URL", "http://k/v3", "OS_APPLICATION_CREDENTIAL_ID", "id", "OS_APPLICATION_CREDENTIAL_SECRET", "s: {", "OS_REGION_NAME", "R2"))
	if err != nil || a.options.ApplicationCredentialID != "id" || a.options.ApplicationCredentialSecret != "s: {" || a.endpoint.Region != "R2" {
		t.Errorf("%v %s", err, a)
	}
}

func TestMarker(t *testing.T) {
	for _, link := range []string{"", "http://x/", "http://x/?marker=", "%zz", "?limit=2"} {
		if m, err := markerOf(link); !errors.Is(err, ErrPaging) {
			t.Errorf("%q: %q %v", link, m, err)
		}
	}
	if m, err := markerOf("/v2/images?limit=2&marker=b8"); m != "b8" || err != nil {
		t.Error(m, err)
	}
}

func FuzzImages(f *testing.F) {
	f.Add(`{"images":[{"id":"a","status":"active"}],"next":"/v2/images?marker=a"}`)
	f.Fuzz(func(t *testing.T, s string) {
		next, err := readImages(strings.NewReader(s), func(id string) {
			if id == "" {
				t.Error("an image without id")
			}
		})
		if err != nil && next != "" {
			t.Errorf("%q %v", next, err)
		}
	})
}
