// Package openstack is what the packages that speak to OpenStack share:
// logging in, lists that are whole or say that they are not, and who asks.
// It reads no environment itself; the SDK under it looks at OS_CACERT, OS_CERT
// and OS_KEY.
package openstack

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	sdk "github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
)

// Auth is where to log in, and as whom. Printing it shows no secret.
type Auth struct {
	options  gophercloud.AuthOptions
	endpoint gophercloud.EndpointOpts
	tls      *tls.Config
}

func (a Auth) String() string { return a.options.Username + "@" + a.options.IdentityEndpoint }

// GoString is String.
func (a Auth) GoString() string { return a.String() }

// FromClouds takes one cloud of a clouds.yaml. secure is the secure.yaml
// beside it, or nil.
func FromClouds(name string, file, secure io.Reader) (Auth, error) {
	if name == "" {
		return Auth{}, errors.New("openstack: no cloud of clouds.yaml named")
	}
	// Every option that would else come from the environment is set here.
	opts := []clouds.ParseOption{clouds.WithCloudName(name), clouds.WithRegion(""), clouds.WithEndpointType(""),
		clouds.WithCloudsYAML(file), clouds.WithPublicLocations("/etc/openstack/clouds-public.yaml")}
	if secure != nil {
		opts = append(opts, clouds.WithSecureYAML(secure))
	}
	options, endpoint, tlsConfig, err := clouds.Parse(opts...)
	if err != nil {
		return Auth{}, fmt.Errorf("openstack: cloud %q: %w", name, err)
	}
	if options.IdentityEndpoint == "" {
		return Auth{}, fmt.Errorf("openstack: cloud %q has no auth_url", name)
	}
	options.AllowReauth = true // a token may end in the middle of a long list
	return Auth{options, endpoint, tlsConfig}, nil
}

// An Env looks up one variable of an environment; os.Getenv is one.
type Env func(name string) string

// FromEnv logs in as python-openstackclient would in that environment: with
// the named cloud, or that of OS_CLOUD, of the first clouds.yaml in its usual
// places; else with OS_AUTH_URL, OS_USERNAME and so on.
func FromEnv(cloud string, env Env) (Auth, error) {
	if cloud == "" {
		cloud = env("OS_CLOUD")
	}
	if cloud == "" {
		return fromVariables(env)
	}
	file, secure, err := openClouds(places(env))
	if err != nil {
		return Auth{}, err
	}
	defer file.Close()
	if secure == nil {
		return FromClouds(cloud, file, nil)
	}
	defer secure.Close()
	return FromClouds(cloud, file, secure)
}

// places are where clouds.yaml may be, the first one wins.
func places(env Env) []string {
	if p := env("OS_CLIENT_CONFIG_FILE"); p != "" {
		return []string{p}
	}
	user := env("XDG_CONFIG_HOME")
	if user == "" && env("HOME") != "" {
		user = filepath.Join(env("HOME"), ".config")
	}
	all := []string{"clouds.yaml"}
	if user != "" {
		all = append(all, filepath.Join(user, "openstack", "clouds.yaml"))
	}
	return append(all, "/etc/openstack/clouds.yaml")
}

// openClouds opens the first file that is there, and secure.yaml beside it if
// there is one. One that is there and cannot be read is an error.
func openClouds(places []string) (file, secure *os.File, err error) {
	for _, p := range places {
		file, err = os.Open(p)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("openstack: %w", err)
		}
		secure, err = os.Open(filepath.Join(filepath.Dir(p), "secure.yaml"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			file.Close()
			return nil, nil, fmt.Errorf("openstack: %w", err)
		}
		return file, secure, nil
	}
	return nil, nil, fmt.Errorf("openstack: no clouds.yaml: %w: %s", os.ErrNotExist, strings.Join(places, ", "))
}

// fromVariables writes the variables as the clouds.yaml that they stand for.
func fromVariables(env Env) (Auth, error) {
	if env("OS_AUTH_URL") == "" {
		return Auth{}, errors.New("openstack: neither a cloud of clouds.yaml nor OS_AUTH_URL is given")
	}
	auth := map[string]string{}
	for _, key := range []string{"auth_url", "username", "user_id", "password", "project_name", "project_id",
		"user_domain_name", "user_domain_id", "project_domain_name", "project_domain_id", "domain_name", "domain_id",
		"application_credential_id", "application_credential_name", "application_credential_secret", "token", "system_scope"} {
		if v := env("OS_" + strings.ToUpper(key)); v != "" {
			auth[key] = v
		}
	}
	cloud := map[string]any{"auth": auth}
	for key, name := range map[string]string{"region_name": "OS_REGION_NAME", "interface": "OS_INTERFACE",
		"cacert": "OS_CACERT", "cert": "OS_CERT", "key": "OS_KEY"} {
		if v := env(name); v != "" {
			cloud[key] = v
		}
	}
	// JSON is YAML.
	b, err := json.Marshal(map[string]any{"clouds": map[string]any{"environment": cloud}})
	if err != nil {
		return Auth{}, err
	}
	return FromClouds("environment", strings.NewReader(string(b)), nil)
}

// A Session is a login. It is safe for use by several goroutines.
type Session struct {
	provider *gophercloud.ProviderClient
	endpoint gophercloud.EndpointOpts
}

// Connect logs in. A token that ends is renewed.
func (a Auth) Connect(ctx context.Context) (*Session, error) {
	p, err := config.NewProviderClient(ctx, a.options, config.WithTLSConfig(a.tls))
	if err != nil {
		return nil, fmt.Errorf("openstack: logging in as %s: %w", a, brief(err))
	}
	p.UserAgent.Prepend("stackmend")
	return &Session{p, a.endpoint}, nil
}

// Compute is nova as the catalogue has it.
func (s *Session) Compute() (*gophercloud.ServiceClient, error) {
	return sdk.NewComputeV2(s.provider, s.endpoint)
}

// Identity is keystone as the catalogue has it.
func (s *Session) Identity() (*gophercloud.ServiceClient, error) {
	return sdk.NewIdentityV3(s.provider, s.endpoint)
}

// Image is glance as the catalogue has it.
func (s *Session) Image() (*gophercloud.ServiceClient, error) {
	return sdk.NewImageV2(s.provider, s.endpoint)
}
