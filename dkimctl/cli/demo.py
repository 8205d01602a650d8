"""`dkimctl demo`: the whole loop on this machine, each step shown with its proof."""

from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.frame import command as make_command

if TYPE_CHECKING:
    from dkimctl.output.demo import Scene


@make_command("demo", example="dkimctl demo\ndkimctl demo --keep", public=True)
@click.option("--keep", is_flag=True, help="Keep the scratch directory for inspection.")
def command(app: App, keep: bool) -> int:
    """Show the whole loop on the sandbox; no root, no account.

    An OVH-compatible API and two name servers run on loopback, and a scratch directory plays the relay. Nothing
    else on this machine or elsewhere is touched. Exit code 0: every proof held.
    """
    from dkimctl.cli.demo_scenes import SCENES
    from dkimctl.cli.demo_stage import DOMAIN, open_stage
    from dkimctl.output.demo import end_blocks, opening_blocks, scene_blocks

    scenes: list[Scene] = []
    with open_stage(app.clock, keep=keep) as stage:
        app.terminal.show(opening_blocks(DOMAIN, stage.directory, keep=keep))
        for play in SCENES:
            scenes.append(play(stage))
            app.terminal.show(scene_blocks(len(scenes), scenes[-1]))
    app.terminal.show(end_blocks(len(scenes)))
    app.terminal.document("scenes", scenes)
    return 0
