// Package dbarchive moves the deleted instances of nova, with all their rows,
// out of the tables that the API reads.
//
// The incident: more than a million metadata rows and 300,000 deleted or errored
// instances made RunInstances take 138.6 s instead of 3.9 and ate 48 GB of
// memory. The operator archived a copy and deleted by hand, with SQL that matches
// no row on a real schema: nova marks a deleted row with its own id, not with 1,
// and foreign keys forbid to delete an instance before its children.
//
// Start with [Observe]; show what [Check] finds; review what [Plan] would do; and
// hand that plan and a [NewApplier] to stackmend.Run. [PlanRestore] puts an
// instance back, [PlanPurge] deletes archived ones for good.
//
// The unit is an instance with every row that belongs to it. In one transaction
// (READ COMMITTED) its rows are copied to nova's shadow tables or to another
// database of the server ([Destination]), and deleted by a statement that joins each row with its
// copy and compares every column, text as bytes. As many rows must go as were
// copied, or everything is rolled back. Rows of the API database are saved in the
// same transaction (UNCOMPRESS(body) shows them as JSON) and deleted after it; a run that is killed between the two
// databases leaves a note of that, which the next run completes.
//
// To another server or to files (zstd, JSON lines, a [Manifest], mode 0600) no
// transaction spans both: there the rows are locked, copied, synced, read back
// and compared by count and hash, and then deleted. What counts is noted in the
// cell by the transaction that deletes; a copy that a killed run left does not,
// and the next run drops it.
//
// A step is a key range of one cell. It works in transactions that adapt to a
// target time, with a Gate between them; the database itself says what is done, so
// that a killed run needs no journal to go on.
//
// # Safety
//
// An instance is kept, and named, if it has rows that are not deleted (the two
// tables of actions excepted, which nova never marks), if its compute host was not
// seen since it was deleted (its guest may still run, and nova's reaper needs the
// row to end it), or if it has no deleted_at. Nothing is done at all on a
// read-only server, on a replica unless told, with binlog_format STATEMENT, with
// foreign_key_checks off, with a table and its copy that differ, without InnoDB, or
// on a revision of nova's schema that this package does not know.
//
// A row that is in both places and equal is completed. One whose copy differs
// keeps its whole tree where it is; so does a tree that others hold locked. They
// are set aside ([Applier.SetAside]), and their step is not done.
//
// API rows are touched only for instances that are mapped to the cell being
// archived. Orphans are counted only if every mapped cell answered, and are
// reported, never deleted.
//
// Two archivers of a cell are kept apart by a row in the table stackmend_lease, for
// GET_LOCK is per node on Galera. What keeps rows safe is not the lease but the row
// locks of each transaction. The throttles ([ReplicaLag], [Galera], [Load], [Disk]) make a
// run wait at a soft limit and stop it at a hard one; what they cannot read makes
// them wait.
//
// When a context ends, the statement ends on the server as well: it is bounded
// there (max_statement_time; on MySQL max_execution_time, which bounds reads
// alone), and ended by KILL QUERY if host name, port and a token in the process list
// prove that it is ours.
//
// A purge, and nothing else here, cannot be undone: its steps run only if
// stackmend.Options.Irreversible permits them.
//
// # Live statements
//
// What is moved is written to InnoDB's redo log about as fast as the server takes
// it. Where that log runs full a server stops all who write until it has written
// pages, whoever filled it: a run of many rows is easier on the others with a log
// that is large beside them (innodb_log_file_size, innodb_redo_log_capacity of
// MySQL), with more page writes a second (innodb_io_capacity_max), with one
// connection (stackmend.Options.Parallel), or at a quiet hour.
//
// # Privileges
//
// Observing needs SELECT on the cells and the API database. Whether a server is a
// replica needs REPLICATION CLIENT (SLAVE MONITOR on MariaDB 10.5 and newer); without
// it the plan says that this could not be seen. The length of the history list, and
// ending a statement of one's own session, need PROCESS at most.
//
// Archiving needs SELECT, INSERT, UPDATE and DELETE on the cell's database, CREATE
// there once for the tables of this package (the plan's prepare step; UPDATE
// and DELETE elsewhere than in these are used for nothing but the move), SELECT and
// DELETE on the API database, and INSERT there to restore. An archive server needs
// CREATE, SELECT, INSERT and DELETE on its database.
//
// # Compatibility
//
// MariaDB 10.11 is what the tests run, alone, with a replica and as a Galera
// cluster of three. The statements are written for MySQL 8.0 and Percona XtraDB
// Cluster as well, with SHOW REPLICA STATUS and max_execution_time in place of
// MariaDB's; they have not been run there.
//
// Nova's schema is known from Wallaby (8f2f1571d55b) to 2023.1 (960aac0e09ea); the tests run
// that of 26.2.2. Which tables belong to an instance is read from the foreign keys,
// and from what nova itself deletes with it:
// https://opendev.org/openstack/nova/src/tag/26.2.2/nova/db/main/api.py (instance_destroy,
// archive_deleted_rows).
//
// [PlanPurge] is of nova's shadow tables and of other databases of the server. A
// file of rows is never rewritten, for its digest is what a restore relies on, and
// holds trees of many ages: how long files are kept is decided by whoever keeps
// them, whole files at a time (the manifest names the instances); a restore
// from one that is gone says so and changes nothing. An archive server is purged on
// that server, where its rows are plain tables with all their indexes.
package dbarchive
