"""What nova appends to the name of an ephemeral base image here."""
import nova.conf
import nova.privsep.fs as fs

print(fs.get_file_extension_for_os_type(
    fs.get_fs_type_for_os_type("linux"), nova.conf.CONF.default_ephemeral_format))
