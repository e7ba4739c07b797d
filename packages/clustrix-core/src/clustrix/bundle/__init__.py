"""From a function and its arguments to bytes: what travels with a job."""

from clustrix.bundle.blobs import BlobStore
from clustrix.bundle.maps import pack_map
from clustrix.bundle.packing import pack_call

__all__ = ["BlobStore", "pack_call", "pack_map"]
