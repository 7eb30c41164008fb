module github.com/stackmend/stackmend

go 1.25.0

require (
	github.com/go-sql-driver/mysql v1.10.1
	github.com/google/go-cmp v0.7.0
	github.com/gophercloud/gophercloud/v2 v2.15.0
	golang.org/x/sync v0.20.0
	golang.org/x/sys v0.47.0
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	gopkg.in/yaml.v2 v2.4.0 // indirect
)
