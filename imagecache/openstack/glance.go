package openstack

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stackmend/stackmend/imagecache"
	"github.com/stackmend/stackmend/internal/openstack"
)

// Glance lists the images that can be downloaded, of all projects, hidden
// ones too. It always returns a list; what made it less than whole is in
// Incomplete, and no image is then called a last copy. ctx bounds it, and
// [DefaultTimeout] if ctx has no deadline.
func Glance(ctx context.Context, image, identity *gophercloud.ServiceClient) *imagecache.Glance {
	if image == nil {
		return &imagecache.Glance{Incomplete: []string{"no image API given"}}
	}
	if _, ok := ctx.Deadline(); !ok {
		bounded, cancel := context.WithTimeout(ctx, DefaultTimeout)
		defer cancel()
		ctx = bounded
	}
	g := &imagecache.Glance{}
	if err := openstack.Images(ctx, image, func(id string) { g.IDs = append(g.IDs, id) }); err != nil {
		g.Incomplete = append(g.Incomplete, errors.Join(err, context.Cause(ctx)).Error())
	}
	if w, err := openstack.WhoAmI(ctx, image, identity); err != nil {
		g.Incomplete = append(g.Incomplete, err.Error())
	} else if !w.Admin() {
		g.Incomplete = append(g.Incomplete, fmt.Sprintf("%s is no administrator: private images of others are not in the list", w))
	}
	slices.Sort(g.IDs)
	g.IDs = slices.Compact(g.IDs)
	return g
}
