"""What clustrix asks this plugin."""

from clustrix.plugins import hookimpl

HOOK_API = 1


@hookimpl
def clustrix_register(registry):
    registry.backend("broken", "clustrix_broken.backend:Nohup", title="broken on purpose")
