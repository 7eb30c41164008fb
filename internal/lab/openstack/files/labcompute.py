"""nova-compute with one more folder of drivers: nova loads those below
nova.virt alone."""
import os

import nova.virt
from nova.cmd.compute import main

nova.virt.__path__.append(os.path.dirname(os.path.abspath(__file__)))
