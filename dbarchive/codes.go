package dbarchive

// The codes of findings, and the reasons for which a tree is kept.
const (
	DeletedRows      = "deleted-rows"      // deleted rows slow the API down and can be archived
	SchemaDrift      = "schema-drift"      // a table and its shadow differ
	OrphanedAPIRows  = "orphaned-api-rows" // API rows of instances that no cell has
	RowInBoth        = "row-in-both"       // a row is in a table and in its destination
	LiveChild        = "live-child"        // a deleted instance has rows that are not deleted
	HostNotSeen      = "host-not-seen"     // the guest of a deleted instance may still run
	NullDeletedAt    = "null-deleted-at"   // deleted, nobody knows when
	ErroredInstances = "errored-instances" // live instances in error
	NotArchivable    = "not-archivable"    // something forbids to archive at all, or one tree
	SlowAPI          = "slow-api"          // nova-api takes long
)

// statePrefix begins the names of the tables that this package makes in a
// cell's database.
const statePrefix = "stackmend_"
