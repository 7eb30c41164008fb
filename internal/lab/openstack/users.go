package openstack

import (
	"fmt"
	"testing"
)

// A User can log in; every one is of the domain Default.
type User struct {
	Name, Project string
	password      string
}

// The users of a cloud.
var (
	Admin = User{"admin", "admin", "secret"}   // has the role admin
	Alice = User{"alice", "tenant1", "secret"} // has the role member in a project of her own
)

// Env is the environment of a user, for whoever takes os.Getenv.
func (c *Cloud) Env(u User) func(string) string { return c.EnvAt(c.Addr, u) }

// EnvAt is Env with keystone at another address: a proxy's.
func (c *Cloud) EnvAt(addr string, u User) func(string) string {
	return func(name string) string {
		return map[string]string{"OS_AUTH_URL": "http://" + addr + ":5000/v3", "OS_USERNAME": u.Name, "OS_PASSWORD": u.password,
			"OS_PROJECT_NAME": u.Project, "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default", "OS_REGION_NAME": "RegionOne"}[name]
	}
}

// CloudsYAML is a clouds.yaml with a cloud for each user, named as the user.
func (c *Cloud) CloudsYAML() string {
	text := "clouds:\n"
	for _, u := range []User{Admin, Alice} {
		text += fmt.Sprintf("  %s:\n    region_name: RegionOne\n    auth:\n      auth_url: http://%s:5000/v3\n      username: %s\n      password: %s\n"+
			"      project_name: %s\n      user_domain_id: default\n      project_domain_id: default\n", u.Name, c.Addr, u.Name, u.password, u.Project)
	}
	return text
}

// Token is a new token of a user.
func (c *Cloud) Token(t testing.TB, u User) string {
	t.Helper()
	l, err := c.signIn(u)
	if err != nil {
		t.Fatal(err)
	}
	return l.token
}

// Revoke ends a token before its time.
func (c *Cloud) Revoke(t testing.TB, token string) {
	t.Helper()
	req, err := c.admin.request("DELETE", "identity/auth/tokens", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Subject-Token", token)
	if _, err := send(req, nil); err != nil {
		t.Fatal(err)
	}
}

// catalogue tells keystone where the services are, and of Alice.
func (c *Cloud) catalogue() error {
	l, err := c.signIn(Admin)
	if err != nil {
		return err
	}
	for _, s := range []struct{ kind, name, path string }{
		{"compute", "nova", ":8774/v2.1"}, {"image", "glance", ":9292"}, {"network", "neutron", ":9696"}, {"placement", "placement", ":8778"},
		{"volumev3", "cinderv3", ":8776/v3/%(project_id)s"}, {"block-storage", "cinder", ":8776/v3/%(project_id)s"},
	} {
		id, err := l.create("identity/services", "service", map[string]any{"type": s.kind, "name": s.name})
		if err != nil {
			return err
		}
		for _, i := range []string{"public", "internal"} {
			_, err := l.create("identity/endpoints", "endpoint",
				map[string]any{"service_id": id, "interface": i, "url": "http://" + c.Addr + s.path, "region_id": "RegionOne"})
			if err != nil {
				return err
			}
		}
	}
	return l.addAlice()
}

func (l *login) addAlice() error {
	project, err := l.create("identity/projects", "project", map[string]any{"name": Alice.Project, "domain_id": "default"})
	if err != nil {
		return err
	}
	user, err := l.create("identity/users", "user", map[string]any{"name": Alice.Name, "domain_id": "default", "password": Alice.password})
	if err != nil {
		return err
	}
	var roles struct{ Roles []struct{ ID, Name string } }
	if _, err := l.call("GET", "identity/roles?name=member", nil, &roles); err != nil {
		return err
	}
	_, err = l.call("PUT", "identity/projects/"+project+"/users/"+user+"/roles/"+roles.Roles[0].ID, nil, nil)
	return err
}
