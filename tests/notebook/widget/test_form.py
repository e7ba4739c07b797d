"""The widget's side of the kernel, as its pages speak to it: states that cross on their way."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.core.plugins.installing import write_plugin
from tests.core.support import ROOT, run_script
from tests.notebook.widget.conftest import World
from tests.notebook.widget.test_describing import PLUGIN

BEGIN = """
import json
from clustrix.config.store import process
from clustrix_notebook.widget.drafts import Store
from clustrix_notebook.widget.editor import Editor
from clustrix_notebook.widget.form import Form

editor = Editor(process, Store())
form = Form(editor)

def page():
    return json.loads(json.dumps(form.edits))

def typed(edits, **texts):
    return {**edits, "texts": {**edits["texts"], **texts}}

def send(edits):
    form.set_state({"edits": edits})

def ask(act, **more):
    form._handle_custom_msg({"id": "1", "act": act, **more}, [])

def tell(what):
    print(json.dumps(what))
"""


def run(world: World, script: str) -> list[Any]:
    """What a process tells."""
    done = run_script(BEGIN + script, folder=world.project)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_late_edit_lands_in_the_profile_that_it_was_typed_in(world: World) -> None:
    """Not in the one that was chosen meanwhile, and it is not lost."""
    world.write_user("profiles:\n  a: {default_cores: 1}\n  b: {default_cores: 2}\n")
    script = """
editor.choose("a"); form._refresh()
old = page()
ask("choose", name="b", edits=typed(old, default_cores="11"))
send(typed(old, default_cores="11", default_time="12"))
tell([editor.edited, form.edits["texts"], editor.draft("a").texts(), editor.draft("b").texts()])
"""
    assert run(world, script) == [
        ["b", {"default_cores": "2"}, {"default_cores": "11", "default_time": "12"}, {"default_cores": "2"}]
    ]


def test_page_that_is_behind_takes_nothing_back(world: World) -> None:
    """What another program has written meanwhile is not undone by a page that does not show it yet."""
    world.write_user("default_cores: 1\ndefault_time: 60\n")
    script = f"""
old = page()
open({str(world.user)!r}, "w").write("default_cores: 1\\ndefault_time: 120\\n")
editor.refresh(); form._refresh()
send(typed(old, default_cores="3"))
tell([editor.texts(), form.edits["texts"], editor.draft().edits])
"""
    texts = {"default_cores": "3", "default_time": "0:02:00"}
    assert run(world, script) == [[texts, texts, {"default_cores": "3"}]]


def test_page_of_another_kernel_is_told_what_there_is(world: World) -> None:
    """It says a state that this one never had."""
    script = """
send({"profile": "", "turn": 99, "texts": {"default_cores": "3"}})
tell([editor.texts(), form.edits["texts"], form.edits["turn"]])
"""
    ((texts, shown, turn),) = run(world, script)
    assert (texts, shown) == ({}, {})
    assert turn < 99


def test_typed_back_is_taken_back(world: World) -> None:
    """Several edits in one turn: each says all that is typed."""
    script = """
begin = page()
send(typed(begin, default_cores="3", default_time="5"))
send(typed(begin, default_time="5"))
tell([editor.texts(), form.checked])
send(typed(begin, default_time="nonsense"))
tell(list(form.checked["problems"]))
"""
    assert run(world, script) == [[{"default_time": "5"}, {"problems": {}}], ["default_time"]]


def test_no_secret_is_in_the_state_or_the_picture(world: World) -> None:
    """Nor what was typed of environment variables in the picture, which is saved with the notebook."""
    script = """
import keyring
from tests.core.config.test_secrets import Drawer
drawer = Drawer()
keyring.set_keyring(drawer)
send(typed(page(), environment_variables="A=hunter2"))
ask("keep secret", name="token", text="hunter3")
state = json.dumps(form.get_state(), default=str)
tell([list(drawer.held.values()), "hunter3" in state, "hunter2" in form.picture(), "environment_variables" in form.picture()])
"""
    code = PLUGIN.format(bad="help='A token.', secret=True").replace("moon_crater", "token")
    write_plugin(world.home, "moon", code)
    done = run_script(
        BEGIN + script, folder=world.project, PYTHONPATH=os.pathsep.join((str(world.home), str(ROOT)))
    )
    assert json.loads(done.stdout) == [["hunter3"], False, False, True]


def test_folder_that_is_gone_stops_nothing(world: World) -> None:
    """The form goes on."""
    script = """
import os
os.mkdir("sub"); os.chdir("sub"); os.rmdir("../sub")
send(typed(page(), default_cores="3"))
form._refresh()
tell(editor.texts())
"""
    assert run(world, script) == [{"default_cores": "3"}]
