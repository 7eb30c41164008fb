module github.com/stackmend/stackmend

go 1.25.0

require (
	github.com/google/go-cmp v0.7.0
	golang.org/x/sync v0.20.0
	golang.org/x/sys v0.40.0 // indirect
)
