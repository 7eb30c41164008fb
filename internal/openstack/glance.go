package openstack

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
)

// maxBody bounds a page of images.
const maxBody = 64 << 20

// Images gives the id of every image that can be downloaded to each: of all
// projects and visibilities, hidden ones too, if the token is an
// administrator's.
func Images(ctx context.Context, c *gophercloud.ServiceClient, each func(id string)) error {
	for _, hidden := range []string{"false", "true"} {
		query := url.Values{"visibility": {"all"}, "os_hidden": {hidden}}
		err := pages(query, func(q url.Values) (next string, err error) {
			_, err = get(ctx, c, q, func(body io.Reader) (err error) {
				next, err = readImages(body, each)
				return err
			}, "images")
			return next, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func readImages(r io.Reader, each func(id string)) (next string, err error) {
	var page struct {
		Images *[]struct{ ID, Status string }
		Next   string
	}
	if err := json.NewDecoder(io.LimitReader(r, maxBody)).Decode(&page); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return "", err
	}
	if page.Images == nil {
		return "", errors.New("no list of images")
	}
	for _, i := range *page.Images {
		if i.ID != "" && i.Status == "active" { // deactivated, queued, killed: no data for nova
			each(i.ID)
		}
	}
	return page.Next, nil
}
