module github.com/stackmend/stackmend

go 1.25.0

require (
	github.com/ceph/go-ceph v0.40.0
	github.com/google/go-cmp v0.7.0
	github.com/gophercloud/gophercloud/v2 v2.15.0
	github.com/mdlayher/netlink v1.8.0
	golang.org/x/sync v0.20.0
	golang.org/x/sys v0.47.0
)

require (
	github.com/mdlayher/socket v0.5.1 // indirect
	golang.org/x/net v0.43.0 // indirect
	gopkg.in/yaml.v2 v2.4.0 // indirect
)
