"""nova's databases and cells in one process, for each start of nova-manage
takes seconds: nova_db.py CONF CELL0 then NAME DATABASE TRANSPORT of each cell."""
import sys

conf, cell0, *cells = sys.argv[1:]
sys.argv = ["nova-manage"]

from nova import config
from nova import context
from nova import objects
from nova.cmd import manage
from nova.db import migration

config.parse_args(["nova-manage", "--config-file", conf])
objects.register_all()


def ok(status):
    if status:
        raise SystemExit("nova-manage: %r" % status)


ok(manage.ApiDbCommands().sync())
ok(manage.CellV2Commands().map_cell0(database_connection=cell0))
for name, database, transport in zip(*[iter(cells)] * 3):
    ok(manage.CellV2Commands().create_cell(
        name=name, database_connection=database, transport_url=transport))
for cell in objects.CellMappingList.get_all(context.get_admin_context()):
    with context.target_cell(context.get_admin_context(), cell) as c:
        migration.db_sync(None, context=c)
