// Package mariadb starts real MariaDB servers on loopback for tests, with the
// schema that nova-manage makes: the API database, cell0 and two cells.
//
// It needs the Debian packages mariadb-server, mariadb-client, python3-nova,
// nova-common and python3-pymysql. Everything lives in a directory that the
// caller gives and is gone after Stop and the removal of that directory; the
// synchronised schema alone is kept in the temporary directory of the host, so
// that it is made once.
package mariadb
