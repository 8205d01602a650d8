"""What killed runs have left in the directories that an installation writes, removed by the next one."""

from collections.abc import Iterable

from dkimctl.config.settings import Settings
from dkimctl.files import tidy
from dkimctl.postfix import postconf


def tidy_configuration(settings: Settings) -> None:
    """Look into the directories of the configuration, and below that of the backups."""
    paths = settings.paths
    tidy_beside([paths.opendkim_conf], settings)
    for directory in (paths.opendkim_directory, paths.postfix_directory, paths.tmpfiles_directory):
        tidy(settings.at(directory))
    tidy(settings.at(paths.backups), below=True)
    postconf.tidy(settings.at(paths.postfix_directory))


def tidy_beside(paths: Iterable[str], settings: Settings) -> None:
    """Look into the directories that hold these files, given by their system paths."""
    for directory in {path.rpartition("/")[0] or "/" for path in paths}:
        tidy(settings.at(directory))
