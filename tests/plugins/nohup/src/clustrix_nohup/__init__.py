"""What clustrix asks this plugin: light, since everybody pays for it."""

from clustrix.plugins import hookimpl

HOOK_API = 1


@hookimpl
def clustrix_register(registry):
    registry.backend("nohup", "clustrix_nohup.backend:Nohup", title="nohup")
