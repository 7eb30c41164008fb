// Package netns makes network namespaces of the running kernel for tests:
// real bridges, real taps, real filters, and nothing of the host's.
package netns
