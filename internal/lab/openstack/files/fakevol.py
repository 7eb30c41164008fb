"""A driver of cinder whose volumes hold nothing."""
from cinder import interface
from cinder.volume import driver


@interface.volumedriver
class FakeVol(driver.VolumeDriver):
    VERSION = "1.0"
    CI_WIKI_NAME = "none"

    def do_setup(self, context):
        pass

    def check_for_setup_error(self):
        pass

    def create_volume(self, volume):
        return {"provider_location": "fake:%s" % volume.id}

    def delete_volume(self, volume):
        pass

    def clone_image(self, context, volume, location, meta, service):
        return {"provider_location": "fake:%s" % volume.id}, True

    def copy_image_to_volume(self, context, volume, service, image):
        pass

    def create_snapshot(self, snapshot):
        pass

    def delete_snapshot(self, snapshot):
        pass

    def create_volume_from_snapshot(self, volume, snapshot):
        pass

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector):
        return {"driver_volume_type": "fake", "data": {"volume_id": volume.id}}

    def terminate_connection(self, volume, connector, **kwargs):
        pass

    def get_volume_stats(self, refresh=False):
        return {"volume_backend_name": "fake", "vendor_name": "lab",
                "driver_version": "1.0", "storage_protocol": "fake",
                "total_capacity_gb": 1000, "free_capacity_gb": 900,
                "reserved_percentage": 0, "multiattach": True}
