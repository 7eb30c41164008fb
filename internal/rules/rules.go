// Package rules holds the design of this module to its word: its tests check
// which package may import what, and that library packages neither log, print,
// exit, nor read flags and the environment.
package rules
