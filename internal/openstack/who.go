package openstack

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// Who is whose token it is.
type Who struct {
	User, Project string
	Roles         []string
}

// Admin reports whether the token has one of the roles; of none given, the
// role admin. Lists of others may be cut to the own project without a sign.
func (w Who) Admin(roles ...string) bool {
	if len(roles) == 0 {
		roles = []string{"admin"}
	}
	return slices.ContainsFunc(w.Roles, func(r string) bool { return slices.Contains(roles, r) })
}

func (w Who) String() string {
	return fmt.Sprintf("user %q of project %q with the roles %q", w.User, w.Project, w.Roles)
}

// WhoAmI asks keystone about the token of the client. Without keystone it
// takes what the login said.
func WhoAmI(ctx context.Context, c, identity *gophercloud.ServiceClient) (Who, error) {
	if identity != nil {
		r := tokens.Get(ctx, identity, identity.Token())
		if r.Err != nil {
			return Who{}, asked(identity.ServiceURL("auth", "tokens"), r.Err)
		}
		return who(r)
	}
	switch r := c.GetAuthResult().(type) {
	case tokens.CreateResult:
		return who(r)
	case tokens.GetResult:
		return who(r)
	}
	return Who{}, fmt.Errorf("%w: nobody can tell whose token it is", ErrDenied)
}

// token is what of a token's description is asked for.
type token interface {
	ExtractUser() (*tokens.User, error)
	ExtractRoles() ([]tokens.Role, error)
	ExtractProject() (*tokens.Project, error)
}

func who(t token) (Who, error) {
	user, err1 := t.ExtractUser()
	roles, err2 := t.ExtractRoles()
	project, err3 := t.ExtractProject()
	if err := errors.Join(err1, err2, err3); err != nil {
		return Who{}, fmt.Errorf("openstack: whose token it is: %w", err)
	}
	var w Who
	if user != nil {
		w.User = user.Name
	}
	if project != nil { // a token of the system has none
		w.Project = project.Name
	}
	for _, r := range roles {
		w.Roles = append(w.Roles, r.Name)
	}
	return w, nil
}
