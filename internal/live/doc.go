// Package live holds tests alone: those of what speaks to OpenStack, against
// one real cloud that is started for all of them.
package live
